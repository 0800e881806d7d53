//! Checks each object by itself: what its options demand of each other.
//!
//! A middleware or service with impossible options is disabled, and with it the routers that use it; TLS
//! options that cannot be honoured are closed, since falling back could weaken what they protect.

use ipnet::IpNet;
use std::net::IpAddr;

use super::resolve::Faults;
use crate::{
    config::{
        ClientAuthMode, Config, HealthCheck, IpStrategy, Middleware, Server, Service, TcpMiddleware, TlsOptions,
        TlsVersion,
    },
    problem::{Kind, Severity},
    rule::Pattern,
};

/// Cipher suites of TLS 1.2 that exist here, by IANA name.
pub const CIPHER_SUITES: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Suites of TLS 1.3, which cannot be chosen, and old ones that other servers know.
const OTHER_CIPHER_SUITES: [&str; 21] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_FALLBACK_SCSV",
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

const CURVES: [&str; 12] = [
    "CurveP256",
    "CurveP384",
    "CurveP521",
    "X25519",
    "X25519MLKEM768",
    "secp256r1",
    "secp384r1",
    "secp521r1",
    "x25519",
    "x25519mlkem768",
    "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024",
];

/// Adds what is wrong with the objects of a configuration.
pub(super) fn objects(config: &Config, faults: &mut Faults) {
    for (name, middleware) in &config.http.middlewares {
        if let Err(reason) = middleware_options(middleware) {
            faults.add(Kind::Middleware, name, Severity::Disabled, reason);
        }
    }
    for (name, service) in &config.http.services {
        if let Err(reason) = service_options(service) {
            faults.add(Kind::Service, name, Severity::Disabled, reason);
        }
    }
    for (name, middleware) in &config.tcp.middlewares {
        if let TcpMiddleware::IpAllowList(list) | TcpMiddleware::IpWhiteList(list) = middleware
            && let Err(reason) = source_ranges(&list.source_range)
        {
            faults.add(Kind::TcpMiddleware, name, Severity::Disabled, reason);
        }
    }
    for (name, options) in &config.tls.options {
        tls_options(name, options, faults);
    }
}

/// Reads `10.0.0.0/8` or a bare address.
pub fn parse_range(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Reads `404` or `500-599` as an inclusive range.
pub fn parse_status_range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.trim().split_once('-').unwrap_or((text.trim(), text.trim()));
    let range = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (100 <= range.0 && range.0 <= range.1 && range.1 <= 599).then_some(range)
}

