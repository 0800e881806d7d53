//! Looks at files without using them: every finding, with its place, as Traefik would judge it.

use baton_routing::{Config, Implemented, Kind, Problem, compile, problem};
use serde::Serialize;

use crate::{
    dynamic::{Context, merge, parse_file},
    finding::{Finding, Mark, Severity},
    static_config::{Sources, StaticConfig, load},
};

/// All findings about some files, worst first within a file's order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verdict {
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Whether nothing is wrong enough to refuse.
    pub fn is_good(&self) -> bool {
        !self.findings.iter().any(Finding::is_error)
    }
}

/// Checks a static file.
pub fn check_static(bytes: &[u8], name: &str) -> Verdict {
    Verdict { findings: load(Sources { file: Some((name, bytes)), ..Sources::default() }).findings }
}

/// Checks a dynamic file by itself: names of other files and providers are taken on trust.
pub fn check_dynamic(bytes: &[u8], name: &str, context: &Context, implemented: &Implemented) -> Verdict {
    let file = match parse_file(name, bytes, context) {
        Ok(file) => file,
        Err(findings) => return Verdict { findings },
    };
    let mut config = Config::default();
    merge(&mut config, vec![(String::new(), file.config.clone())]);
    let told = file.config.problems.len();
    let mut findings = file.findings.clone();
    for problem in compile(&config, implemented).problems.into_iter().skip(told) {
        let Some(own) = without_provider(&problem) else { continue };
        let (line, column) = file.place(&own.object).unwrap_or_default();
        let at = Mark { line, column, label: None };
        let severity = if own.severity == problem::Severity::Warning { Severity::Warning } else { Severity::Error };
        findings.push(Finding::new(severity, name, &at, &own.object.name, own.message));
    }
    findings.sort_by_key(|f| (f.line, f.column));
    Verdict { findings }
}

/// Whether a file's text says that it is a static one (`entryPoints`, `providers`, …) rather than a dynamic one.
pub fn is_static(bytes: &[u8], name: &str) -> bool {
    let loaded = load(Sources { file: Some((name, bytes)), ..Sources::default() });
    let dynamic = ["http", "tcp", "udp", "tls"];
    let sections: Vec<&str> = loaded.findings.iter().map(|f| f.option.as_str()).collect();
    let fresh = StaticConfig { entry_points: loaded.config.entry_points.clone(), ..StaticConfig::default() };
    let only_default_entry_point = loaded.config.entry_points.len() == 1
        && loaded.config.entry_points.get("http").is_some_and(|e| e.address == ":80");
    let says_nothing = loaded.config == fresh && only_default_entry_point;
    !(says_nothing && sections.iter().any(|s| dynamic.iter().any(|d| d.eq_ignore_ascii_case(s))))
}

/// Problems of the file itself: a single file does not know entry points and other files' objects.
fn without_provider(problem: &Problem) -> Option<Problem> {
    let mut own = problem.clone();
    own.object.name.truncate(own.object.name.trim_end_matches('@').len());
    let elsewhere = matches!(own.object.kind, Kind::Router | Kind::TcpRouter | Kind::UdpRouter)
        || own.message.contains("does not exist");
    (!elsewhere).then(|| Problem { message: own.message.replace("@\"", "\""), ..own })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dynamic(text: &str) -> Vec<String> {
        let verdict = check_dynamic(text.as_bytes(), "d.yml", &Context::default(), &Implemented::ALL);
        verdict.findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn options_that_cannot_be_honoured_are_told() {
        let found = dynamic(
            "tls:\n  options:\n    old: {minVersion: VersionTLS10}\n    odd: {cipherSuites: [TLS_NOPE]}\nhttp:\n  middlewares:\n    re: {redirectRegex: {regex: '(', replacement: x}}\n    p: {plugin: {mine: {a: 1}}}\n  routers:\n    r: {rule: 'Host(`a`)', service: other@docker, middlewares: [elsewhere]}\n",
        );
        assert_eq!(
            found,
            [
                "d.yml:3:5: warning: minVersion \"VersionTLS10\": TLS 1.2 is the oldest version here, older clients are refused (old)",
                "d.yml:4:5: error: cipher suite \"TLS_NOPE\" is unknown (odd)",
                "d.yml:7:5: error: \"(\" is not a regular expression: unclosed group (re)",
                "d.yml:8:5: error: the kind \"plugin\" is known but not implemented (p)",
            ]
        );
    }

    #[test]
    fn a_good_file_is_good() {
        let text = "http:\n  routers:\n    r: {rule: 'Host(`a`)', service: s, middlewares: [m]}\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://a:1'}]}}\n  middlewares:\n    m: {compress: {}}\ntls:\n  options:\n    default: {sniStrict: true, minVersion: VersionTLS12, cipherSuites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]}\n";
        assert_eq!(dynamic(text), Vec::<String>::new());
    }

    #[test]
    fn static_and_dynamic_files_are_told_apart() {
        assert!(is_static(b"entryPoints: {web: {address: ':80'}}", "a.yml"));
        assert!(is_static(b"log: {}", "a.yml"));
        assert!(!is_static(b"http: {routers: {}}", "a.yml"));
        assert!(!is_static(b"tls: {}", "a.yml"));
    }
}
