//! Looks at files without using them: every finding, with its place, as Traefik would judge it.

use baton_routing::{
    Config, Implemented, Problem, compile,
    config::{EntryPoint, Named},
    problem,
};
use serde::Serialize;

use crate::{
    dynamic::{Context, ProviderConfig, merge, merge_files, parse_file},
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
    check_together(&[(name, bytes)], Scope::File, context, implemented)
}

/// Checks all files of a directory: names without a provider must stand in one of them.
pub fn check_directory(files: &[(&str, &[u8])], context: &Context, implemented: &Implemented) -> Verdict {
    check_together(files, Scope::Directory, context, implemented)
}

/// How much of a provider is known.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    File,
    Directory,
}

const PROVIDER: &str = "file";

fn check_together(files: &[(&str, &[u8])], scope: Scope, context: &Context, implemented: &Implemented) -> Verdict {
    let mut findings = Vec::new();
    let mut parsed = Vec::new();
    for (name, bytes) in files {
        match parse_file(name, bytes, context) {
            Ok(file) => {
                findings.extend(file.findings.iter().cloned());
                parsed.push(((*name).to_owned(), file));
            }
            Err(more) => findings.extend(more),
        }
    }
    let (merged, more) = merge_files(parsed.clone());
    findings.extend(more);
    let told = merged.problems.len();
    let mut config = Config { entry_points: named_entry_points(&merged), ..Config::default() };
    merge(&mut config, vec![(PROVIDER.to_owned(), merged)]);
    for problem in compile(&config, implemented).problems.into_iter().skip(told) {
        let Some(own) = in_scope(problem, scope) else { continue };
        let (file, (line, column)) =
            parsed.iter().find_map(|(name, file)| Some((name.as_str(), file.place(&own.object)?))).unwrap_or_default();
        let at = Mark { line, column, label: None };
        let severity = if own.severity == problem::Severity::Warning { Severity::Warning } else { Severity::Error };
        findings.push(Finding::new(severity, file, &at, &own.object.name, own.message));
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    Verdict { findings }
}

/// The entry points that routers name, and one for those that name none: the real ones stand in another file.
fn named_entry_points(config: &ProviderConfig) -> Named<EntryPoint> {
    let tcp = config.http.routers.values().map(|r| &r.entry_points);
    let tcp = tcp.chain(config.tcp.routers.values().map(|r| &r.entry_points)).flatten().map(String::as_str);
    let udp = config.udp.routers.values().flat_map(|r| &r.entry_points).map(String::as_str);
    let tcp = tcp.chain(["any"]).map(|name| (name, ":0"));
    let udp = udp.chain(["any-udp"]).map(|name| (name, ":0/udp"));
    let entry = |address: &str| EntryPoint { address: address.to_owned(), ..EntryPoint::default() };
    tcp.chain(udp).map(|(name, address)| (name.to_owned(), entry(address))).collect()
}

/// Problems that the files can know of; names lose the provider.
fn in_scope(mut problem: Problem, scope: Scope) -> Option<Problem> {
    let elsewhere = match scope {
        Scope::File => ["does not exist", "unknown TLS options"].iter().any(|text| problem.message.contains(text)),
        Scope::Directory => {
            // Objects of other providers are not known here.
            let (_, quoted) = problem.message.split_once('"').unwrap_or_default();
            let name = quoted.split('"').next().unwrap_or_default();
            problem.message.contains("does not exist") && !name.ends_with("@file")
        }
    };
    let suffix = format!("@{PROVIDER}");
    if let Some(name) = problem.object.name.strip_suffix(&suffix) {
        problem.object.name = name.to_owned();
    }
    (!elsewhere).then_some(problem)
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
    fn references_are_followed_as_far_as_they_are_known() {
        let alone = "http: {routers: {r: {rule: 'Host(`a`)', service: s, middlewares: [x@other]}}}";
        assert_eq!(dynamic(alone), Vec::<String>::new());
        let all = Implemented::ALL;
        let verdict = check_directory(&[("a.yml", alone.as_bytes())], &Context::default(), &all);
        let shown: Vec<_> = verdict.findings.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a.yml:1:18: error: the service \"s@file\" does not exist (r)"]);
        let looped = dynamic("http: {services: {s: {weighted: {services: [{name: s}]}}}}");
        assert!(looped[0].contains("recursion detected"), "{looped:?}");
        let plain =
            dynamic("tcp: {routers: {t: {rule: 'HostSNI(`x`)', service: t}}, services: {t: {loadBalancer: {}}}}");
        assert!(plain[0].contains("no TLS on router"), "{plain:?}");
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
