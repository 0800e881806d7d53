//! Chooses the source of the static configuration and reads it.

use super::{IMPLICIT_ADDRESS, IMPLICIT_ENTRY_POINT, StaticConfig, check, flags, recognised, removed};
use crate::{
    decode::{Fault, decode},
    document::{self, Entry, Format, Node, Value},
    finding::{Finding, Mark, Severity, nearest},
};

use baton_routing::config::EntryPoint;

/// The sections of a static file.
pub(crate) const SECTIONS: &[&str] = &[
    "global",
    "serversTransport",
    "tcpServersTransport",
    "entryPoints",
    "providers",
    "api",
    "metrics",
    "ping",
    "log",
    "accessLog",
    "tracing",
    "hostResolver",
    "certificatesResolvers",
    "experimental",
    "core",
    "spiffe",
    "ocsp",
];

/// Everything that could say something. The caller has read the file, if one is named or found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// Name and content.
    pub file: Option<(&'a str, &'a [u8])>,
    /// Without the program's name.
    pub args: &'a [String],
    pub env: &'a [(String, String)],
}

/// Which source won.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    File,
    Flags,
    Environment,
    /// Nobody said anything: one entry point on port 80.
    Defaults,
}

/// The static configuration with everything that is wrong with it. With a fatal finding Traefik would
/// not start; `config` holds what could be read.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: StaticConfig,
    pub origin: Origin,
    pub findings: Vec<Finding>,
}

impl Loaded {
    /// Whether the start must be refused where it is refused at all.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(Finding::is_fatal)
    }
}

/// Reads the first source that says anything.
pub fn load(sources: Sources<'_>) -> Loaded {
    let mut findings = Vec::new();
    let mut flag_findings = Vec::new();
    let from_args = flags::from_args(sources.args, &mut flag_findings);
    let (root, name, origin) = if let Some((name, bytes)) = sources.file {
        if from_args.is_some() {
            let message = format!("other flags are ignored beside the file {name}");
            findings.push(Finding::new(Severity::Warning, "", &Mark::labelled("flags"), "", message));
        }
        (read_file(name, bytes, &mut findings), name, Origin::File)
    } else if from_args.is_some() || !flag_findings.is_empty() {
        findings.append(&mut flag_findings);
        (from_args, "", Origin::Flags)
    } else {
        let env = sources.env.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        match flags::from_env(env, &mut findings) {
            Some(tree) => (Some(tree), "", Origin::Environment),
            None => (None, "", Origin::Defaults),
        }
    };
    let mut config = match &root {
        Some(root) => options(root, name, &mut findings),
        None => StaticConfig::default(),
    };
    for (entry_point, options) in &mut config.entry_points {
        let http = &mut options.http;
        if http.alias_headers_strategy.is_empty() {
            http.alias_headers_strategy.clone_from(&http.underscore_headers_strategy);
        }
        if options.address.is_empty() || options.address.starts_with('/') {
            let path = format!("entryPoints.{entry_point}");
            if let Some(at) = root.as_ref().and_then(|root| check::list(root, &format!("{path}.address"))) {
                let message = "expected an address, found a list";
                findings.push(Finding::new(Severity::Fatal, name, &at, &format!("{path}.address"), message));
                continue;
            }
            let at = root.as_ref().map(|root| check::place(root, &path)).unwrap_or_default();
            let message = "the entry point names no port: it listens on one of the system's choice";
            findings.push(Finding::new(Severity::Warning, name, &at, &path, message));
            options.address.insert_str(0, ":0");
        }
    }
    let readable = root.is_some() || origin == Origin::Defaults;
    if readable {
        if config.entry_points.is_empty() && !findings.iter().any(Finding::is_fatal) {
            let message = "no entry points are set: one named \"http\" listens on port 80 of every address";
            findings.push(Finding::new(Severity::Warning, name, &Mark::default(), "entryPoints", message));
        }
        complete(&mut config);
        let empty = Node::map(Mark::default());
        check::relations(&config, root.as_ref().unwrap_or(&empty), name, &mut findings);
    }
    findings.sort_by_key(|f| (f.line, f.column));
    Loaded { config, origin, findings }
}

