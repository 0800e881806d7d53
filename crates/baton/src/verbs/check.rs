//! `baton check FILE…`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use baton_jobspec::{Diagnostic, Inputs, ParseOptions, Severity};
use baton_routing::config::Middleware;
use baton_routing::{Kind, ObjectRef};
use baton_traefik::Finding;
use baton_traefik::check::{check_dynamic, check_static, is_static};
use baton_traefik::dynamic::{Context, parse_file};
use clap::Args;
use serde::Serialize;

use crate::agent::config as agent_config;
use crate::cli::host::LocalHost;
use crate::cli::{Json, outln};
use crate::proxy::IMPLEMENTED;

/// Check files strictly: static and dynamic proxy configuration, job files, agent configuration.
///
/// What a file is, is told by its content. All mistakes are reported at once, as file:line:column. Exits with 1 when there
/// is one; warnings alone exit with 0.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    json: Json,
    /// Files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// One mistake or warning, of whatever kind of file.
#[derive(Debug, Serialize)]
struct Row {
    severity: &'static str,
    file: String,
    #[serde(skip_serializing_if = "is_zero")]
    line: usize,
    #[serde(skip_serializing_if = "is_zero")]
    column: usize,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

const ERROR: &str = "error";
const WARNING: &str = "warning";
/// How the proxy says that it lacks a kind.
const NOT_THERE: &str = "not implemented";
/// Endings of the files that are looked at in a folder.
const ENDINGS: [&str; 6] = ["nomad", "hcl", "json", "yml", "yaml", "toml"];

impl Check {
    pub fn run(self) -> Result<u8> {
        let mut files = Vec::new();
        for path in &self.files {
            collect(path, &mut files)?;
        }
        let mut rows = Vec::new();
        for file in &files {
            rows.extend(check(file)?);
        }
        let errors = rows.iter().filter(|row| row.severity == ERROR).count();
        if !self.json.print(&rows)? {
            for row in &rows {
                outln(&row.to_string())?;
            }
            eprintln!("{} checked: {errors} errors, {} warnings", count(files.len(), "file"), rows.len() - errors);
        }
        Ok(u8::from(errors > 0))
    }
}

/// `file:line:column: error: message; suggestion`
impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        write!(f, " {}: {}", self.severity, self.message)?;
        self.suggestion.as_ref().map_or(Ok(()), |suggestion| write!(f, "; {suggestion}"))
    }
}

impl From<Finding> for Row {
    fn from(finding: Finding) -> Self {
        let severity = if finding.is_error() { ERROR } else { WARNING };
        let option = if finding.option.is_empty() { String::new() } else { format!(" ({})", finding.option) };
        Self {
            severity,
            file: finding.file,
            line: finding.line as usize,
            column: finding.column as usize,
            message: format!("{}{option}", finding.message),
            suggestion: finding.suggestion.map(|word| format!("did you mean {word:?}?")),
        }
    }
}

impl From<Diagnostic> for Row {
    fn from(diagnostic: Diagnostic) -> Self {
        let severity = if diagnostic.severity == Severity::Error { ERROR } else { WARNING };
        Self::of(diagnostic, severity)
    }
}

impl Row {
    fn of(diagnostic: Diagnostic, severity: &'static str) -> Self {
        let message = diagnostic.message();
        let Diagnostic { file, line, column, help, .. } = diagnostic;
        Self { severity, file, line, column, message, suggestion: help }
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let kind = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !kind.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end.eq_ignore_ascii_case(known))))
        .collect();
    inside.sort();
    files.extend(inside);
    Ok(())
}

fn check(path: &Path) -> Result<Vec<Row>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.display().to_string();
    let ending = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
    if matches!(ending.as_str(), "yml" | "yaml" | "toml") {
        let verdict = match is_static(&bytes, &name) {
            true => check_static(&bytes, &name),
            false => check_dynamic(&bytes, &name, &Context::default(), &IMPLEMENTED),
        };
        return Ok(verdict.findings.into_iter().map(Row::from).chain(not_served(&bytes, &name)).collect());
    }
    let Ok(text) = String::from_utf8(bytes) else {
        let message = "not UTF-8 text".to_owned();
        return Ok(vec![Row { severity: ERROR, file: name, line: 0, column: 0, message, suggestion: None }]);
    };
    if matches!(ending.as_str(), "hcl" | "json") && agent_config::is_agent_configuration(&text) {
        return Ok(agent_config::check(&text, &name).into_iter().map(Row::from).collect());
    }
    Ok(job(&text, &name))
}

/// What a dynamic file has that this build cannot do: Traefik can, so nothing else is wrong with it.
fn not_served(bytes: &[u8], name: &str) -> Vec<Row> {
    let Ok(file) = parse_file(name, bytes, &Context::default()) else { return Vec::new() };
    let row = |object: ObjectRef, message: String| {
        let (line, column) = file.place(&object).unwrap_or_default();
        let (line, column) = (line as usize, column as usize);
        Row { severity: ERROR, file: name.to_owned(), line, column, message, suggestion: None }
    };
    let built = |kind: &Middleware| !matches!(kind, Middleware::Chain(_) | Middleware::Invalid);
    let kinds = file.config.http.middlewares.iter().filter(|(_, kind)| built(kind));
    let middlewares = kinds.filter_map(|(own, kind)| {
        // What fails for a file that is missing here may be well where it runs.
        let own_fault = matches!(kind, Middleware::CircuitBreaker(_) | Middleware::Buffering(_));
        let reason = baton_proxy::middleware::build(own, kind).err();
        let reason = reason.filter(|reason| own_fault || reason.contains(NOT_THERE))?;
        Some(row(ObjectRef::new(Kind::Middleware, own), reason))
    });
    let told =
        |kind, own: &String| row(ObjectRef::new(kind, own), format!("router {own}: TCP and UDP are {NOT_THERE}"));
    let tcp = file.config.tcp.routers.keys().map(|own| told(Kind::TcpRouter, own));
    let udp = file.config.udp.routers.keys().map(|own| told(Kind::UdpRouter, own));
    middlewares.chain(tcp).chain(udp).collect()
}

fn job(text: &str, name: &str) -> Vec<Row> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let inputs = Inputs { environment, strict: true, ..Inputs::default() };
    match baton_jobspec::parse(text, name, &ParseOptions { inputs, host: &LocalHost }) {
        Err(found) => found.into_iter().map(|diagnostic| Row::of(diagnostic, ERROR)).collect(),
        Ok(parsed) => {
            let mistakes = parsed.problems().into_iter().map(|diagnostic| Row::of(diagnostic, ERROR));
            let unsupported = parsed.unsupported().into_iter().map(|diagnostic| Row::of(diagnostic, WARNING));
            let warnings = parsed.warnings().into_iter().map(|message| {
                let (severity, file) = (WARNING, name.to_owned());
                Row { severity, file, line: 0, column: 0, message, suggestion: None }
            });
            mistakes.chain(unsupported).chain(warnings).collect()
        }
    }
}

fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
