//! Looks at files without using them: every finding, with its place, as Traefik would judge it.

use baton_routing::{
    Config, Implemented, Kind, Problem, compile,
    config::{EntryPoint, Named},
    problem,
};
use serde::Serialize;

use crate::{
    assemble,
    document::{self, Format},
    dynamic::{Context, ProviderConfig, merge, merge_files, parse_file},
    finding::{Finding, Mark, Severity},
    static_config::{SECTIONS, Sources, StaticConfig, load},
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

/// Checks all files of the file provider against the static options beside them: entry points, certificate
/// resolvers and the services of the proxy itself must exist too.
pub fn check_provider(
    files: &[(&str, &[u8])],
    fixed: &StaticConfig,
    context: &Context,
    implemented: &Implemented,
) -> Verdict {
    check_together(files, Scope::Setup(fixed), context, implemented)
}

/// How much is known of what the files refer to.
#[derive(Clone, Copy)]
enum Scope<'a> {
    File,
    Directory,
    Setup(&'a StaticConfig),
}

const PROVIDER: &str = "file";

fn check_together(files: &[(&str, &[u8])], scope: Scope<'_>, context: &Context, implemented: &Implemented) -> Verdict {
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
    let lost = lost_resolvers(&merged, scope);
    let config = match scope {
        Scope::Setup(fixed) => assemble(fixed, vec![(PROVIDER.to_owned(), merged)]),
        Scope::File | Scope::Directory => {
            let mut config = Config { entry_points: named_entry_points(&merged), ..Config::default() };
            merge(&mut config, vec![(PROVIDER.to_owned(), merged)]);
            config
        }
    };
    for problem in compile(&config, implemented).problems.into_iter().skip(told).chain(lost) {
        let Some(own) = in_scope(problem, scope) else { continue };
        let (file, (line, column)) =
            parsed.iter().find_map(|(name, file)| Some((name.as_str(), file.place(&own.object)?))).unwrap_or_default();
        let at = Mark { line, column, label: None };
        // Traefik calls these errors too, although the router works without.
        let parts = ["are not used: they are chosen by server name", "doesn't exist"];
        let partly = parts.iter().any(|text| own.message.contains(text));
        let warning = own.severity == problem::Severity::Warning && !partly;
        let severity = if warning { Severity::Warning } else { Severity::Error };
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

/// Routers that name a certificate resolver which the static options do not have.
fn lost_resolvers(config: &ProviderConfig, scope: Scope<'_>) -> Vec<Problem> {
    let Scope::Setup(fixed) = scope else { return Vec::new() };
    let http =
        config.http.routers.iter().filter_map(|(name, r)| Some((Kind::Router, name, &r.tls.as_ref()?.cert_resolver)));
    let tcp =
        config.tcp.routers.iter().filter_map(|(name, r)| Some((Kind::TcpRouter, name, &r.tls.as_ref()?.cert_resolver)));
    http.chain(tcp)
        .filter(|(_, _, resolver)| !resolver.is_empty() && !fixed.certificates_resolvers.contains_key(*resolver))
        .map(|(kind, name, resolver)| {
            let message = format!("the router uses a nonexistent certificate resolver: {resolver}");
            Problem::new(kind, name, problem::Severity::Disabled, message)
        })
        .collect()
}

/// Problems that the files can know of; names lose the provider.
fn in_scope(mut problem: Problem, scope: Scope<'_>) -> Option<Problem> {
    let elsewhere = match scope {
        Scope::File => ["does not exist", "unknown TLS options"].iter().any(|text| problem.message.contains(text)),
        Scope::Directory | Scope::Setup(_) => {
            // Objects of other providers are not known here.
            let (_, quoted) = problem.message.split_once('"').unwrap_or_default();
            let name = quoted.split('"').next().unwrap_or_default();
            let here = name.ends_with("@file") || matches!(scope, Scope::Setup(_)) && name.ends_with("@internal");
            problem.message.contains("does not exist") && !here
        }
    };
    let suffix = format!("@{PROVIDER}");
    if let Some(name) = problem.object.name.strip_suffix(&suffix) {
        problem.object.name = name.to_owned();
    }
    (!elsewhere).then_some(problem)
}

/// What a text is by the names of its sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `entryPoints`, `providers`, …
    Static,
    /// `http`, `tcp`, `udp`, `tls`.
    Dynamic,
    /// No section at all: nothing but space and comments.
    Empty,
    /// Sections that neither kind has.
    Unknown,
}

/// Sections of dynamic files.
const DYNAMIC: [&str; 4] = ["http", "tcp", "udp", "tls"];

/// Tells what a file is. Sections of the other kind are ignored by whoever reads it, so a file with both is the one
/// that it mostly is.
pub fn role(bytes: &[u8], name: &str) -> Role {
    let keys = sections(bytes, name);
    let count = |known: &[&str]| keys.iter().filter(|key| known.iter().any(|k| k.eq_ignore_ascii_case(key))).count();
    match (count(SECTIONS), count(&DYNAMIC)) {
        (0, 0) if keys.is_empty() => Role::Empty,
        (0, 0) => Role::Unknown,
        (fixed, dynamic) if fixed >= dynamic => Role::Static,
        _ => Role::Dynamic,
    }
}

/// Whether a text has sections of a static or dynamic file and nothing else, whatever is wrong inside them.
pub fn is_configuration(text: &str, name: &str) -> bool {
    let keys = sections(text.as_bytes(), name);
    let known = |key: &String| SECTIONS.iter().chain(&DYNAMIC).any(|section| section.eq_ignore_ascii_case(key));
    !keys.is_empty() && keys.iter().all(known)
}

/// Names at the top of a document; of one that cannot be read (a template, say) those that begin a line.
fn sections(bytes: &[u8], name: &str) -> Vec<String> {
    let (Some(format), Ok(text)) = (Format::of(name), document::text(bytes)) else { return Vec::new() };
    if let Ok(document) = document::parse(name, &text, format) {
        return document.root.entries().iter().map(|entry| entry.key.clone()).collect();
    }
    let word = |line: &str| {
        let line = line.trim_start_matches(['[', '"', '\'']);
        let end = line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len());
        (end > 0).then(|| line[..end].to_owned())
    };
    let begins = |line: &&str| line.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '[' | '"' | '\''));
    text.lines().filter(begins).filter_map(word).collect()
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
    fn files_are_told_apart_by_their_sections() {
        for (text, kind) in [
            ("entryPoints: {web: {address: ':80'}}", Role::Static),
            ("log: {}", Role::Static),
            ("entryPoints: {}\nproviders: {}\ntls: {}", Role::Static),
            ("http: {routers: {}}", Role::Dynamic),
            ("TLS: {}", Role::Dynamic),
            ("http:\n  routers:\n{{ range until 3 }}    r: {}\n{{ end }}\n\tx", Role::Dynamic),
            ("entryPoints:\n\tweb: {}", Role::Static),
            ("# nothing", Role::Empty),
            ("services: {db: {image: x}}\nversion: '3'", Role::Unknown),
        ] {
            assert_eq!(role(text.as_bytes(), "a.yml"), kind, "{text}");
        }
        assert_eq!(role(b"[http.routers]\n{{ x }}", "a.toml"), Role::Dynamic);
        assert!(is_configuration("api: {}", "a.yml") && !is_configuration("global: {}\nscrape_configs: []", "a.yml"));
    }

    #[test]
    fn files_are_judged_beside_the_static_options() {
        let fixed = b"entryPoints: {web: {address: ':80'}}\napi: {}\nproviders: {consulCatalog: {}}\ncertificatesResolvers: {le: {acme: {email: a, storage: b, tlsChallenge: {}}}}\n";
        let fixed = load(Sources { file: Some(("s.yml", fixed)), ..Sources::default() }).config;
        let text = "http:\n  routers:\n    a: {rule: 'Host(`a`)', service: api@internal, entryPoints: [wbe]}\n    b: {rule: 'Host(`b`)', service: ping@internal}\n    c: {rule: 'Host(`c`)', service: x@consulcatalog, tls: {certResolver: lee}}\n    d: {rule: 'Host(`d`)', service: api@internal, tls: {certResolver: le}}\n";
        let files = [("d.yml", text.as_bytes())];
        let verdict = check_provider(&files, &fixed, &Context::default(), &Implemented::ALL);
        let shown: Vec<_> = verdict.findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "d.yml:3:5: error: entryPoint \"wbe\" doesn't exist (a)",
                "d.yml:3:5: error: no valid entryPoint for this router (a)",
                "d.yml:4:5: error: the service \"ping@internal\" does not exist (b)",
                "d.yml:5:5: error: the router uses a nonexistent certificate resolver: lee (c)",
            ]
        );
    }
}
