//! Gives routers their entry points, and the entry points' defaults.
//!
//! Defaults (middlewares, TLS, observability) differ per entry point, so a router that is reachable through
//! several gets a copy of its own, named `<entry point>-<router>@<provider>`, for each entry point that has
//! defaults; the other entry points share the original.

use crate::{
    config::{Config, EntryPoint, Named, Observability, Protocol, Router, default_entry_points},
    problem::{Kind, Severity},
};

use super::resolve::Faults;

/// All routers with entry points that exist, split where needed.
pub(super) fn attach(config: &Config, faults: &mut Faults) -> Named<Router> {
    let defaults = default_entry_points(&config.entry_points, Protocol::Tcp);
    let mut attached = Named::default();
    for (name, router) in &config.http.routers {
        let wanted = if router.entry_points.is_empty() { &defaults } else { &router.entry_points };
        let usable = existing(config, Kind::Router, name, wanted, faults);
        split(config, name, router, usable, faults, &mut attached);
    }
    attached
}

/// Those of the wanted entry points that exist; says which do not.
pub(super) fn existing(config: &Config, kind: Kind, name: &str, wanted: &[String], faults: &mut Faults) -> Vec<String> {
    let mut usable = Vec::new();
    for entry_point in wanted {
        if config.entry_points.contains_key(entry_point) {
            if !usable.contains(entry_point) {
                usable.push(entry_point.clone());
            }
        } else {
            faults.add(kind, name, Severity::Warning, format!("entryPoint {entry_point:?} doesn't exist"));
        }
    }
    if usable.is_empty() {
        faults.add(kind, name, Severity::Disabled, "no valid entryPoint for this router");
    }
    usable
}

fn split(
    config: &Config,
    name: &str,
    router: &Router,
    entry_points: Vec<String>,
    faults: &mut Faults,
    attached: &mut Named<Router>,
) {
    let (own, shared): (Vec<_>, Vec<_>) = entry_points.iter().partition::<Vec<&String>, _>(|n| {
        config.split_all_entry_points || config.entry_points[n.as_str()].has_defaults()
    });
    for entry_point in &own {
        let mut copy = router.clone();
        apply_defaults(&mut copy, &config.entry_points[entry_point.as_str()]);
        copy.entry_points = vec![(*entry_point).clone()];
        let copy_name = if entry_points.len() > 1 { format!("{entry_point}-{name}") } else { name.to_owned() };
        faults.inherit(Kind::Router, name, &copy_name);
        attached.insert(copy_name, copy);
    }
    if own.is_empty() || !shared.is_empty() {
        let rest = Router { entry_points: shared.into_iter().cloned().collect(), ..router.clone() };
        attached.insert(name.to_owned(), rest);
    }
}

fn apply_defaults(router: &mut Router, entry_point: &EntryPoint) {
    if router.tls.is_none() {
        router.tls.clone_from(&entry_point.http.tls);
    }
    router.middlewares = entry_point.http.middlewares.iter().chain(&router.middlewares).cloned().collect();
    if let Some(default) = &entry_point.observability {
        let own = router.observability.take().unwrap_or_default();
        router.observability = Some(Observability {
            access_logs: own.access_logs.or(default.access_logs),
            metrics: own.metrics.or(default.metrics),
            tracing: own.tracing.or(default.tracing),
            trace_verbosity: if own.trace_verbosity.is_empty() {
                default.trace_verbosity.clone()
            } else {
                own.trace_verbosity
            },
        });
    }
}
