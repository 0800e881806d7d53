//! The field lines of a head.

use super::known::Classes;
use super::{Field, Known, Name, Value};
use crate::limits::HEADER_FIELDS_MAX;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};

/// Field lines in order; repeated names stay separate lines.
#[derive(Debug, Clone, Default)]
pub struct Fields<'b> {
    list: Vec<Field<'b>>,
    /// Classes of the lines, perhaps of some that were removed since: what is not in it need not be looked for.
    seen: Classes,
}

impl<'b> Fields<'b> {
    /// No lines, with room for `count`.
    pub fn with_capacity(count: usize) -> Self {
        Self { list: Vec::with_capacity(count), seen: Classes::default() }
    }

    /// Appends a line.
    pub fn push(&mut self, name: impl Into<Name<'b>>, value: impl Into<Value<'b>>) {
        let name = name.into();
        let known = name.known();
        self.push_known(name, value.into(), known);
    }

    /// Appends a line whose class is known already.
    pub(crate) fn push_known(&mut self, name: Name<'b>, value: Value<'b>, known: Known) {
        self.seen = self.seen.and(Classes::of(&[known]));
        self.list.push(Field { name, value, known });
    }

    /// Appends a line of a class that has one name.
    pub(crate) fn push_spelled(&mut self, known: Known, value: Value<'b>) {
        if let Some(name) = known.spelling() {
            self.push_known(Name::Ref(name), value, known);
        }
    }

    /// Removes every line of these classes.
    pub(crate) fn drop_classes(&mut self, classes: Classes) {
        if self.seen.meets(classes) {
            self.list.retain(|field| !classes.holds(field.known));
            self.seen = self.seen.without(classes);
        }
    }

    /// Replaces every line of that name by one.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Value<'b>>) {
        let value = value.into();
        match self.list.iter().position(|field| matches(field, name.as_str())) {
            Some(at) => {
                self.list[at].value = value;
                let mut index = 0;
                self.list.retain(|field| {
                    index += 1;
                    index - 1 <= at || !matches(field, name.as_str())
                });
            }
            None => self.push(name, value),
        }
    }

    /// Removes every line of that name; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|field| !matches(field, name));
        self.list.len() < before
    }

    /// Keeps the lines for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Field<'b>) -> bool) {
        self.list.retain(|field| keep(field));
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.list.iter().find(|field| matches(field, name)).map(|field| field.value.as_bytes())
    }

    /// The first value of that name, when it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every value of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.list.iter().filter(move |field| matches(field, name)).map(|field| field.value.as_bytes())
    }

    /// The first value of that class.
    pub fn known(&self, known: Known) -> Option<&[u8]> {
        if !self.seen.holds(known) {
            return None;
        }
        self.list.iter().find(|field| field.known == known).map(|field| field.value.as_bytes())
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = &Field<'b>> {
        self.list.iter()
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The same lines, owning their bytes.
    pub fn into_owned(self) -> Fields<'static> {
        let seen = self.seen;
        let list = self
            .list
            .into_iter()
            .filter_map(|field| {
                let name = match field.name {
                    Name::Ref(name) => HeaderName::from_bytes(name.as_bytes()).ok()?,
                    Name::Header(name) => name,
                };
                let value = match field.value {
                    Value::Ref(value) => Bytes::copy_from_slice(value),
                    Value::Shared(value) => value,
                    Value::Header(value) => {
                        return Some(Field {
                            name: Name::Header(name),
                            value: Value::Header(value),
                            known: field.known,
                        });
                    }
                };
                Some(Field { name: Name::Header(name), value: Value::Shared(value), known: field.known })
            })
            .collect();
        Fields { list, seen }
    }

    /// From hyper's and h2's representation.
    pub fn from_map(map: http::HeaderMap) -> Fields<'static> {
        let mut fields = Fields::default();
        let mut last: Option<HeaderName> = None;
        for (name, value) in map {
            if name.is_some() {
                last = name;
            }
            if let Some(name) = &last {
                fields.push(name.clone(), value);
            }
        }
        fields
    }

    /// From a trailer section, without the fields that may not stand in one (RFC 9110 §6.5.1).
    pub fn of_trailers(map: http::HeaderMap) -> Fields<'static> {
        let mut fields = Self::from_map(map);
        fields.retain(|field| field.known.allowed_in_trailer());
        fields
    }

    /// To hyper's and h2's representation; lines that do not fit are dropped.
    pub fn into_map(self) -> http::HeaderMap {
        let mut map = http::HeaderMap::with_capacity(self.list.len().min(HEADER_FIELDS_MAX) + 2);
        for field in self.list {
            let name = match field.name {
                Name::Ref(name) => HeaderName::from_bytes(name.as_bytes()).ok(),
                Name::Header(name) => Some(name),
            };
            let value = match field.value {
                Value::Ref(value) => HeaderValue::from_bytes(value).ok(),
                Value::Shared(value) => HeaderValue::from_maybe_shared(value).ok(),
                Value::Header(value) => Some(value),
            };
            if let (Some(name), Some(value)) = (name, value)
                && map.try_append(name, value).is_err()
            {
                break;
            }
        }
        map
    }
}

fn matches(field: &Field<'_>, name: &str) -> bool {
    field.name.as_str().eq_ignore_ascii_case(name)
}
