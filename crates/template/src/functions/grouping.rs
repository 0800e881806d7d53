//! Grouping of keys and services, and maps made of texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{MANY, Row, args};
use crate::context::Context;
use crate::limits::MAX_NESTING;
use crate::value::{Record, Value};

pub(crate) const ROWS: &[Row] = &[
    ("byKey", 1, 1, by_key),
    ("byTag", 1, 1, |_, a| {
        group(a, 0, |item| match field(item, "Tags") {
            Value::List(tags) => tags.iter().map(Value::to_string).collect(),
            _ => Vec::new(),
        })
    }),
    ("byPort", 1, 1, |_, a| group(a, 0, |item| vec![field(item, "Port").to_string()])),
    ("byMeta", 2, 2, by_meta),
    ("explode", 1, 1, explode),
    ("explodeMap", 1, 1, |_, a| {
        let mut tree = Tree::default();
        for (key, value) in args::map(a, 0)?.iter() {
            tree.insert(key, value.clone())?;
        }
        Ok(tree.value())
    }),
    ("mergeMap", 2, MANY, |_, a| merge(a, false)),
    ("mergeMapWithOverride", 2, MANY, |_, a| merge(a, true)),
    ("splitToMap", 3, 3, split_to_map),
];

fn field(item: &Value, name: &str) -> Value {
    match item {
        Value::Record(record) => record.get(name).unwrap_or(Value::Nil),
        Value::Map(map) => map.get(name).cloned().unwrap_or(Value::Nil),
        _ => Value::Nil,
    }
}

fn grouped(groups: BTreeMap<Arc<str>, Vec<Value>>) -> Value {
    Value::map(groups.into_iter().map(|(key, items)| (key, Value::list(items))).collect())
}

fn group(a: &[Value], at: usize, keys: impl Fn(&Value) -> Vec<String>) -> Result<Value, String> {
    let mut groups: BTreeMap<Arc<str>, Vec<Value>> = BTreeMap::new();
    for item in args::items(a, at)? {
        for key in keys(item) {
            groups.entry(key.into()).or_default().push(item.clone());
        }
    }
    Ok(grouped(groups))
}

/// Pairs by the first part of their key; the pairs' own keys lose it. Keys of one part are left out.
fn by_key(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let mut groups: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Value>> = BTreeMap::new();
    for item in args::items(a, 0)? {
        let Value::Record(pair) = item else {
            return Err("wants the pairs of ls or tree".to_owned());
        };
        let key = field(item, "Key").to_string();
        let Some((top, rest)) = key.split_once('/').filter(|(_, rest)| !rest.is_empty()) else {
            continue;
        };
        let fields = pair
            .fields
            .iter()
            .map(|(name, value)| match *name {
                "Key" => ("Key", Value::text(rest)),
                name => (name, value.clone()),
            })
            .collect();
        groups.entry(top.into()).or_default().insert(rest.into(), Value::record(Record::new(pair.kind, fields)));
    }
    Ok(Value::map(groups.into_iter().map(|(key, pairs)| (key, Value::map(pairs))).collect()))
}

/// `byMeta "a,b|int"`: by the values of these metadata, joined with `_`.
///
/// `|int` pads a number to five digits. What is absent reads `_no_NAME_`, or 0 as a number; signs become `_`.
fn by_meta(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let spec = args::text(a, 0)?;
    let mut groups: BTreeMap<Arc<str>, Vec<Value>> = BTreeMap::new();
    for item in args::items(a, 1)? {
        let meta = field(item, "ServiceMeta");
        let mut parts = Vec::new();
        for name in spec.split(',') {
            let (name, number) = match name.strip_suffix("|int") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let text = field(&meta, name).as_text().unwrap_or_default().to_owned();
            parts.push(match (text.as_str(), number) {
                ("", true) => "00000".to_owned(),
                ("", false) => format!("_no_{name}_"),
                (text, true) => {
                    let value: i64 = text.parse().map_err(|_| format!("{name}: {text:?} is not a number"))?;
                    format!("{value:05}")
                }
                (text, false) => text.to_owned(),
            });
        }
        let key = parts.join("_").replace(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')), "_");
        groups.entry(key.into()).or_default().push(item.clone());
    }
    Ok(grouped(groups))
}

/// `a/b/c` keys as maps in maps.
fn explode(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let mut tree = Tree::default();
    for item in args::items(a, 0)? {
        tree.insert(&field(item, "Key").to_string(), field(item, "Value"))?;
    }
    Ok(tree.value())
}

#[derive(Default)]
struct Tree(BTreeMap<Arc<str>, Branch>);

enum Branch {
    Leaf(Value),
    Tree(Tree),
}

impl Tree {
    fn insert(&mut self, path: &str, value: Value) -> Result<(), String> {
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let Some(leaf) = parts.pop() else {
            return Ok(());
        };
        if parts.len() >= MAX_NESTING {
            return Err(format!("{path}: deeper than {MAX_NESTING} levels"));
        }
        let mut tree = self;
        for part in parts {
            let branch = tree.0.entry(part.into()).or_insert_with(|| Branch::Tree(Tree::default()));
            match branch {
                Branch::Tree(next) => tree = next,
                Branch::Leaf(_) => return Err(format!("{path}: {part} is a value and a folder")),
            }
        }
        match tree.0.get(leaf) {
            Some(Branch::Tree(_)) => Err(format!("{path}: {leaf} is a value and a folder")),
            _ => {
                tree.0.insert(leaf.into(), Branch::Leaf(value));
                Ok(())
            }
        }
    }

    fn value(self) -> Value {
        let entries = self.0.into_iter().map(|(key, branch)| match branch {
            Branch::Leaf(value) => (key, value),
            Branch::Tree(tree) => (key, tree.value()),
        });
        Value::map(entries.collect())
    }
}

/// The first map with what the others add; with `over`, the others win.
fn merge(a: &[Value], over: bool) -> Result<Value, String> {
    let mut merged = a[0].clone();
    for at in 0..a.len() {
        args::map(a, at)?;
        if at > 0 {
            merged = merge_two(&merged, &a[at], over);
        }
    }
    Ok(merged)
}

/// Maps are merged entry by entry, deep down; of two other values `over` takes the second.
pub(crate) fn merge_two(into: &Value, from: &Value, over: bool) -> Value {
    match (into.as_map(), from.as_map()) {
        (Some(base), Some(more)) => {
            let mut entries = (**base).clone();
            for (key, value) in more.iter() {
                let next = match entries.get(key) {
                    Some(known) => merge_two(known, value, over),
                    None => value.clone(),
                };
                entries.insert(key.clone(), next);
            }
            Value::map(entries)
        }
        _ if over && from.is_true() || !into.is_true() => from.clone(),
        _ => into.clone(),
    }
}

/// `splitToMap "," ":" "a:1,b:2"`.
fn split_to_map(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (between, inside, text) = (args::text(a, 0)?, args::text(a, 1)?, args::text(a, 2)?);
    if between.is_empty() || inside.is_empty() {
        return Err("a separator is empty".to_owned());
    }
    let mut entries = BTreeMap::new();
    for part in text.trim().split(between.as_ref()) {
        if let Some((key, value)) = part.split_once(inside.as_ref()) {
            entries.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(Value::text_map(&entries))
}
