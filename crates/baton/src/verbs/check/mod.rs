//! `baton check FILE…`
//!
//! Reads files as the proxy, the agent and the server would, uses nothing of them, and tells every mistake at its place.
//! What is an error here is what Traefik refuses or logs as an error, and what this build cannot do; everything else that
//! deserves a word is a warning.

mod job;
mod proxy;
mod row;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::agent::config as agent_config;
use crate::cli::{Json, outln};
use row::{ERROR, Row};
use source::{Kind, Source};

/// Check files strictly: static and dynamic proxy configuration, job files, agent configuration.
///
/// What a file is, is told by its name and content. All mistakes are reported at once, as file:line:column. Exits with 1
/// when there is one; warnings alone exit with 0.
///
/// A static proxy configuration is checked together with the dynamic files that its file provider names, if they are there
/// (relative paths start at the working directory, as for the proxy). The dynamic files of a folder, and of the folders
/// below it, are checked together as the file provider reads them. Dynamic files given one by one are each taken alone: what
/// they refer to may stand elsewhere. Templates in job files that hold proxy configuration without template actions are
/// checked too.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    json: Json,
    /// Files, or folders of them; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Check {
    pub fn run(self) -> Result<u8> {
        let mut report = Report::default();
        for path in &self.files {
            report.take(path);
        }
        let Report { mut rows, seen } = report;
        let mut told = BTreeSet::new();
        rows.retain(|row| told.insert(row.to_string()));
        let errors = rows.iter().filter(|row| row.severity == ERROR).count();
        if !self.json.print(&rows)? {
            for row in &rows {
                outln(&row.to_string())?;
            }
            let warnings = rows.len() - errors;
            let files = count(seen.len(), "file");
            eprintln!("{files} checked: {}, {}", count(errors, "error"), count(warnings, "warning"));
        }
        Ok(u8::from(errors > 0))
    }
}

/// What was found, and in which files.
#[derive(Default)]
struct Report {
    rows: Vec<Row>,
    seen: BTreeSet<String>,
}

impl Report {
    fn take(&mut self, path: &Path) {
        if path.is_dir() {
            return self.directory(path);
        }
        match Source::read(path) {
            Ok(source) => self.file(&source),
            Err(row) => {
                self.seen.insert(row.file.clone());
                self.rows.push(row);
            }
        }
    }

    /// Dynamic files together, everything else file by file.
    fn directory(&mut self, path: &Path) {
        let (sources, unreadable) = source::below(path);
        if sources.is_empty() && unreadable.is_empty() {
            let message = "no configuration in this folder: no file ends in .yml, .yaml, .toml, .nomad, .hcl or .json";
            self.rows.push(Row::error(path.display().to_string(), message));
            return;
        }
        self.seen.extend(unreadable.iter().map(|row| row.file.clone()));
        self.rows.extend(unreadable);
        let (dynamic, others): (Vec<Source>, Vec<Source>) =
            sources.into_iter().partition(|source| matches!(source.kind, Kind::Dynamic | Kind::Empty));
        for source in &others {
            self.file(source);
        }
        // A static file beside them has judged those that its provider reads.
        let rest: Vec<Source> = dynamic.into_iter().filter(|source| self.seen.insert(source.name.clone())).collect();
        self.rows.extend(proxy::directory(&rest));
    }

    fn file(&mut self, source: &Source) {
        self.seen.insert(source.name.clone());
        let rows = match source.kind {
            Kind::Static => {
                let (rows, followed) = proxy::fixed(source);
                self.seen.extend(followed);
                rows
            }
            Kind::Dynamic | Kind::Empty => proxy::dynamic(source),
            Kind::Agent => agent_config::check(&source.text(), &source.name).into_iter().map(Row::from).collect(),
            Kind::Job => job::check(&source.text(), &source.name),
            Kind::Unknown(reason) => vec![Row::error(source.name.clone(), reason)],
        };
        self.rows.extend(rows);
    }
}

fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
