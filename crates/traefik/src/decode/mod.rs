//! From a document to typed options, finding every mistake on the way.
//!
//! Serde stops at the first error. So decoding is repeated: what was wrong is recorded and left out the next
//! time, until nothing wrong is left or there is too much of it. Keys are compared ignoring case, numbers and
//! truth values may be written as text, a list as one comma-separated text: flags, tags and files say the same
//! thing in different ways.

mod access;
mod reader;

use std::{
    cell::RefCell,
    collections::HashSet,
    fmt::{self, Display},
};

use serde::de::{self, DeserializeOwned};

use crate::{
    document::Node,
    finding::{Finding, Mark, Severity, nearest},
};
use reader::{Reader, Spot};

/// Mistakes reported for one object.
const MISTAKES_MAX: usize = 50;

/// Whether a finding is about a key that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    UnknownKey,
    BadValue,
    /// Taken by Traefik without being used, or used as something else.
    Ignored,
    /// A key without a value, which counts as absent.
    Nothing,
}

/// A mistake together with its sort.
pub(crate) type Mistake = (Fault, Finding);

/// Reads an object. Mistakes are left out of the value.
pub(crate) fn decode<T: DeserializeOwned + Default>(node: &Node, file: &str, path: &str) -> (T, Vec<Mistake>) {
    decode_at(node, file, path, Spot::Object)
}

/// What is wrong with the value of an option that is kept as it stands.
pub(crate) fn mistakes_of<T: DeserializeOwned + Default>(node: &Node, file: &str, path: &str) -> Vec<Mistake> {
    decode_at::<T>(node, file, path, Spot::Option).1
}

fn decode_at<T: DeserializeOwned + Default>(node: &Node, file: &str, path: &str, spot: Spot) -> (T, Vec<Mistake>) {
    let scratch = Scratch::default();
    let mut mistakes = Vec::new();
    let value = loop {
        let path = Path { above: None, key: path };
        let reader = Reader { node, scratch: &scratch, path, spot, within: "" };
        match T::deserialize(reader) {
            Ok(value) => break value,
            Err(DecodeError(error)) => {
                if let Some(silent) = error.silently {
                    if scratch.skipped.borrow_mut().insert(silent) {
                        continue;
                    }
                    break T::default();
                }
                let at = &error.at.clone().unwrap_or_else(|| node.at.clone());
                let finding = Finding::new(Severity::Fatal, file, at, &error.path, error.message);
                mistakes.push((error.fault, finding.suggest(error.suggestion)));
                let wrong = error.node.unwrap_or(std::ptr::from_ref(node) as usize);
                let root = wrong == std::ptr::from_ref(node) as usize;
                if root || mistakes.len() >= MISTAKES_MAX || !scratch.skipped.borrow_mut().insert(wrong) {
                    break T::default();
                }
            }
        }
    };
    for unknown in scratch.unknown.into_inner() {
        let message = format!("unknown key {:?}", unknown.key);
        let finding = Finding::new(Severity::Fatal, file, &unknown.at, &unknown.path, message);
        mistakes.push((Fault::UnknownKey, finding.suggest(nearest(&unknown.key, unknown.fields.iter().copied()))));
    }
    for Note { fault, at, path, message } in scratch.notes.into_inner() {
        mistakes.push((fault, Finding::new(Severity::Warning, file, &at, &path, message)));
    }
    mistakes.sort_by_key(|(_, f)| (f.line, f.column));
    (value, mistakes)
}

/// What is remembered between the rounds.
#[derive(Default)]
struct Scratch {
    /// Addresses of nodes that are left out.
    skipped: RefCell<HashSet<usize>>,
    unknown: RefCell<Vec<Unknown>>,
    notes: RefCell<Vec<Note>>,
}

impl Scratch {
    /// Remembers what is no mistake but deserves a word, once.
    fn note(&self, note: Note) {
        let mut notes = self.notes.borrow_mut();
        if notes.len() < MISTAKES_MAX && !notes.contains(&note) {
            notes.push(note);
        }
    }
}

#[derive(PartialEq)]
struct Note {
    fault: Fault,
    at: Mark,
    path: String,
    message: String,
}

struct Unknown {
    node: usize,
    key: String,
    path: String,
    at: Mark,
    fields: &'static [&'static str],
}

#[derive(Clone, Copy)]
struct Path<'a> {
    above: Option<&'a Path<'a>>,
    key: &'a str,
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
            let first = above.above.is_none() && above.key.is_empty();
            if !(first || self.key.is_empty() || self.key.starts_with('[')) {
                f.write_str(".")?;
            }
        }
        f.write_str(self.key)
    }
}

/// An error that finds its place while it travels up.
#[derive(Debug)]
pub(crate) struct DecodeError(Box<Parts>);

#[derive(Debug)]
struct Parts {
    message: String,
    at: Option<Mark>,
    path: String,
    node: Option<usize>,
    /// Not a mistake: leave this node out and go on.
    silently: Option<usize>,
    fault: Fault,
    suggestion: Option<String>,
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self(Box::new(Parts {
            message: message.to_string(),
            at: None,
            path: String::new(),
            node: None,
            silently: None,
            fault: Fault::BadValue,
            suggestion: None,
        }))
    }
}
