//! Reading a job file: from disk or standard input, with its variables, and showing what is wrong with it.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use baton_jobspec::{Diagnostic, Inputs, ParseOptions, Parsed, Source, VarFile};
use clap::{ArgAction, Args};

use super::host::LocalHost;

/// The file and its variables.
#[derive(Debug, Clone, Args)]
pub struct JobFile {
    /// Set a variable: name=value; may be given again
    #[arg(long = "var", value_name = "NAME=VALUE")]
    vars: Vec<String>,
    /// Read variables from a file; may be given again
    #[arg(long, value_name = "FILE")]
    var_file: Vec<PathBuf>,
    /// Whether values for variables that the job does not declare are errors
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    hcl2_strict: bool,
    /// The file is JSON; accepted for compatibility, JSON is recognised by itself
    #[arg(long = "json", hide = true)]
    json_input: bool,
    /// The job file; - reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// What is wrong with a file, already shown to the reader.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {count} {}", if *count == 1 { "mistake" } else { "mistakes" })]
pub struct Mistakes {
    pub file: String,
    pub count: usize,
}

impl JobFile {
    /// Reads and checks the file; mistakes are shown on standard error, with their lines.
    pub fn read(&self) -> Result<Parsed> {
        let (name, text) = read_text(&self.file)?;
        let given = self.vars.iter().map(|pair| split_var(pair)).collect::<Result<Vec<_>>>()?;
        let files = self.var_file.iter().map(|path| var_file(path)).collect::<Result<Vec<_>>>()?;
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let inputs = Inputs { given, files, environment, strict: self.hcl2_strict };
        parse(&name, &text, inputs)
    }
}

/// Reads a job file without variables of its own.
pub fn read_plain(path: &Path) -> Result<Parsed> {
    let (name, text) = read_text(path)?;
    parse(&name, &text, Inputs { strict: true, ..Inputs::default() })
}

fn parse(name: &str, text: &str, inputs: Inputs) -> Result<Parsed> {
    let options = ParseOptions { inputs, host: &LocalHost };
    let parsed = baton_jobspec::parse(text, name, &options).map_err(|found| {
        show(&found, &Source::new(name, text));
        anyhow!(Mistakes { file: name.to_owned(), count: found.len() })
    })?;
    let problems = parsed.problems();
    show(&problems, &parsed.source);
    if !problems.is_empty() {
        return Err(anyhow!(Mistakes { file: name.to_owned(), count: problems.len() }));
    }
    Ok(parsed)
}

/// Shows findings on standard error, with colour on a terminal only.
pub fn show(findings: &[Diagnostic], source: &Source) {
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let mut talk = std::io::stderr().lock();
    for finding in findings {
        // Nobody has to read to the end.
        if writeln!(talk, "{}\n", finding.render(source, colour)).is_err() {
            return;
        }
    }
}

/// The most that is read of one file or pipe; the parser has its own, smaller limit.
const BYTES_MAX: u64 = 64 << 20;

fn limited(path: &Path) -> Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

fn read_text(path: &Path) -> Result<(String, String)> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .take(BYTES_MAX)
            .read_to_string(&mut text)
            .context("cannot read the job from standard input")?;
        return Ok(("-".to_owned(), text));
    }
    Ok((path.display().to_string(), limited(path)?))
}

fn split_var(pair: &str) -> Result<(String, String)> {
    let (name, value) = pair.split_once('=').with_context(|| format!("--var {pair:?}: give name=value"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn var_file(path: &Path) -> Result<VarFile> {
    Ok(VarFile { name: path.display().to_string(), text: limited(path)? })
}
