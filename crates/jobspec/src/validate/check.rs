//! Rules of one check, wherever its service stands.

use baton_model::Nanos;
use baton_model::service::{CheckRestart, ServiceCheck};

use super::service::is_on_update;
use crate::problem::Place;

const LEAST_INTERVAL: Nanos = Nanos::secs(1);
const LONGEST_NOTES: usize = 255;

/// `native`: the service's provider is `nomad`, whose checks can do less.
pub(super) fn check(check: &ServiceCheck, native: bool, place: &mut Place<'_>) {
    let allowed: &[&str] = if native { &["tcp", "http"] } else { &["grpc", "tcp", "http", "script"] };
    let kind = check.check_type.to_lowercase();
    if !allowed.contains(&kind.as_str()) {
        place.add("Type", format!("invalid check type ({kind:?}), must be one of {}", allowed.join(", ")));
    }
    match kind.as_str() {
        "http" if check.path.is_empty() => place.add("Path", "http type must have http path"),
        "http" if is_absolute_url(&check.path) => place.add("Path", "http type must have relative http path"),
        "script" if check.command.is_empty() => place.add("Command", "script type must have a valid script path"),
        _ => {}
    }
    if check.interval.is_zero() {
        place
            .add("Interval", format!("missing required value interval. Interval cannot be less than {LEAST_INTERVAL}"));
    } else if check.interval < LEAST_INTERVAL {
        place.add("Interval", format!("interval ({}) cannot be lower than {LEAST_INTERVAL}", check.interval));
    }
    if check.timeout.is_zero() {
        place.add("Timeout", format!("missing required value timeout. Timeout cannot be less than {LEAST_INTERVAL}"));
    } else if check.timeout < LEAST_INTERVAL {
        place.add(
            "Timeout",
            format!("timeout ({}) is lower than required minimum timeout {LEAST_INTERVAL}", check.timeout),
        );
    }
    if !matches!(check.initial_status.as_str(), "" | "passing" | "warning" | "critical") {
        let message = format!(
            "invalid initial check state ({}), must be one of \"passing\", \"warning\", \"critical\" or empty",
            check.initial_status
        );
        place.add("InitialStatus", message);
    }
    match check.address_mode.as_str() {
        "" | "host" | "driver" | "alloc" | "alloc_ipv6" => {}
        "auto" => place.add("AddressMode", "invalid address_mode \"auto\" - auto only valid for services"),
        other => place.add("AddressMode", format!("invalid address_mode {other:?}")),
    }
    if !is_on_update(&check.on_update) {
        let message = format!(
            "on_update must be \"require_healthy\", \"ignore_warnings\", or \"ignore\"; got {:?}",
            check.on_update
        );
        place.add("OnUpdate", message);
    }
    if let Some(restart) = &check.check_restart {
        self::restart(restart, check, place);
    }
    if native {
        only_consul(check, place)
    } else {
        thresholds(check, &kind, place)
    }
    if check.notes.len() > LONGEST_NOTES {
        place.add("Notes", format!("notes must not be longer than {LONGEST_NOTES} characters"));
    }
}

fn is_absolute_url(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn restart(restart: &CheckRestart, check: &ServiceCheck, place: &mut Place<'_>) {
    if check.on_update == "ignore" {
        place.add("CheckRestart", "on_update value \"ignore\" is not compatible with check_restart");
    }
    if check.on_update == "ignore_warnings" && !restart.ignore_warnings {
        place.add(
            "CheckRestart",
            "on_update value \"ignore_warnings\" not supported with check_restart ignore_warnings value \"false\"",
        );
    }
    if restart.limit < 0 {
        place
            .add("CheckRestart.Limit", format!("limit must be greater than or equal to 0 but found {}", restart.limit));
    }
    if restart.grace.0 < 0 {
        let message = format!("grace period must be greater than or equal to 0 but found {}", restart.grace.0);
        place.add("CheckRestart.Grace", message);
    }
}

/// What checks of provider `nomad` cannot do.
fn only_consul(check: &ServiceCheck, place: &mut Place<'_>) {
    let mut refuse = |used: bool, field: &str, message: &str| {
        if used {
            place.add(field, message);
        }
    };
    refuse(check.expose, "Expose", "expose may only be set for Consul service checks");
    refuse(
        check.on_update == "ignore_warnings",
        "OnUpdate",
        "on_update may only be set to ignore_warnings for Consul service checks",
    );
    refuse(
        check.check_restart.as_ref().is_some_and(|restart| restart.ignore_warnings),
        "CheckRestart",
        "ignore_warnings on check_restart only supported for Consul service checks",
    );
    refuse(
        check.address_mode == "driver",
        "AddressMode",
        "address_mode = driver may only be set for Consul service checks",
    );
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];
    if check.check_type == "http" && !check.method.is_empty() && !METHODS.contains(&check.method.as_str()) {
        let message = format!("method type {:?} not supported in Nomad http check", check.method);
        refuse(true, "Method", &message);
    }
    for (used, field, name) in [
        (check.success_before_passing != 0, "SuccessBeforePassing", "success_before_passing"),
        (check.failures_before_critical != 0, "FailuresBeforeCritical", "failures_before_critical"),
        (check.failures_before_warning != 0, "FailuresBeforeWarning", "failures_before_warning"),
        (!check.tls_server_name.is_empty(), "TLSServerName", "tls_server_name"),
    ] {
        refuse(used, field, &format!("{name} may only be set for Consul service checks"));
    }
}

fn thresholds(check: &ServiceCheck, kind: &str, place: &mut Place<'_>) {
    for (value, field, name) in [
        (check.success_before_passing, "SuccessBeforePassing", "success_before_passing"),
        (check.failures_before_critical, "FailuresBeforeCritical", "failures_before_critical"),
        (check.failures_before_warning, "FailuresBeforeWarning", "failures_before_warning"),
    ] {
        if value < 0 {
            place.add(field, format!("{name} must be non-negative"));
        } else if value > 0 && !matches!(kind, "tcp" | "http" | "grpc") {
            place.add(field, format!("{name} not supported for check of type {kind:?}"));
        }
    }
    if check.expose && !matches!(kind, "http" | "grpc") {
        place.add("Expose", "expose may only be set on HTTP or gRPC checks");
    }
}
