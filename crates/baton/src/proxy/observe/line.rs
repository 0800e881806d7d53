//! One request as a line: Traefik's common format, the generic one, or JSON.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use baton_proxy::access::AccessEntry;
use baton_routing::config::{self, Named};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// What stands where there is nothing to say.
const NOTHING: &str = "-";

/// The form of lines, and a count of them.
pub struct Format {
    kind: Kind,
    fields: Choice,
    query: bool,
    count: AtomicU64,
}

enum Kind {
    /// Common log format with Traefik's additions.
    Common,
    /// Common log format as everyone's tools read it.
    Generic,
    Json,
}

/// Which fields are written.
struct Choice {
    keep: bool,
    names: Named<String>,
}

impl Choice {
    fn has(&self, name: &str) -> bool {
        let own = self.names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        own.map_or(self.keep, |(_, mode)| mode != "drop")
    }
}

impl Format {
    pub fn new(options: &config::AccessLog) -> Self {
        let kind = match options.format.as_str() {
            "json" => Kind::Json,
            "genericCLF" => Kind::Generic,
            _ => Kind::Common,
        };
        let fields = Choice { keep: options.fields.default_mode != "drop", names: options.fields.names.clone() };
        let query = options.fields.query_parameters.as_ref().is_none_or(|query| query.default_mode == "keep");
        Self { kind, fields, query, count: AtomicU64::new(0) }
    }

    /// The request's line, with its end.
    pub fn line(&self, entry: &AccessEntry<'_>) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let end = Timestamp::now();
        match self.kind {
            Kind::Json => self.json(entry, count, end),
            Kind::Common => self.common(entry, Some(count), end),
            Kind::Generic => self.common(entry, None, end),
        }
    }

    fn path<'a>(&self, entry: &AccessEntry<'a>) -> &'a str {
        let path = entry.target;
        if self.query { path } else { path.split_once('?').map_or(path, |(path, _)| path) }
    }

    fn common(&self, entry: &AccessEntry<'_>, count: Option<u64>, end: Timestamp) -> String {
        let start = started(end, entry.duration).to_zoned(TimeZone::UTC);
        let shown = |name: &str, text: String| if self.fields.has(name) { text } else { NOTHING.to_owned() };
        let mut line = format!(
            "{} - {NOTHING} [{}] \"{} {} {}\" {} {} {} {}",
            shown("ClientHost", entry.peer.ip_text.to_string()),
            shown("StartUTC", start.strftime("%d/%b/%Y:%H:%M:%S %z").to_string()),
            shown("RequestMethod", plain(entry.method)),
            shown("RequestPath", plain(self.path(entry))),
            shown("RequestProtocol", entry.protocol.to_owned()),
            shown("OriginStatus", entry.status.to_string()),
            shown("OriginContentSize", entry.bytes_out.to_string()),
            quoted(entry.referer),
            quoted(entry.user_agent),
        );
        if let Some(count) = count {
            let _ = write!(
                line,
                " {} {} {} {}ms",
                shown("RequestCount", count.to_string()),
                shown("RouterName", quoted(entry.router)),
                shown("ServiceURL", quoted(entry.server)),
                entry.duration.as_millis(),
            );
        }
        line.push('\n');
        line
    }

    fn json(&self, entry: &AccessEntry<'_>, count: u64, end: Timestamp) -> String {
        let start = started(end, entry.duration);
        let address = entry.peer.address;
        let (host, port) = split_host(entry.host);
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| {
            if self.fields.has(name) {
                map.insert(name.to_owned(), value);
            }
        };
        put("ClientAddr", address.to_string().into());
        put("ClientHost", entry.peer.ip_text.to_string().into());
        put("ClientPort", address.port().to_string().into());
        put("ClientUsername", NOTHING.into());
        put("DownstreamContentSize", entry.bytes_out.into());
        put("DownstreamStatus", entry.status.into());
        put("Duration", u64::try_from(entry.duration.as_nanos()).unwrap_or(u64::MAX).into());
        put("RequestAddr", entry.host.into());
        put("RequestCount", count.into());
        put("RequestHost", host.into());
        put("RequestMethod", entry.method.into());
        put("RequestPath", self.path(entry).into());
        put("RequestPort", port.into());
        put("RequestProtocol", entry.protocol.into());
        put("RequestScheme", if entry.peer.is_secure() { "https" } else { "http" }.into());
        if let Some(router) = entry.router {
            put("RouterName", router.into());
        }
        if let Some(server) = entry.server {
            let authority = server.split_once("://").map_or(server, |(_, rest)| rest);
            put("ServiceAddr", authority.split('/').next().unwrap_or_default().into());
            put("ServiceURL", server.into());
        }
        if let Some(service) = entry.service {
            put("ServiceName", service.into());
        }
        put("StartUTC", start.to_string().into());
        put("entryPointName", entry.entry_point.into());
        for (name, value) in [("request_Referer", entry.referer), ("request_User-Agent", entry.user_agent)] {
            if let Some(value) = value {
                put(name, value.into());
            }
        }
        map.insert("level".to_owned(), "info".into());
        map.insert("msg".to_owned(), "".into());
        map.insert("time".to_owned(), format!("{end:.0}").into());
        let mut line = Value::Object(map).to_string();
        line.push('\n');
        line
    }
}

