//! What a value must be, beyond its type, and what is read without an effect.

use std::net::{IpAddr, SocketAddr};

use baton_jobspec::hcl::{Decoded, Inside, Kind, Times};
use baton_jobspec::{Diagnostic, Severity};
use serde_json::Value;

use super::schema::ROOT;

/// Why a key of Nomad's does nothing here, by the beginning of its path; the first that fits counts.
const REASONS: [(&str, &str); 21] = [
    ("autopilot", ONE_SERVER),
    ("server.raft_", ONE_SERVER),
    ("addresses.", ONE_PORT),
    ("advertise.", ONE_PORT),
    ("ports.", ONE_PORT),
    ("rpc", ONE_PORT),
    ("disable_", "nothing is sent anywhere"),
    ("reporting", "nothing is sent anywhere"),
    ("enable_syslog", TO_STDERR),
    ("eventlog", TO_STDERR),
    ("log_", TO_STDERR),
    ("syslog_", TO_STDERR),
    ("limits", "the limits are fixed"),
    ("ui", "there is no web interface"),
    ("server.encrypt", "servers do not gossip"),
    ("client.bridge_", "tasks use the host's network"),
    ("client.cni_", "tasks use the host's network"),
    ("client.gc_", "gc_max_allocs alone says what is kept"),
    ("acl.", "there is one token, and it does not expire"),
    ("telemetry.", "metrics are read at /v1/metrics, not sent"),
    ("", "Baton has no such setting"),
];
const ONE_PORT: &str = "agents talk over the HTTP port alone";
const ONE_SERVER: &str = "one server plans, without Raft";
const TO_STDERR: &str = "the log goes to standard error";

/// Maps that have no effect.
const IGNORED_MAPS: [&str; 2] = ["http_api_response_headers", "client.chroot_env"];
/// Settings of `raw_exec` besides `enabled`. What they forbid is not forbidden here, so they must not be passed over.
const RAW_EXEC_REFUSED: [&str; 3] = ["denied_envvars", "denied_host_gids", "denied_host_uids"];
const RAW_EXEC_IGNORED: [&str; 3] = ["cgroup_v1_override", "cgroup_v2_override", "no_cgroups"];
const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "off"];
/// The port that Nomad's agents talk over; Baton's talk over HTTP.
const NOMAD_RPC_PORT: &str = ":4647";

/// Everything that is to be said about the values of one file.
pub fn check(file: &Decoded) -> Vec<Diagnostic> {
    let mut rules = Rules { file, found: Vec::new() };
    rules.general();
    rules.network();
    rules.server();
    rules.client();
    rules.catalogs();
    rules.plugins();
    rules.without_effect();
    rules.found
}

struct Rules<'f> {
    file: &'f Decoded,
    found: Vec<Diagnostic>,
}

