//! Configuration text as a tree of values that know where they stand.
//!
//! YAML, JSON (as YAML), TOML, and flat settings (flags, environment, tags) all become the same [`Node`], so
//! that everything behind speaks of one thing. Text is bounded in depth and size, aliases included.

mod flat;
mod number;
mod toml;
mod yaml;

use std::borrow::Cow;

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
    /// A date or time without quotes: no option takes one.
    Date,
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

    /// The entry of a map, ignoring the case of its key; a key without value counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|e| e.key.eq_ignore_ascii_case(key) && e.value.value != Value::Null)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Whether it is a list with a map among its items, which then count as options named `[0]`, `[1]`, ….
    pub(crate) fn lists_maps(&self) -> bool {
        matches!(&self.value, Value::List(items) if items.iter().any(|item| matches!(item.value, Value::Map(_))))
    }

    /// Whether it is a map that says nothing: without entries, or with keys only.
    pub(crate) fn is_bare(&self) -> bool {
        matches!(&self.value, Value::Map(entries) if entries.iter().all(|entry| entry.value.value == Value::Null))
    }

    /// The items of a list, or the values of a map that stands for one, with their names in paths.
    pub(crate) fn parts(&self) -> Vec<(String, &Node)> {
        match &self.value {
            Value::List(items) => items.iter().enumerate().map(|(at, item)| (format!("[{at}]"), item)).collect(),
            _ => self.entries().iter().map(|entry| (format!("[{}]", entry.key), &entry.value)).collect(),
        }
    }

    /// In words for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Date => "a date (write it in quotes)",
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

/// The text of a file: UTF-8, or UTF-16 with a byte order mark; an error is the line that is neither.
pub(crate) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, u32> {
    let wide = |unit: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).map(Cow::Owned).map_err(|_| 0)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => wide(u16::from_be_bytes, rest),
        _ => str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u32 + 1),
    }
}

/// What was read, and what deserves a word about it.
pub(crate) struct Document {
    pub(crate) root: Node,
    pub(crate) note: Option<Finding>,
}

/// Reads a document; an error is the first place where the text stops making sense.
pub(crate) fn parse(file: &str, text: &str, format: Format) -> Result<Document, Finding> {
    match format {
        Format::Yaml => yaml::parse(file, text),
        Format::Toml => toml::parse(file, text).map(|root| Document { root, note: None }),
    }
}