fn middleware_options(middleware: &Middleware) -> Result<(), String> {
    let filled = |text: &str, what: &str| {
        if text.is_empty() { Err(format!("{what} cannot be empty")) } else { Ok(()) }
    };
    match middleware {
        Middleware::AddPrefix(m) => filled(&m.prefix, "prefix"),
        Middleware::StripPrefixRegex(m) => m.regex.iter().try_for_each(|r| regex(r)),
        Middleware::ReplacePathRegex(m) => regex(&m.regex),
        Middleware::RedirectRegex(m) => regex(&m.regex),
        Middleware::RedirectScheme(m) => {
            filled(&m.scheme, "scheme")?;
            if m.port.bytes().all(|b| b.is_ascii_graphic()) {
                return Ok(());
            }
            Err(format!("port {:?} cannot stand in a location", m.port))
        }
        Middleware::IpAllowList(m) | Middleware::IpWhiteList(m) => {
            source_ranges(&m.source_range)?;
            m.ip_strategy.as_ref().map_or(Ok(()), ip_strategy)?;
            match m.reject_status_code {
                Some(code) if !(100..=599).contains(&code) => {
                    Err(format!("rejectStatusCode {code} is not an HTTP status"))
                }
                _ => Ok(()),
            }
        }
        Middleware::Headers(m) => m.access_control_allow_origin_list_regex.iter().try_for_each(|r| regex(r)),
        Middleware::Errors(m) => {
            filled(&m.service, "service")?;
            statuses(&m.status)
        }
        Middleware::RateLimit(m) => {
            if m.average > 0 && m.period.is_zero() {
                return Err("period must be longer than zero".to_owned());
            }
            m.source_criterion.as_ref().and_then(|c| c.ip_strategy.as_ref()).map_or(Ok(()), ip_strategy)
        }
        Middleware::InFlightReq(m) => {
            m.source_criterion.as_ref().and_then(|c| c.ip_strategy.as_ref()).map_or(Ok(()), ip_strategy)
        }
        Middleware::BasicAuth(m) => users(&m.users, &m.users_file, 2),
        Middleware::DigestAuth(m) => users(&m.users, &m.users_file, 3),
        Middleware::ForwardAuth(m) => {
            filled(&m.address, "address")?;
            if m.auth_response_headers_regex.is_empty() { Ok(()) } else { regex(&m.auth_response_headers_regex) }
        }
        Middleware::CircuitBreaker(m) => {
            filled(&m.expression, "expression")?;
            match m.response_code {
                200..=599 => Ok(()),
                other => Err(format!("responseCode {other} is not the status of an answer")),
            }
        }
        Middleware::Compress(m) => {
            if !m.excluded_content_types.is_empty() && !m.included_content_types.is_empty() {
                return Err("excludedContentTypes and includedContentTypes exclude each other".to_owned());
            }
            match m.encodings.iter().find(|e| !matches!(e.as_str(), "gzip" | "br" | "zstd")) {
                Some(unknown) => Err(format!("unsupported encoding {unknown:?}: known are gzip, br and zstd")),
                None => Ok(()),
            }
        }
        Middleware::Retry(m) => {
            if m.attempts == 0 {
                return Err("attempts must be at least 1".to_owned());
            }
            statuses(&m.status)
        }
        Middleware::StripPrefix(_)
        | Middleware::ReplacePath(_)
        | Middleware::Chain(_)
        | Middleware::Buffering(_)
        | Middleware::PassTlsClientCert(_)
        | Middleware::ContentType(_)
        | Middleware::GrpcWeb(_)
        | Middleware::EncodedCharacters(_)
        | Middleware::Plugin(_)
        | Middleware::Invalid => Ok(()),
    }
}

fn regex(text: &str) -> Result<(), String> {
    Pattern::new(text).map(|_| ())
}

fn source_ranges(ranges: &[String]) -> Result<(), String> {
    if ranges.is_empty() {
        return Err("sourceRange is empty, so nobody would get through".to_owned());
    }
    ranges_are_valid("sourceRange", ranges)
}

fn ranges_are_valid(what: &str, ranges: &[String]) -> Result<(), String> {
    match ranges.iter().find(|r| parse_range(r).is_none()) {
        Some(bad) => Err(format!("{what}: {bad:?} is neither an address nor a CIDR range")),
        None => Ok(()),
    }
}

fn ip_strategy(strategy: &IpStrategy) -> Result<(), String> {
    ranges_are_valid("excludedIPs", &strategy.excluded_ips)?;
    match strategy.ipv6_subnet {
        Some(bits) if bits > 128 => Err(format!("ipv6Subnet {bits} is more than 128 bits")),
        _ => Ok(()),
    }
}

fn statuses(ranges: &[String]) -> Result<(), String> {
    match ranges.iter().find(|r| parse_status_range(r).is_none()) {
        Some(bad) => Err(format!("status: {bad:?} is neither a status nor a range such as 500-599")),
        None => Ok(()),
    }
}

fn users(users: &[String], file: &str, fields: usize) -> Result<(), String> {
    if users.is_empty() && file.is_empty() {
        return Err("neither users nor usersFile is set, so nobody would get through".to_owned());
    }
    match users.iter().position(|u| u.splitn(fields, ':').count() != fields) {
        // The entry itself is a secret.
        Some(at) => Err(format!("users: entry {} is not of the form with {fields} parts between colons", at + 1)),
        None => Ok(()),
    }
}

