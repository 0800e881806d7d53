//! From a document to a provider's configuration, object by object.

mod choice;
mod findings;
mod http;
mod rule;
mod tcp;
mod tls;

use baton_routing::{Kind, ObjectRef, config::Named};
use serde::de::DeserializeOwned;

use super::{Context, Lowered};
use crate::{
    decode::{decode, mistakes_of},
    document::{Entry, Node, Value},
    finding::{Finding, Severity, nearest},
    rules::Syntax,
    static_config::recognised::Spiffe,
};

const SECTIONS: &[&str] = &["http", "tcp", "udp", "tls"];

/// What a router without a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRule {
    /// A mistake.
    Wrong,
    /// Fine: the reader of tags fills in the default rule.
    Filled,
}

/// Reads a whole document; `file` stands in the findings.
pub(crate) fn lower(root: &Node, file: &str, context: &Context, no_rule: NoRule) -> Lowered {
    let mut reader = Reader { file, syntax: context.default_syntax, no_rule, out: Lowered::default() };
    reader.document(root);
    reader.out
}

struct Reader<'a> {
    file: &'a str,
    syntax: Syntax,
    no_rule: NoRule,
    out: Lowered,
}

/// What an unknown key does to an object of some kind.
#[derive(Clone, Copy, PartialEq)]
enum Unknown {
    Closes,
    Warns,
}

impl Reader<'_> {
    fn document(&mut self, root: &Node) {
        if !matches!(root.value, Value::Map(_) | Value::Null) {
            self.refuse(&root.at, "", format!("expected a map of sections, found {}", root.kind()), None);
            return;
        }
        for entry in root.entries() {
            let node = &entry.value;
            if node.value == Value::Null {
                self.nothing(&entry.at, &entry.key);
                continue;
            }
            match entry.key.to_ascii_lowercase().as_str() {
                "http" if self.has_options(node, "http") => self.http(node),
                "tcp" if self.has_options(node, "tcp") => self.tcp(node),
                "udp" if self.has_options(node, "udp") => self.udp(node),
                "tls" if self.has_options(node, "tls") => self.tls(node),
                "http" | "tcp" | "udp" | "tls" => {}
                _ => {
                    let message = format!("unknown section {:?} is ignored", entry.key);
                    let finding = Finding::new(Severity::Warning, self.file, &entry.at, &entry.key, message);
                    self.out.findings.push(finding.suggest(nearest(&entry.key, SECTIONS.iter().copied())));
                }
            }
        }
    }

    /// All objects of a section: name by name.
    fn each<T>(
        &mut self,
        section: &Node,
        path: &str,
        kind: Kind,
        read: impl Fn(&mut Self, &str, &Entry, &str) -> T,
    ) -> Named<T> {
        let mut objects = Named::default();
        let key = path.rsplit('.').next().unwrap_or(path);
        let Some(entry) = section.get(key) else { return objects };
        if !self.has_options(&entry.value, path) {
            return objects;
        }
        let listed = named_by_place(&entry.value);
        if !listed.is_empty() {
            let message = "expected a map of names, found a list: its items count as named \"[0]\", \"[1]\", …";
            self.warn(&entry.value.at, path, message);
        }
        for object in entry.value.entries().iter().chain(&listed) {
            if object.value.value == Value::Null {
                self.nothing(&object.at, &format!("{path}.{}", object.key));
                continue;
            }
            self.out.places.insert(ObjectRef::new(kind, object.key.clone()), object.at.clone());
            let value = read(self, &object.key, object, &format!("{path}.{}", object.key));
            objects.insert(object.key.clone(), value);
        }
        objects
    }

    fn record<T: DeserializeOwned + Default>(
        &mut self,
        kind: Kind,
        name: &str,
        entry: &Entry,
        path: &str,
        unknown: Unknown,
    ) -> T {
        let (value, mistakes) = decode::<T>(&entry.value, self.file, path);
        self.mistakes(kind, name, mistakes, unknown);
        value
    }

    /// Options that are recognised only.
    fn spiffe(&mut self, kind: Kind, name: &str, spiffe: Option<&Entry>, path: &str) {
        let Some(spiffe) = spiffe else { return };
        let path = format!("{path}.spiffe");
        let mistakes = mistakes_of::<Spiffe>(&spiffe.value, self.file, &path);
        self.mistakes(kind, name, mistakes, Unknown::Closes);
        self.warn(&spiffe.at, &path, "known but not implemented: without effect");
    }
}

/// The maps of a list that stands where a map of names is expected, as entries.
fn named_by_place(node: &Node) -> Vec<Entry> {
    let Value::List(items) = &node.value else { return Vec::new() };
    let maps = items.iter().enumerate().filter(|(_, item)| matches!(item.value, Value::Map(_)));
    maps.map(|(at, item)| Entry { key: format!("[{at}]"), at: item.at.clone(), value: item.clone() }).collect()
}