fn started(end: Timestamp, duration: Duration) -> Timestamp {
    end.checked_sub(duration).unwrap_or(end)
}

fn split_host(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, NOTHING),
    }
}

/// A client's text inside quotes: nothing in it can end the quotes or the line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out
}

fn quoted(text: Option<&str>) -> String {
    format!("\"{}\"", text.map_or_else(|| NOTHING.to_owned(), plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_proxy::exchange::Peer;

    fn peer() -> Peer {
        Peer {
            address: "192.0.2.7:4711".parse().unwrap(),
            local: "192.0.2.1:80".parse().unwrap(),
            ip_text: "192.0.2.7".into(),
            tls: None,
            entry_point: 0,
            trusted: false,
            append_forwarded_for: true,
        }
    }

    fn line(format: &str, edit: impl FnOnce(&mut config::AccessLog)) -> String {
        let mut options = config::AccessLog { format: format.to_owned(), ..config::AccessLog::default() };
        edit(&mut options);
        Format::new(&options).line(&AccessEntry {
            peer: &peer(),
            entry_point: "web",
            method: "GET",
            host: "a.test:8000",
            target: "/x?q=\"1\"",
            protocol: "HTTP/1.1",
            status: 200,
            bytes_out: 12,
            router: Some("r@file"),
            service: Some("s@file"),
            server: Some("http://10.0.0.1:80/base"),
            duration: Duration::from_millis(5),
            referer: None,
            user_agent: Some("me/1\n"),
        })
    }

    #[test]
    fn common_lines_have_the_known_columns() {
        let text = line("common", |_| {});
        let (head, rest) = text.split_once(" [").unwrap();
        let (_, rest) = rest.split_once("] ").unwrap();
        assert_eq!(head, "192.0.2.7 - -");
        let columns = r#""GET /x?q=\"1\" HTTP/1.1" 200 12 "-" "me/1\x0a""#;
        assert_eq!(rest, format!("{columns} 1 \"r@file\" \"http://10.0.0.1:80/base\" 5ms\n"));
        assert!(line("genericCLF", |_| {}).ends_with(&format!("{columns}\n")));
    }

    #[test]
    fn json_lines_have_the_known_keys() {
        let value: Value = serde_json::from_str(&line("json", |_| {})).unwrap();
        for (key, expected) in [
            ("ClientAddr", "192.0.2.7:4711"),
            ("RequestAddr", "a.test:8000"),
            ("RequestHost", "a.test"),
            ("RequestPort", "8000"),
            ("RequestPath", "/x?q=\"1\""),
            ("RouterName", "r@file"),
            ("ServiceName", "s@file"),
            ("ServiceAddr", "10.0.0.1:80"),
            ("ServiceURL", "http://10.0.0.1:80/base"),
            ("entryPointName", "web"),
        ] {
            assert_eq!(value[key], expected, "{key}");
        }
        assert_eq!((&value["DownstreamStatus"], &value["Duration"]), (&200.into(), &5_000_000.into()));
    }

    #[test]
    fn fields_can_be_left_out() {
        let value: Value = serde_json::from_str(&line("json", |options| {
            options.fields.default_mode = "drop".to_owned();
            options.fields.names = Named::from_iter([("requestpath".to_owned(), "keep".to_owned())]);
            options.fields.query_parameters =
                Some(config::AccessLogQuery { default_mode: "drop".to_owned(), ..Default::default() });
        }))
        .unwrap();
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["RequestPath", "level", "msg", "time"]);
        assert_eq!(value["RequestPath"], "/x");
    }
}
