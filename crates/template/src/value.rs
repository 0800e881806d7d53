//! The values that flow through a template: what Go's reflection shows of its types, as an enum.
//!
//! Values are immutable and shared. Every list and map knows its total size and depth, so that a
//! value that grows by sharing (a list that holds itself twice, again and again) is caught at the
//! call that builds it, before anything prints it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A value in a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing; prints as `<no value>`.
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    List(Arc<List>),
    Map(Arc<Map>),
    Record(Arc<Record>),
    /// The scratchpad of this rendering; its content is kept by the renderer.
    Scratch,
}

/// An ordered list that knows its size.
#[derive(Debug, PartialEq)]
pub struct List {
    items: Vec<Value>,
    size: Size,
}

/// A map with sorted keys that knows its size.
#[derive(Debug, PartialEq)]
pub struct Map {
    entries: BTreeMap<Arc<str>, Value>,
    /// All values are texts: `index` of an absent key gives an empty text, as for Go's `map[string]string`.
    of_text: bool,
    size: Size,
}

/// A value with fixed field names (a Go struct): asking for another field is an error.
#[derive(Debug, PartialEq)]
pub struct Record {
    /// The type's name, for messages.
    pub kind: &'static str,
    /// Fields in the order of declaration.
    pub fields: Vec<(&'static str, Value)>,
    /// What prints, if it is not the fields.
    pub text: Option<Arc<str>>,
    /// What `range`, `len` and unknown fields see, if the record stands for a map.
    pub items: Option<Value>,
    size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    weight: usize,
    depth: usize,
}

impl Size {
    fn of<'a>(values: impl Iterator<Item = &'a Value>) -> Self {
        let mut size = Self { weight: 1, depth: 1 };
        for value in values {
            size.weight = size.weight.saturating_add(value.weight());
            size.depth = size.depth.max(value.depth() + 1);
        }
        size
    }
}

impl std::ops::Deref for List {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        &self.items
    }
}

impl std::ops::Deref for Map {
    type Target = BTreeMap<Arc<str>, Value>;
    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}

impl Map {
    /// Are all values texts?
    pub fn is_of_text(&self) -> bool {
        self.of_text
    }
}

impl Record {
    /// A plain record.
    pub fn new(kind: &'static str, fields: Vec<(&'static str, Value)>) -> Self {
        let size = Size::of(fields.iter().map(|(_, value)| value));
        Self { kind, fields, text: None, items: None, size }
    }

    /// A record that stands for a map.
    pub fn with_items(mut self, items: Value) -> Self {
        self.size.weight = self.size.weight.saturating_add(items.weight());
        self.size.depth = self.size.depth.max(items.depth() + 1);
        self.items = Some(items);
        self
    }

    /// A record that prints as a text.
    pub fn with_text(mut self, text: &str) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The field of that name, then the entry of that name.
    pub fn get(&self, name: &str) -> Option<Value> {
        let field = self.fields.iter().find(|(field, _)| *field == name);
        match (field, &self.items) {
            (Some((_, value)), _) => Some(value.clone()),
            (None, Some(Value::Map(map))) => map.get(name).cloned(),
            _ => None,
        }
    }
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    /// A list.
    pub fn list(items: Vec<Value>) -> Self {
        let size = Size::of(items.iter());
        Self::List(Arc::new(List { items, size }))
    }

    /// A list of texts.
    pub fn texts<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::list(items.into_iter().map(Self::text).collect())
    }

    /// A map of any values.
    pub fn map(entries: BTreeMap<Arc<str>, Value>) -> Self {
        Self::build_map(entries, false)
    }

    /// A map of texts.
    pub fn text_map<'a>(entries: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (Arc::from(key.as_str()), Self::text(value))).collect();
        Self::build_map(entries, true)
    }

    fn build_map(entries: BTreeMap<Arc<str>, Value>, of_text: bool) -> Self {
        let mut size = Size::of(entries.values());
        for key in entries.keys() {
            size.weight = size.weight.saturating_add(key.len());
        }
        Self::Map(Arc::new(Map { entries, of_text, size }))
    }

    /// A record.
    pub fn record(record: Record) -> Self {
        Self::Record(Arc::new(record))
    }

    /// Bytes and elements in this value and everything inside.
    pub fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 1,
            Self::List(list) => list.size.weight,
            Self::Map(map) => map.size.weight,
            Self::Record(record) => record.size.weight,
            _ => 1,
        }
    }

    /// Bytes of a text, elements of a list, map or record, without what is inside them.
    pub(crate) fn breadth(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 1,
            Self::List(list) => list.len() + 1,
            Self::Map(map) => map.len() + 1,
            Self::Record(record) => record.fields.len() + 1,
            _ => 1,
        }
    }

    /// Levels of lists, maps and records in this value.
    pub fn depth(&self) -> usize {
        match self {
            Self::List(list) => list.size.depth,
            Self::Map(map) => map.size.depth,
            Self::Record(record) => record.size.depth,
            _ => 0,
        }
    }

    /// Go's notion of a true value: not empty, not zero.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Record(record) => record.items.as_ref().is_none_or(Value::is_true),
            Self::Scratch => true,
        }
    }

    /// The text, if the value is one or a record that prints as one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Record(record) => record.text.as_deref(),
            _ => None,
        }
    }

    /// The map, if the value is one or stands for one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            Self::Record(record) => record.items.as_ref().and_then(Value::as_map),
            _ => None,
        }
    }

    /// The Go-like name of the type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Record(record) => record.kind,
            Self::Scratch => "scratch",
        }
    }

    /// The same value as JSON; a record becomes an object with its fields.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Nil | Self::Scratch => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Float(value) => Json::from(*value),
            Self::Text(text) => Json::from(text.as_ref()),
            Self::List(list) => list.iter().map(Self::to_json).collect(),
            Self::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect()),
            Self::Record(record) => match (&record.text, &record.items) {
                (Some(text), _) => Json::from(text.as_ref()),
                (None, Some(items)) => items.to_json(),
                (None, None) => Json::Object(
                    record.fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_json())).collect(),
                ),
            },
        }
    }
}

/// Whole numbers become `Int`, so that they print as they were written.
impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        Self::from_json(json, false)
    }
}

impl Value {
    /// A program's own data: a map with nothing but texts is a map of texts, whatever keys are asked for.
    pub(crate) fn from_data(json: serde_json::Value) -> Self {
        Self::from_json(json, true)
    }

    fn from_json(json: serde_json::Value, typed: bool) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Nil,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Self::Int(value),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(items.into_iter().map(|item| Self::from_json(item, typed)).collect()),
            Json::Object(entries) => {
                let of_text = typed && entries.values().all(Json::is_string);
                let entries = entries.into_iter().map(|(key, value)| (Arc::from(key), Self::from_json(value, typed)));
                Self::build_map(entries.collect(), of_text)
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