impl Rules<'_> {
    fn error(&mut self, path: &str, message: &str, help: &str) {
        self.found.push(self.file.point(path, Severity::Error, message, (!help.is_empty()).then_some(help)));
    }

    fn warn(&mut self, path: &str, message: &str, help: &str) {
        self.found.push(self.file.point(path, Severity::Warning, message, (!help.is_empty()).then_some(help)));
    }

    fn value(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.file.value, |value, key| value.get(key))
    }

    fn text(&self, path: &str) -> Option<String> {
        self.value(path)?.as_str().map(str::to_owned)
    }

    fn number(&self, path: &str) -> Option<i64> {
        self.value(path)?.as_i64()
    }

    fn is_true(&self, path: &str) -> bool {
        self.value(path).and_then(Value::as_bool) == Some(true)
    }

    fn between(&mut self, path: &str, least: i64, most: i64) {
        if let Some(number) = self.number(path)
            && !(least..=most).contains(&number)
        {
            self.error(path, &format!("{number} is not between {least} and {most}"), "");
        }
    }

    fn not_negative(&mut self, path: &str) {
        if self.number(path).is_some_and(|number| number < 0) {
            self.error(path, &format!("{path} is negative"), "");
        }
    }

    fn general(&mut self) {
        for path in ["name", "region", "datacenter"] {
            let Some(text) = self.text(path) else { continue };
            if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == '*' || c == '/') {
                self.error(path, &format!("{text:?} is no {path}"), "use letters, digits, \"-\", \"_\" and \".\"");
            }
        }
        if let Some(path) = self.text("data_dir")
            && !path.starts_with('/')
        {
            self.error("data_dir", &format!("{path:?} is not an absolute path"), "begin it with /");
        }
        if let Some(level) = self.text("log_level")
            && !LEVELS.contains(&level.to_ascii_lowercase().as_str())
        {
            self.error(
                "log_level",
                &format!("{level:?} is no log level"),
                &format!("use one of {}", LEVELS.join(", ")),
            );
        }
        for path in ["leave_on_interrupt", "leave_on_terminate"] {
            if self.is_true(path) {
                let help = "drain before a stop: baton node drain -self -enable";
                self.warn(path, &format!("{path} has no effect: tasks outlive the agent"), help);
            }
        }
        match self.text("acl.default").as_deref() {
            None | Some("allow" | "deny") => {}
            Some(other) => self.error("acl.default", &format!("{other:?} is neither \"allow\" nor \"deny\""), ""),
        }
        if self.value("acl.enabled").and_then(Value::as_bool) == Some(false) && self.text("acl.default").is_none() {
            let help = "write default = \"allow\" to let everybody write";
            self.warn("acl.enabled", "writes need the token all the same", help);
        }
        if self.is_true("vault.enabled") {
            self.error("vault", "Vault is not supported", "remove the block");
        }
    }

    fn network(&mut self) {
        for path in ["bind_addr", "addresses.http"] {
            let Some(text) = self.text(path) else { continue };
            if text.contains("{{") {
                self.error(path, "templates of addresses are not supported", "write the address itself");
                continue;
            }
            for one in text.split_ascii_whitespace() {
                if one.parse::<IpAddr>().is_err() {
                    self.error(path, &format!("{one:?} is no IP address"), "");
                }
            }
            if text.trim().is_empty() || (path == "bind_addr" && text.split_ascii_whitespace().count() > 1) {
                self.error(path, &format!("{path} needs an IP address"), "several go into addresses { http }");
            }
        }
        self.between("ports.http", 0, 65_535);
        if let Some(text) = self.text("advertise.http")
            && (text.contains("{{") || !is_host_port(&with_port(&text, 1)))
        {
            self.error("advertise.http", &format!("{text:?} is no host or host:port"), "");
        }
    }

    fn server(&mut self) {
        if let Some(count) = self.number("server.bootstrap_expect")
            && count != 1
        {
            let help = "set it to 1 on the one server, and client { servers = [\"HOST:4646\"] } on the others";
            self.error("server.bootstrap_expect", &format!("{count} servers do not form a cluster: one plans"), help);
        }
        for name in [
            "heartbeat_grace",
            "min_heartbeat_ttl",
            "failover_heartbeat_ttl",
            "job_gc_interval",
            "job_gc_threshold",
            "eval_gc_threshold",
            "batch_eval_gc_threshold",
            "deployment_gc_threshold",
            "node_gc_threshold",
        ] {
            self.not_negative(&format!("server.{name}"));
        }
    }

    fn client(&mut self) {
        for name in ["min_dynamic_port", "max_dynamic_port"] {
            self.between(&format!("client.{name}"), 1, 65_535);
        }
        let (first, last) = (self.number("client.min_dynamic_port"), self.number("client.max_dynamic_port"));
        if let (Some(first), Some(last)) = (first, last)
            && first > last
        {
            self.error("client.min_dynamic_port", &format!("{first} is above max_dynamic_port ({last})"), "");
        }
        self.between("client.gc_max_allocs", 0, 1_000_000);
        for name in ["max_kill_timeout", "cpu_total_compute", "memory_total_mb", "disk_total_mb"] {
            self.not_negative(&format!("client.{name}"));
        }
        for name in ["cpu", "memory", "disk"] {
            self.not_negative(&format!("client.reserved.{name}"));
        }
        if let Some(ports) = self.text("client.reserved.reserved_ports")
            && let Some(bad) = ports.split(',').map(str::trim).find(|part| !part.is_empty() && !is_port_range(part))
        {
            let help = "write ports and ranges: \"22,8500-8600\"";
            self.error("client.reserved.reserved_ports", &format!("{bad:?} is no port or range"), help);
        }
        if self.text("client.node_pool").as_deref() == Some("all") {
            self.error("client.node_pool", "no node can be in the pool \"all\": it stands for every node", "");
        }
        for path in ["client.servers", "client.server_join.retry_join", "client.server_join.start_join"] {
            let servers = self.value(path).and_then(Value::as_array).cloned().unwrap_or_default();
            for server in servers.iter().filter_map(Value::as_str) {
                if !is_host_port(&with_port(server, 1)) {
                    self.error(path, &format!("{server:?} is no host or host:port"), "");
                } else if server.ends_with(NOMAD_RPC_PORT) {
                    let help = "Baton's agents talk over the HTTP port, 4646";
                    self.warn(path, &format!("{server:?} names the port of Nomad's RPC"), help);
                }
            }
        }
        let options = self.value("client.options").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, value) in &options {
            match (name.as_str(), value.as_str()) {
                ("driver.raw_exec.enable", Some("1" | "true" | "0" | "false")) => {}
                ("driver.raw_exec.enable", _) => {
                    self.error(&format!("client.options.{name}"), "not one of \"1\", \"true\", \"0\", \"false\"", "");
                }
                _ => self.warn("client.options", &format!("the option {name:?} has no effect"), ""),
            }
        }
    }

    fn catalogs(&mut self) {
        if let Some(address) = self.text("consul.address") {
            if let Err(error) = baton_consul::Client::new(&baton_consul::Config::new(&address)) {
                self.error("consul.address", &error.to_string(), "");
            }
        } else if self.value("consul").is_some() {
            let help = "set address to use a Consul, or remove the block";
            self.warn("consul", "without address the embedded catalog is used", help);
        }
        if self.text("consul.cert_file").is_some() != self.text("consul.key_file").is_some() {
            self.error("consul", "cert_file and key_file go together", "");
        }
        if let Some(address) = self.text("catalog.address")
            && address.parse::<SocketAddr>().is_err()
        {
            self.error("catalog.address", &format!("{address:?} is no address:port"), "such as \"127.0.0.1:8500\"");
        }
    }

    fn plugins(&mut self) {
        let plugins = self.value("plugin").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, plugin) in plugins {
            let path = format!("plugin.{name}");
            if name != "raw_exec" {
                let help = "raw_exec is the one driver: remove the block";
                self.error(&path, &format!("the driver {name:?} is not supported"), help);
                continue;
            }
            let config = plugin.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
            let place = format!("{path}.config");
            for (key, value) in config {
                match key.as_str() {
                    "enabled" if value.is_boolean() => {}
                    "enabled" => self.error(&place, "enabled is true or false", ""),
                    key if RAW_EXEC_REFUSED.contains(&key) => {
                        self.error(&place, &format!("{key} is not supported: it would forbid nothing"), "remove it");
                    }
                    key if RAW_EXEC_IGNORED.contains(&key) => self.warn(&place, &format!("{key} has no effect"), ""),
                    key => self.error(&place, &format!("raw_exec has no setting {key:?}"), "it has enabled"),
                }
            }
        }
    }

    fn without_effect(&mut self) {
        let paths: Vec<String> = self.file.paths().filter(|path| is_without_effect(path)).map(str::to_owned).collect();
        for path in paths {
            let reason = REASONS.iter().find(|(start, _)| path.starts_with(start)).map_or("", |(_, reason)| reason);
            self.warn(&path, &format!("{path} has no effect: {reason}"), "");
        }
    }
}

