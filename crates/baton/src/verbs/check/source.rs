//! The files to check: read with a limit, and what each of them is.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use baton_traefik::check::{Role, role};

use super::row::Row;
use crate::agent::config as agent_config;

/// A file larger than this is not read: neither the proxy nor the server would take it.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// How deep below a folder files are looked for.
const DEPTH_MAX: usize = 16;
/// Endings of files that are looked at in a folder; job files and agent configuration only in the folder itself.
const NESTED: [&str; 3] = ["yml", "yaml", "toml"];
const FLAT: [&str; 3] = ["nomad", "hcl", "json"];
/// The name of what comes from standard input.
const STDIN: &str = "-";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Static,
    Dynamic,
    /// Proxy configuration that says nothing.
    Empty,
    Agent,
    Job,
    /// Why it is nothing that is known here.
    Unknown(&'static str),
}

#[derive(Debug, Clone)]
pub struct Source {
    /// As it is shown.
    pub name: String,
    /// With an ending that tells the format.
    pub formatted: String,
    pub bytes: Vec<u8>,
    pub kind: Kind,
}

impl Source {
    /// Reads a file, or standard input for `-`; an error is a row about it.
    pub fn read(path: &Path) -> Result<Self, Row> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| Row::error(name.clone(), format!("cannot read the file: {error}"));
        let bytes = if name == STDIN {
            limited(std::io::stdin().lock()).map_err(failed)?
        } else {
            File::open(path).and_then(limited).map_err(failed)?
        };
        if bytes.len() as u64 > FILE_BYTES_MAX {
            let message = format!("the file is larger than {} MiB, which nothing here reads", FILE_BYTES_MAX >> 20);
            return Err(Row::error(name, message));
        }
        Ok(Self::new(name, bytes))
    }

    pub fn new(name: String, bytes: Vec<u8>) -> Self {
        let ending = Path::new(&name).extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
        let text = String::from_utf8_lossy(&bytes);
        let format = match ending.as_str() {
            "" => guess(&text),
            known => known,
        };
        let formatted = if ending.is_empty() { format!("{name}.{format}") } else { name.clone() };
        let kind = kind(format, &formatted, &bytes, &text);
        Self { name, formatted, bytes, kind }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn limited(file: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn kind(format: &str, name: &str, bytes: &[u8], text: &str) -> Kind {
    let readable = std::str::from_utf8(bytes).is_ok();
    match format {
        // What is wrong with the bytes is told by the reader of the format.
        "yml" | "yaml" | "toml" => match role(bytes, name) {
            Role::Static => Kind::Static,
            Role::Dynamic => Kind::Dynamic,
            // The name that Traefik looks for itself: what it refuses there is refused here.
            Role::Empty if Path::new(name).file_stem().is_some_and(|stem| stem == "traefik") => Kind::Static,
            Role::Empty => Kind::Empty,
            Role::Unknown => Kind::Unknown(
                "none of the sections of a static or dynamic proxy configuration stands here (entryPoints, providers, http, tls, …)",
            ),
        },
        "json" | "hcl" | "nomad" | "job" if !readable => Kind::Unknown("not UTF-8 text"),
        "json" if agent_config::is_agent_configuration(text) => Kind::Agent,
        "json" => match role(bytes, name) {
            Role::Static => Kind::Static,
            Role::Dynamic => Kind::Dynamic,
            Role::Empty | Role::Unknown => Kind::Job,
        },
        "hcl" if agent_config::is_agent_configuration(text) => Kind::Agent,
        "hcl" | "nomad" | "job" => Kind::Job,
        _ => Kind::Unknown(
            "an unknown kind of file: the name ends neither in .yml, .yaml, .toml, .nomad, .hcl nor .json",
        ),
    }
}

/// The format of a text whose name does not tell it.
fn guess(text: &str) -> &'static str {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let Some(first) = lines.find(|line| !line.is_empty() && !line.starts_with(['#', '/', '*'])) else { return "yml" };
    let word = first.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    let rest = first[word.len()..].trim_start();
    match rest.chars().next() {
        _ if first.starts_with('{') => "json",
        _ if first.starts_with('[') => "toml",
        Some('{' | '"') => "hcl",
        Some('=') if agent_config::is_agent_configuration(text) => "hcl",
        Some('=' | '.') => "toml",
        _ => "yml",
    }
}

/// The files of a folder, in the order of their names, and what could not be read.
pub fn below(directory: &Path) -> (Vec<Source>, Vec<Row>) {
    let mut paths = Vec::new();
    let mut unreadable = Vec::new();
    walk(directory, 0, &mut paths, &mut unreadable);
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        match Source::read(&path) {
            Ok(source) => sources.push(source),
            Err(row) => unreadable.push(row),
        }
    }
    (sources, unreadable)
}

fn walk(directory: &Path, depth: usize, paths: &mut Vec<PathBuf>, unreadable: &mut Vec<Row>) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            unreadable.push(Row::error(directory.display().to_string(), format!("cannot read the folder: {error}")));
            return;
        }
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let ends = |known: &[&str]| {
            path.extension().is_some_and(|end| known.iter().any(|known| end.eq_ignore_ascii_case(known)))
        };
        if path.is_dir() {
            if depth < DEPTH_MAX {
                walk(&path, depth + 1, paths, unreadable);
            }
        } else if ends(&NESTED) || depth == 0 && ends(&FLAT) {
            paths.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is() {
        let kind = |name: &str, text: &str| Source::new(name.to_owned(), text.as_bytes().to_vec()).kind;
        for (name, text, wanted) in [
            ("-", "entryPoints:\n  web: {}\n", Kind::Static),
            ("-", "# c\nhttp:\n  routers: {}\n", Kind::Dynamic),
            ("-", "[http.routers.r]\nrule = \"x\"\n", Kind::Dynamic),
            ("-", "log.level = \"INFO\"\n", Kind::Static),
            ("-", "job \"a\" {\n}\n", Kind::Job),
            ("-", "data_dir = \"/x\"\nserver {\n}\n", Kind::Agent),
            ("-", "{\"http\": {}}", Kind::Dynamic),
            ("-", "", Kind::Empty),
            ("a.json", "{\"job\": {\"x\": {}}}", Kind::Job),
            ("a.json", "{\"entryPoints\": {}}", Kind::Static),
            ("a.hcl", "server {\n}\n", Kind::Agent),
            ("a.nomad", "anything", Kind::Job),
            ("traefik", "api: {}\n", Kind::Static),
            ("traefik.yml", "# c\n", Kind::Static),
            ("d.yml", "# c\n", Kind::Empty),
        ] {
            assert_eq!(kind(name, text), wanted, "{name}: {text}");
        }
        for (name, text) in [("a.conf", "log: {}"), ("compose.yml", "services: {}\n")] {
            assert!(matches!(kind(name, text), Kind::Unknown(_)), "{name}");
        }
        assert!(matches!(Source::new("a.nomad".into(), vec![0xff]).kind, Kind::Unknown("not UTF-8 text")));
    }
}
