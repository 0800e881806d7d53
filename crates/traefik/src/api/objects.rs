//! Configured objects as the API shows them: as written, plus status, users and names.

use baton_routing::{
    config::{Router, Service, TcpService, UdpService},
    table::Entry,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::RuntimeView;

type Object = Map<String, Value>;

/// A value's fields; something without fields has none.
pub(super) fn fields(value: &impl Serialize) -> Object {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Object::new(),
    }
}

/// The objects of a kind, and the word for one.
pub(super) fn of(view: &RuntimeView<'_>, section: &str, kind: &str) -> Option<(Vec<Object>, &'static str)> {
    let report = view.report;
    Some(match (section, kind) {
        ("http", "routers") => (report.routers.iter().map(|(n, e)| router(n, e)).collect(), "router"),
        ("http", "services") => (report.services.iter().map(|(n, e)| service(view, n, e)).collect(), "service"),
        ("http", "middlewares") => {
            let show = |(name, entry): (&String, &Entry<_>)| typed(name, entry, baton_routing::config::Middleware::key);
            (report.middlewares.iter().map(show).collect(), "middleware")
        }
        ("tcp", "routers") => {
            let show = |(name, entry): (&String, &Entry<baton_routing::config::TcpRouter>)| {
                let mut object = common(name, entry, "using");
                priority(&mut object, entry.object.effective_priority());
                object
            };
            (report.tcp_routers.iter().map(show).collect(), "router")
        }
        ("tcp", "services") => {
            let show = |(name, entry): (&String, &Entry<_>)| typed(name, entry, TcpService::kind);
            (report.tcp_services.iter().map(show).collect(), "service")
        }
        ("tcp", "middlewares") => {
            let show =
                |(name, entry): (&String, &Entry<_>)| typed(name, entry, baton_routing::config::TcpMiddleware::key);
            (report.tcp_middlewares.iter().map(show).collect(), "middleware")
        }
        ("udp", "routers") => (report.udp_routers.iter().map(|(n, e)| common(n, e, "using")).collect(), "router"),
        ("udp", "services") => {
            let show = |(name, entry): (&String, &Entry<_>)| typed(name, entry, UdpService::kind);
            (report.udp_services.iter().map(show).collect(), "service")
        }
        _ => return None,
    })
}

/// Everything at once, keyed by qualified name.
pub(super) fn raw_data(view: &RuntimeView<'_>) -> Value {
    let mut all = Object::new();
    for (key, section, kind) in [
        ("routers", "http", "routers"),
        ("middlewares", "http", "middlewares"),
        ("services", "http", "services"),
        ("tcpRouters", "tcp", "routers"),
        ("tcpMiddlewares", "tcp", "middlewares"),
        ("tcpServices", "tcp", "services"),
        ("udpRouters", "udp", "routers"),
        ("udpServices", "udp", "services"),
    ] {
        let objects = of(view, section, kind).map(|(objects, _)| objects).unwrap_or_default();
        let mut keyed = Object::new();
        for mut object in objects {
            let name = object.shift_remove("name").and_then(|n| n.as_str().map(str::to_owned)).unwrap_or_default();
            for own in ["provider", "type", "priorityStr"] {
                object.shift_remove(own);
            }
            keyed.insert(name, Value::Object(object));
        }
        all.insert(key.to_owned(), Value::Object(keyed));
    }
    Value::Object(all)
}

pub(super) fn entry_points(view: &RuntimeView<'_>) -> Vec<Object> {
    let show = |(name, entry_point): (&String, &baton_routing::config::EntryPoint)| {
        let mut object = fields(entry_point);
        object.insert("name".to_owned(), name.clone().into());
        object
    };
    view.fixed.entry_points.iter().map(show).collect()
}

/// What every object has: its own fields, status, errors, users, name, provider.
fn common<T: Serialize>(name: &str, entry: &Entry<T>, users: &str) -> Object {
    let mut object = fields(&entry.object);
    if !entry.errors.is_empty() {
        object.insert("error".to_owned(), json!(entry.errors));
    }
    object.insert("status".to_owned(), entry.status.as_str().into());
    if !entry.used_by.is_empty() {
        object.insert(users.to_owned(), json!(entry.used_by));
    }
    object.insert("name".to_owned(), name.into());
    object.insert("provider".to_owned(), entry.provider.clone().into());
    object
}

fn typed<T: Serialize>(name: &str, entry: &Entry<T>, kind: impl Fn(&T) -> &'static str) -> Object {
    let mut object = common(name, entry, "usedBy");
    object.insert("type".to_owned(), kind(&entry.object).to_ascii_lowercase().into());
    object
}

fn priority(object: &mut Object, priority: i64) {
    object.insert("priority".to_owned(), priority.into());
    object.insert("priorityStr".to_owned(), priority.to_string().into());
}

fn router(name: &str, entry: &Entry<Router>) -> Object {
    let mut object = common(name, entry, "using");
    priority(&mut object, entry.object.effective_priority());
    if let Some(Value::Object(tls)) = object.get_mut("tls") {
        tls.entry("options").or_insert_with(|| "default".into());
    }
    let own = entry.object.observability.clone().unwrap_or_default();
    let verbosity = if own.trace_verbosity.is_empty() { "minimal" } else { &own.trace_verbosity };
    object.insert(
        "observability".to_owned(),
        json!({
            "accessLogs": own.access_logs.unwrap_or(true),
            "metrics": own.metrics.unwrap_or(true),
            "tracing": own.tracing.unwrap_or(true),
            "traceVerbosity": verbosity,
        }),
    );
    object
}

fn service(view: &RuntimeView<'_>, name: &str, entry: &Entry<Service>) -> Object {
    let mut object = common(name, entry, "usedBy");
    match &entry.object {
        Service::Internal(_) | Service::Invalid => {}
        kind => {
            object.insert("type".to_owned(), kind.kind().into());
        }
    }
    if let Service::LoadBalancer(balancer) = &entry.object {
        let state = |url: &str| if (view.server_up)(name, url).unwrap_or(true) { "UP" } else { "DOWN" };
        let states: Object = balancer.servers.iter().map(|s| (s.url.clone(), state(&s.url).into())).collect();
        if !states.is_empty() {
            object.insert("serverStatus".to_owned(), Value::Object(states));
        }
    }
    object
}
