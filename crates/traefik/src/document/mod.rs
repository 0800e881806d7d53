//! Configuration text as a tree of values that know where they stand.
//!
//! YAML, JSON (as YAML), TOML, and flat settings (flags, environment, tags) all become the same [`Node`], so
//! that everything behind speaks of one thing. Text is bounded in depth and size, aliases included.

mod flat;
mod toml;
mod yaml;

use crate::finding::{Finding, Mark};

pub(crate) use flat::{Tree, put};

/// Nesting deeper than this is refused.
pub(crate) const DEPTH_MAX: usize = 64;

/// Documents with more values than this, aliases expanded, are refused.
pub(crate) const NODES_MAX: usize = 1_000_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Mark,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// Any text; `plain` when it may also be read as a number or truth value.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Mark,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn map(at: Mark) -> Self {
        Self { value: Value::Map(Vec::new()), at }
    }

    /// The entry of a map, ignoring the case of its key.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|e| e.key.eq_ignore_ascii_case(key))
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// In words for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// The formats that files may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Also reads JSON.
    Yaml,
    Toml,
}

impl Format {
    /// By the file's extension; `None` for files that are not configuration.
    pub fn of(file: &str) -> Option<Self> {
        let (_, extension) = file.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "yml" | "yaml" | "json" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// Reads a document; an error is the first place where the text stops making sense.
pub(crate) fn parse(file: &str, text: &str, format: Format) -> Result<Node, Finding> {
    match format {
        Format::Yaml => yaml::parse(file, text),
        Format::Toml => toml::parse(file, text),
    }
}