fn read_file(name: &str, bytes: &[u8], findings: &mut Vec<Finding>) -> Option<Node> {
    let mut fail = |line, message: &str| {
        findings.push(Finding::new(Severity::Fatal, name, &Mark { line, column: 0, label: None }, "", message));
    };
    let Some(format) = Format::of(name) else {
        fail(0, "the name of a static file ends in .yml, .yaml or .toml");
        return None;
    };
    let text = match document::text(bytes) {
        Ok(text) => text,
        Err(line) => {
            fail(line, "not UTF-8 text");
            return None;
        }
    };
    let document = document::parse(name, &text, format).map_err(|finding| findings.push(finding)).ok()?;
    findings.extend(document.note);
    let root = document.root;
    let section = |key: &str| SECTIONS.iter().any(|section| section.eq_ignore_ascii_case(key));
    let says = |entry: &Entry| section(&entry.key) && entry.value.value != Value::Null;
    if !matches!(root.value, Value::Map(_) | Value::Null) {
        let message = format!("expected a map of sections, found {}", root.kind());
        findings.push(Finding::new(Severity::Fatal, name, &root.at, "", message));
        return None;
    }
    if !root.entries().iter().any(says) {
        let message = "no configuration found in the file: none of the static sections stands in it";
        findings.push(Finding::new(Severity::Fatal, name, &root.at, "", message));
    }
    Some(root)
}

fn options(root: &Node, file: &str, findings: &mut Vec<Finding>) -> StaticConfig {
    let (config, mut mistakes) = decode::<StaticConfig>(root, file, "");
    mistakes.extend(recognised::mistakes(root, file));
    for (fault, mut finding) in mistakes {
        let path = if finding.line == 0 { finding.option.trim_start_matches('-') } else { &finding.option };
        let top = !path.contains('.') && fault == Fault::UnknownKey;
        if let (Fault::UnknownKey, Some(advice)) = (fault, removed::advice(path)) {
            finding.message = format!("{} ({advice})", finding.message);
            finding.suggestion = None;
        } else if top && finding.line > 0 {
            finding.severity = Severity::Warning;
            finding.message = format!("unknown section {path:?} is ignored");
            finding.suggestion = nearest(path, SECTIONS.iter().copied());
        }
        findings.push(finding);
    }
    // Sections that are only recognised have no fields to miss.
    for (path, advice) in removed::REMOVED {
        let told = findings.iter().any(|f| f.option.trim_start_matches('-').to_ascii_lowercase().starts_with(path));
        if !told && let Some(at) = check::find(root, path) {
            findings.push(Finding::new(Severity::Fatal, file, &at, path, format!("removed option ({advice})")));
        }
    }
    config
}

/// Adds what exists without being said.
fn complete(config: &mut StaticConfig) {
    if config.entry_points.is_empty() {
        let http = EntryPoint { address: ":80".to_owned(), ..EntryPoint::default() };
        config.entry_points.insert("http".to_owned(), http);
    }
    let targeted = config.api.as_ref().is_some_and(|a| a.insecure)
        || config.ping.as_ref().is_some_and(|p| !p.manual_routing && p.entry_point == IMPLICIT_ENTRY_POINT)
        || config
            .metrics
            .as_ref()
            .and_then(|m| m.prometheus.as_ref())
            .is_some_and(|p| !p.manual_routing && p.entry_point == IMPLICIT_ENTRY_POINT);
    if targeted && !config.entry_points.contains_key(IMPLICIT_ENTRY_POINT) {
        let own = EntryPoint { address: IMPLICIT_ADDRESS.to_owned(), ..EntryPoint::default() };
        config.entry_points.insert(IMPLICIT_ENTRY_POINT.to_owned(), own);
    }
}