/// Whether the schema knows the path and nobody reads it.
fn is_without_effect(path: &str) -> bool {
    if IGNORED_MAPS.contains(&path) {
        return true;
    }
    let (mut schema, mut parts) = (&ROOT, path.split('.'));
    while let Some(part) = parts.next() {
        if let Some(argument) = schema.argument(part) {
            return argument.kind == Kind::Anything;
        }
        let Some(block) = schema.block(part) else { return false };
        if block.times == Times::ByLabel {
            parts.next();
        }
        match block.inside {
            Inside::Rules(inside) => schema = inside,
            Inside::Free => return !matches!(part, "vault" | "config"),
            _ => return false,
        }
    }
    false
}

/// `host:port` as it is, `host` with `port`.
pub fn with_port(address: &str, port: u16) -> String {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return SocketAddr::new(ip, port).to_string();
    }
    if address.contains(':') { address.to_owned() } else { format!("{address}:{port}") }
}

fn is_host_port(text: &str) -> bool {
    if text.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let name = |host: &str| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
    };
    text.rsplit_once(':').is_some_and(|(host, port)| name(host) && port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_port_range(text: &str) -> bool {
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    match text.split_once('-') {
        Some((first, last)) => matches!((port(first), port(last)), (Some(first), Some(last)) if first <= last),
        None => port(text).is_some(),
    }
}