fn service_options(service: &Service) -> Result<(), String> {
    match service {
        Service::LoadBalancer(balancer) => {
            balancer.health_check.as_ref().map_or(Ok(()), health_check)?;
            balancer.servers.iter().try_for_each(server)
        }
        Service::Failover(failover) => failover.errors.as_ref().map_or(Ok(()), |e| statuses(&e.status)),
        Service::Mirroring(mirroring) => match mirroring.mirrors.iter().find(|m| m.percent > 100) {
            Some(mirror) => Err(format!("mirror {:?}: percent {} is more than 100", mirror.name, mirror.percent)),
            None => Ok(()),
        },
        Service::Weighted(_) | Service::HighestRandomWeight(_) | Service::Internal(_) | Service::Invalid => Ok(()),
    }
}

/// What no probe could work with would take every server down.
fn health_check(check: &HealthCheck) -> Result<(), String> {
    let path = check.path.split('?').next().unwrap_or_default();
    if path.starts_with("//") || path.contains("://") {
        return Err(format!("healthCheck.path {:?} names a host: write a path, and the host as hostname", check.path));
    }
    if !matches!(check.scheme.to_ascii_lowercase().as_str(), "" | "http" | "https" | "h2c") {
        return Err(format!("healthCheck.scheme {:?} is not http, https or h2c", check.scheme));
    }
    match check.status {
        0 | 100..=599 => Ok(()),
        other => Err(format!("healthCheck.status {other} is not an HTTP status")),
    }
}

fn server(server: &Server) -> Result<(), String> {
    let error = |reason: &str| Err(format!("server URL {:?}: {reason}", server.url));
    let Some((scheme, rest)) = server.url.split_once("://") else {
        return error("write scheme://host:port");
    };
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "h2c") {
        return error("the scheme is not http, https or h2c");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Whom the URL names as user is nobody's business: requests carry their own credentials.
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match authority.rsplit_once(':') {
        Some(("", _)) => return error("it names no host"),
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => Some(port),
        _ => None,
    };
    match port {
        _ if authority.is_empty() => error("it names no host"),
        Some(port) if port.parse::<u16>().is_err() => error("the port is not a number up to 65535"),
        _ => Ok(()),
    }
}

fn tls_options(name: &str, options: &TlsOptions, faults: &mut Faults) {
    let mut close = |message: String| faults.add(Kind::TlsOptions, name, Severity::Closed, message);
    for (key, text) in [("minVersion", &options.min_version), ("maxVersion", &options.max_version)] {
        if !text.is_empty() && TlsVersion::parse(text).is_none() {
            close(format!("{key} {text:?} is unknown: write VersionTLS12 or VersionTLS13"));
        }
    }
    let (min, max) = options.versions();
    if max < TlsVersion::Tls12 {
        close(format!("maxVersion {:?} cannot be served: TLS 1.2 is the oldest version here", options.max_version));
    } else if min > max {
        close(format!("minVersion {:?} is above maxVersion {:?}", options.min_version, options.max_version));
    }
    for suite in &options.cipher_suites {
        if !CIPHER_SUITES.contains(&suite.as_str()) && !OTHER_CIPHER_SUITES.contains(&suite.as_str()) {
            close(format!("cipher suite {suite:?} is unknown"));
        }
    }
    for curve in &options.curve_preferences {
        if !CURVES.contains(&curve.as_str()) {
            close(format!("curve {curve:?} is unknown"));
        }
    }
    let auth = &options.client_auth;
    match auth.mode() {
        None => close(format!("clientAuthType {:?} is unknown", auth.client_auth_type)),
        Some(ClientAuthMode::RequireAndVerifyClientCert | ClientAuthMode::VerifyClientCertIfGiven)
            if auth.ca_files.is_empty() =>
        {
            close(format!("clientAuthType {:?} needs caFiles", auth.client_auth_type));
        }
        Some(_) => {}
    }
    if min < TlsVersion::Tls12 && max >= TlsVersion::Tls12 {
        let message = format!(
            "minVersion {:?}: TLS 1.2 is the oldest version here, older clients are refused",
            options.min_version
        );
        faults.add(Kind::TlsOptions, name, Severity::Warning, message);
    }
    let missing: Vec<_> = options
        .cipher_suites
        .iter()
        .filter(|s| OTHER_CIPHER_SUITES[5..].contains(&s.as_str()))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        faults.add(
            Kind::TlsOptions,
            name,
            Severity::Warning,
            format!("not available here and left out: {}", missing.join(", ")),
        );
    }
}
