//! Traefik's read API over the compiled configuration: `/api/rawdata`, `/api/http/routers` and the rest.
//!
//! Input is a [`RuntimeView`] of what runs, output a ready response; serving it is the proxy's work. Shapes are
//! those of version 3, since dashboards and scripts read them.

mod objects;
mod page;

use baton_routing::table::Report;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::static_config::StaticConfig;

/// Everything that the API shows.
#[derive(Clone, Copy)]
pub struct RuntimeView<'a> {
    pub version: &'a str,
    /// RFC 3339.
    pub start_date: &'a str,
    pub fixed: &'a StaticConfig,
    pub report: &'a Report,
    /// Whether a server (by service and URL or address) is up; `None` when nobody watches it.
    pub server_up: &'a dyn Fn(&str, &str) -> Option<bool>,
    pub certificates: &'a [CertificateInfo],
}

/// A certificate in use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateInfo {
    pub name: String,
    pub sans: Vec<String>,
    /// RFC 3339.
    pub not_after: String,
    /// RFC 3339.
    pub not_before: String,
    pub serial_number: String,
    pub common_name: String,
    #[serde(rename = "issuerCN")]
    pub issuer_cn: String,
    pub version: String,
    pub key_type: String,
    pub key_size: u32,
    pub signature_algorithm: String,
    /// SHA-256 in hex; also the certificate's id.
    pub cert_fingerprint: String,
    pub public_key_fingerprint: String,
    /// enabled | warning | expired
    pub status: String,
}

/// A response of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiResponse {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl ApiResponse {
    fn json(value: &impl Serialize) -> Self {
        Self::with(200, value)
    }

    fn with(status: u16, value: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        Self { status, headers: vec![("Content-Type", "application/json".to_owned())], body }
    }

    fn error(status: u16, message: String) -> Self {
        Self::with(status, &json!({ "message": message }))
    }

    fn nowhere() -> Self {
        Self {
            status: 404,
            headers: vec![
                ("Content-Type", "text/plain; charset=utf-8".to_owned()),
                ("X-Content-Type-Options", "nosniff".to_owned()),
            ],
            body: b"404 page not found\n".to_vec(),
        }
    }
}

/// Answers a request; `path` and `query` are percent-encoded as they came.
pub fn handle(method: &str, path: &str, query: &str, view: &RuntimeView<'_>) -> ApiResponse {
    let base = view.fixed.api.as_ref().map_or("", |a| a.base_path.trim_end_matches('/'));
    let Some(rest) = path.strip_prefix(base).and_then(|p| p.strip_prefix("/api/")) else {
        return ApiResponse::nowhere();
    };
    if !matches!(method, "GET" | "HEAD") {
        return ApiResponse { status: 405, headers: Vec::new(), body: Vec::new() };
    }
    let mut parts = rest.splitn(3, '/');
    let section = parts.next().unwrap_or_default();
    let kind = parts.next();
    let id = parts.next().map(page::decode);
    match (section, kind, id) {
        ("version", None, None) => ApiResponse::json(&version(view)),
        ("overview", None, None) => ApiResponse::json(&overview(view)),
        ("rawdata", None, None) => ApiResponse::json(&objects::raw_data(view)),
        ("entrypoints", None, None) => page::list(objects::entry_points(view), query),
        ("entrypoints", Some(name), None) => {
            let name = page::decode(name);
            one(objects::entry_points(view), &name, "entry point")
        }
        ("certificates", None, None) => page::list(certificates(view), query),
        ("certificates", Some(id), None) => {
            let id = page::decode(id);
            match view.certificates.iter().find(|c| c.cert_fingerprint.eq_ignore_ascii_case(&id)) {
                Some(certificate) => ApiResponse::json(certificate),
                None => ApiResponse::error(404, format!("certificate not found: {id}")),
            }
        }
        (section, Some(kind), id) => match (objects::of(view, section, kind), id) {
            (Some((objects, _)), None) => page::list(objects, query),
            (Some((objects, word)), Some(id)) => one(objects, &id, word),
            (None, _) => ApiResponse::nowhere(),
        },
        _ => ApiResponse::nowhere(),
    }
}

fn one(objects: Vec<Map<String, Value>>, name: &str, word: &str) -> ApiResponse {
    match objects.into_iter().find(|o| o.get("name").and_then(Value::as_str) == Some(name)) {
        Some(object) => ApiResponse::json(&object),
        None => ApiResponse::error(404, format!("{word} not found: {name}")),
    }
}

fn version(view: &RuntimeView<'_>) -> Value {
    let mut version = json!({ "Version": view.version, "Codename": "baton", "startDate": view.start_date });
    if let (Some(api), Value::Object(fields)) = (&view.fixed.api, &mut version) {
        if api.disable_dashboard_ad {
            fields.insert("disableDashboardAd".to_owned(), true.into());
        }
        if !api.dashboard_name.is_empty() {
            fields.insert("dashboardName".to_owned(), api.dashboard_name.clone().into());
        }
    }
    version
}

fn overview(view: &RuntimeView<'_>) -> Value {
    let count = |section: &str, kind: &str| {
        let objects = objects::of(view, section, kind).map(|(objects, _)| objects).unwrap_or_default();
        let with = |status: &str| objects.iter().filter(|o| o.get("status").is_some_and(|s| s == status)).count();
        json!({ "total": objects.len(), "warnings": with("warning"), "errors": with("disabled") })
    };
    let level = |section: &str, kinds: &[&str]| {
        let counts: Map<String, Value> = kinds.iter().map(|k| ((*k).to_owned(), count(section, k))).collect();
        Value::Object(counts)
    };
    let state = |status: &str| view.certificates.iter().filter(|c| c.status == status).count();
    let metrics = view.fixed.metrics.as_ref().is_some_and(|m| m.prometheus.is_some());
    json!({
        "http": level("http", &["routers", "services", "middlewares"]),
        "tcp": level("tcp", &["routers", "services", "middlewares"]),
        "udp": level("udp", &["routers", "services"]),
        "certificates": {
            "total": view.certificates.len(), "warnings": state("warning"), "errors": state("expired"),
        },
        "features": {
            "tracing": "",
            "metrics": if metrics { "Prometheus" } else { "" },
            "accessLog": view.fixed.access_log.is_some(),
        },
        "providers": view.fixed.providers.names(),
    })
}

fn certificates(view: &RuntimeView<'_>) -> Vec<Map<String, Value>> {
    view.certificates.iter().map(objects::fields).collect()
}

#[cfg(test)]
mod tests;
