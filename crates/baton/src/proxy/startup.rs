//! The static configuration: found, read, judged.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use baton_traefik::Finding;
use baton_traefik::static_config::{Loaded, Sources, config_file_flag, default_files, load};

/// A static file larger than this is refused.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Where the static configuration comes from; kept, so that SIGHUP can read it again.
#[derive(Debug, Clone)]
pub struct Start {
    args: Vec<String>,
    env: Vec<(String, String)>,
    file: Option<String>,
}

/// The static configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("cannot read the static configuration {file}: {error}")]
    Unreadable { file: String, error: std::io::Error },
    #[error("the static configuration has {} (see above); nothing was started", mistakes(*.0))]
    Broken(usize),
}

impl Start {
    /// From the arguments behind the verb and the process's environment.
    pub fn new(args: Vec<String>) -> Self {
        let env: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = config_file_flag(&args).map(str::to_owned);
        let find = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let found = || {
            let places = default_files(find("XDG_CONFIG_HOME"), find("HOME"));
            places.into_iter().find(|place| std::path::Path::new(place).is_file())
        };
        let file = named.or_else(found);
        Self { args, env, file }
    }

    /// The environment, for templates in dynamic files.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.env.iter().cloned().collect()
    }

    /// Reads the configuration.
    ///
    /// A file that is named and not there is an error here (Traefik starts with defaults on port 80 instead).
    pub fn load(&self) -> Result<Loaded, Refused> {
        let bytes = match &self.file {
            None => None,
            Some(file) => Some(read(file).map_err(|error| Refused::Unreadable { file: file.clone(), error })?),
        };
        let file = self.file.as_deref().zip(bytes.as_deref());
        Ok(load(Sources { file, args: &self.args, env: &self.env }))
    }

    /// [`Start::load`] with every mistake shown; refused when there is one with which Traefik does not start either.
    pub fn load_strictly(&self) -> Result<Loaded, Refused> {
        let loaded = self.load()?;
        show(&loaded.findings);
        let errors = loaded.findings.iter().filter(|finding| finding.is_fatal()).count();
        if errors > 0 { Err(Refused::Broken(errors)) } else { Ok(loaded) }
    }
}

fn read(file: &str) -> std::io::Result<Vec<u8>> {
    let size = std::fs::metadata(file)?.len();
    if size > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("{size} bytes are too many")));
    }
    std::fs::read(file)
}

/// Shows findings: as text to a person, as log lines otherwise.
fn show(findings: &[Finding]) {
    for finding in findings {
        if std::io::stderr().is_terminal() {
            eprintln!("{finding}");
        } else {
            log(finding);
        }
    }
}

/// A finding as a log line.
pub fn log(finding: &Finding) {
    if finding.is_error() {
        tracing::error!("{finding}");
    } else {
        tracing::warn!("{finding}");
    }
}

fn mistakes(count: usize) -> String {
    if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") }
}
