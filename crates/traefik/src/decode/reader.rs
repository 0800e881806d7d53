//! A document's value as serde sees it, after Traefik's rules for what may stand where.
//!
//! Files, flags and tags are untyped there until an option takes a value, which leads to rules that nobody would
//! write down: a list for a text is garbage but no error, a map for a list is a list of its values, options
//! without any option in them need leave (`{}` is refused where it would mean nothing). What Traefik refuses is a
//! mistake here; what it takes without using it is noted and left out.

use std::fmt::Display;

use serde::de::{self, Visitor};

use super::{
    DecodeError, Fault, MISTAKES_MAX, Note, Path, Scratch, Unknown,
    access::{Entries, Items, Tagged, Word},
};
use crate::{
    document::{Entry, Node, Value},
    finding::nearest,
};

/// Records that may stand without options (`{}`, `true`): they have a meaning of their own.
const SWITCHES: &[&str] = &[
    "RouterTls",
    "TcpRouterTls",
    "Sticky",
    "Cookie",
    "IpStrategy",
    "PropagateHealth",
    "Compress",
    "ContentType",
    "TcpHealthCheck",
    "ProxyProtocolVersion",
    "TcpClientTls",
    "ProxyProtocol",
    "Http3",
    "Api",
    "Ping",
    "Log",
    "AccessLog",
    "Prometheus",
    "Tracing",
    "HostResolver",
    "DnsChallenge",
    "HttpChallenge",
    "TlsChallenge",
    "Propagation",
    "ConsulCatalog",
    "HttpProvider",
    // Recognised only.
    "Spiffe",
    "Ocsp",
    "FastProxy",
    "Tailscale",
    "Otlp",
    "OtlpMetrics",
    "OtlpGrpc",
    "OtlpHttp",
    "Datadog",
    "StatsD",
    "InfluxDb2",
    "Docker",
    "Swarm",
    "KubernetesIngress",
    "KubernetesIngressNginx",
    "KubernetesCrd",
    "KubernetesGateway",
    "Knative",
    "Rest",
    "Nomad",
    "Ecs",
    "ConsulKv",
    "Etcd",
    "ZooKeeper",
    "Redis",
    "NamespacedService",
];

/// Places where a switch needs options all the same: the record around it, and its own name.
const NO_SWITCH: &[(&str, &str)] = &[("Weighted", "Sticky"), ("SourceCriterion", "IpStrategy")];

/// What a value is in the value around it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// The value of an option.
    Option,
    /// An object in a map of names, or the whole document.
    Object,
    /// An item of a list.
    Item,
    /// A value in a map that stands where a list is expected.
    Child,
}

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
    pub(super) scratch: &'a Scratch,
    pub(super) path: Path<'a>,
    pub(super) spot: Spot,
    /// The record that the value is an option of.
    pub(super) within: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self.node) as usize
    }

    pub(super) fn place<T>(&self, result: Result<T, DecodeError>) -> Result<T, DecodeError> {
        result.map_err(|DecodeError(mut error)| {
            if error.node.is_none() && error.silently.is_none() {
                error.at = Some(self.node.at.clone());
                error.node = Some(self.address());
                error.path = self.path.to_string();
            }
            DecodeError(error)
        })
    }

    pub(super) fn fail<T>(&self, message: impl Display) -> Result<T, DecodeError> {
        self.place(Err(de::Error::custom(message)))
    }

    /// Leaves the value out without calling it a mistake.
    fn leave_out<T>(&self) -> Result<T, DecodeError> {
        let mut error: DecodeError = de::Error::custom("left out");
        error.0.silently = Some(self.address());
        Err(error)
    }

    fn note(&self, fault: Fault, message: impl Display) {
        self.scratch.note(Note {
            fault,
            at: self.node.at.clone(),
            path: self.path.to_string(),
            message: message.to_string(),
        });
    }

    /// Traefik takes the value without using it.
    fn ignore<T>(&self, wanted: &str) -> Result<T, DecodeError> {
        self.note(Fault::Ignored, format_args!("expected {wanted}, found {}: it is ignored", self.node.kind()));
        self.leave_out()
    }

    fn absent<T>(&self, hint: &str) -> Result<T, DecodeError> {
        if self.spot == Spot::Item {
            return self.fail("an item of a list cannot be nothing");
        }
        self.note(Fault::Nothing, format_args!("nothing stands here, so the key counts as absent{hint}"));
        self.leave_out()
    }

    /// The text of a single value.
    fn scalar(&self, wanted: &str) -> Result<&'a str, DecodeError> {
        match &self.node.value {
            Value::Scalar { .. } if self.spot == Spot::Child => self.ignore("a list"),
            Value::Scalar { text, .. } => Ok(text),
            Value::Null => self.absent(""),
            Value::Map(_) if self.node.is_bare() && self.spot == Spot::Option => Ok(""),
            Value::Map(_) if self.node.is_bare() => self.ignore(wanted),
            Value::List(items) if items.is_empty() => Ok(""),
            Value::List(_) | Value::Map(_) | Value::Date => {
                self.fail(format_args!("expected {wanted}, found {}", self.node.kind()))
            }
        }
    }

    fn text(&self) -> Result<&'a str, DecodeError> {
        let plain = |node: &Node| matches!(node.value, Value::Scalar { .. });
        match &self.node.value {
            Value::List(items) if !items.is_empty() && items.iter().all(plain) && self.spot != Spot::Item => {
                self.ignore("text")
            }
            Value::Map(_) if self.spot == Spot::Object => self.ignore("text"),
            _ if self.spot == Spot::Item => self.scalar("text").map(str::trim),
            _ => self.scalar("text"),
        }
    }

    /// A whole number that fits between two bounds; one that does not is moved to the nearer bound, and noted.
    fn whole(&self, min: i128, max: i128) -> Result<i128, DecodeError> {
        let text = self.scalar("a number")?;
        let text = if self.spot == Spot::Item { text.trim() } else { text };
        let Ok(number) = text.parse::<i64>() else {
            return self.fail(format_args!("expected a whole number, found {text:?}"));
        };
        let number = i128::from(number);
        let used = number.clamp(min, max);
        if used != number {
            self.note(Fault::Ignored, format_args!("{number} is out of range here: {used} is used"));
        }
        Ok(used)
    }

    pub(super) fn skipped(&self, node: &Node) -> bool {
        self.scratch.skipped.borrow().contains(&(std::ptr::from_ref(node) as usize))
    }

    /// Whether a record may stand here without options.
    fn is_switch(&self, name: &str) -> bool {
        SWITCHES.contains(&name) && !NO_SWITCH.contains(&(self.within, name))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let number = self.whole(i128::from(<$type>::MIN), i128::from(<$type>::MAX))?;
            self.place(visitor.$visit(number as $type))
        })*
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = DecodeError;

    numbers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.scalar("a number")?;
        match text.trim().parse() {
            Ok(number) => self.place(visitor.visit_f64(number)),
            Err(_) => self.fail(format_args!("expected a number, found {text:?}")),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => self.absent(""),
            Value::Date => self.fail(format_args!("no option takes {}", self.node.kind())),
            Value::Scalar { text, plain } => {
                let result = if !plain {
                    visitor.visit_str(text)
                } else if matches!(text.as_str(), "true" | "false") {
                    visitor.visit_bool(text == "true")
                } else if let Ok(number) = text.parse::<u64>() {
                    visitor.visit_u64(number)
                } else if let Ok(number) = text.parse::<i64>() {
                    visitor.visit_i64(number)
                } else if let Ok(number) = text.parse::<f64>() {
                    visitor.visit_f64(number)
                } else {
                    visitor.visit_str(text)
                };
                self.place(result)
            }
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.place(visitor.visit_map(Entries { reader: self, record: None, at: 0 })),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.scalar("true or false")?;
        match text {
            "1" | "t" | "T" | "true" | "True" | "TRUE" => self.place(visitor.visit_bool(true)),
            "0" | "f" | "F" | "false" | "False" | "FALSE" => self.place(visitor.visit_bool(false)),
            _ => self.fail(format_args!("expected true or false, found {text:?}")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.text()?;
        self.place(visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.place(visitor.visit_some(self))
    }

    /// A duration: text in Go's notation or a number of seconds.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let text = self.scalar("a duration")?;
        if let Some(length) = text.strip_prefix('-')
            && length.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        {
            let refused = visitor.visit_str::<DecodeError>(length);
            self.note(Fault::Ignored, format_args!("{text:?} is less than nothing: the default is used"));
            return self.place(refused).and_then(|_| self.leave_out());
        }
        self.place(visitor.visit_str(text))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::List(_) if self.spot == Spot::Item => self.fail("a list stands in a list"),
            Value::List(_) => self.place(visitor.visit_seq(Items { reader: self, parts: self.node.parts(), at: 0 })),
            Value::Map(entries) => {
                if !entries.is_empty() {
                    self.note(
                        Fault::Ignored,
                        "expected a list, found a map: its values count as items, its keys do not",
                    );
                }
                self.place(visitor.visit_seq(Items { reader: self, parts: self.node.parts(), at: 0 }))
            }
            Value::Scalar { text, .. } => {
                let part = |text: &str| Node {
                    value: Value::Scalar { text: text.trim().to_owned(), plain: true },
                    at: self.node.at.clone(),
                };
                let parts: Vec<Node> = if text.is_empty() { Vec::new() } else { text.split(',').map(part).collect() };
                let parts = parts.iter().map(|part| (String::new(), part)).collect();
                let result = visitor.visit_seq(Items { reader: self, parts, at: 0 });
                // The parts do not outlive this call: an error among them belongs to the whole text.
                self.place(result.map_err(|DecodeError(mut error)| {
                    error.node = None;
                    error.silently = error.silently.map(|_| self.address());
                    DecodeError(error)
                }))
            }
            Value::Null => self.absent(""),
            Value::Date => self.fail(format_args!("expected a list, found {}", self.node.kind())),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => self.absent(""),
            Value::Date => self.fail(format_args!("expected a map, found {}", self.node.kind())),
            Value::Map(_) if !self.node.is_bare() => {
                self.place(visitor.visit_map(Entries { reader: self, record: None, at: 0 }))
            }
            _ if self.node.lists_maps() => {
                self.note(Fault::Ignored, "expected a map, found a list: its items count as named \"[0]\", \"[1]\", …");
                self.place(visitor.visit_map(Entries { reader: self, record: None, at: 0 }))
            }
            _ if self.spot == Spot::Option => self.standalone(),
            _ => self.ignore("a map"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let entries = Entries { reader: self, record: Some((name, fields)), at: 0 };
        match &self.node.value {
            Value::Null => self.absent(": write {} to take the defaults"),
            Value::Date => self.fail(format_args!("expected options, found {}", self.node.kind())),
            Value::Map(_) if !self.node.is_bare() => self.place(visitor.visit_map(entries)),
            _ if self.node.lists_maps() => self.fail(format_args!("expected options, found {}", self.node.kind())),
            value if self.spot == Spot::Option => {
                if !self.is_switch(name) {
                    return self.standalone();
                }
                match value {
                    Value::Scalar { text, .. } if !text.is_empty() && !text.eq_ignore_ascii_case("true") => {
                        if !text.eq_ignore_ascii_case("false") {
                            self.note(
                                Fault::Ignored,
                                format_args!("{text:?} counts as false, so this is switched off"),
                            );
                        }
                        self.leave_out()
                    }
                    Value::List(items) if !items.is_empty() => self.ignore("options"),
                    _ => self.place(visitor.visit_map(entries)),
                }
            }
            Value::Map(_) => self.place(visitor.visit_map(entries)),
            _ if self.spot == Spot::Item => self.ignore("options"),
            _ => {
                let found = self.node.kind();
                self.note(Fault::Ignored, format_args!("expected options, found {found}: the defaults are used"));
                self.place(visitor.visit_map(entries))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if let Value::Map(entries) = &self.node.value {
            return match entries.as_slice() {
                [entry] if self.skipped(&entry.value) => self.leave_out(),
                [entry] => match variants.iter().find(|v| v.eq_ignore_ascii_case(&entry.key)) {
                    Some(kind) => self.place(visitor.visit_enum(Tagged { kind, entry, reader: self })),
                    None => {
                        let mut error: DecodeError = de::Error::custom(format!("unknown kind {:?}", entry.key));
                        error.0.suggestion = nearest(&entry.key, variants.iter().copied());
                        error.0.fault = Fault::UnknownKey;
                        error.0.at = Some(entry.at.clone());
                        error.0.path = Path { above: Some(&self.path), key: &entry.key }.to_string();
                        error.0.node = Some(self.address());
                        Err(error)
                    }
                },
                [] => self.fail("no kind is set"),
                several => {
                    let kinds: Vec<_> = several.iter().map(|e| e.key.as_str()).collect();
                    self.fail(format_args!("several kinds at once: {}", kinds.join(", ")))
                }
            };
        }
        let text = self.text()?;
        if text.is_empty() {
            return self.absent("");
        }
        let Some(known) = variants.iter().find(|v| v.eq_ignore_ascii_case(text)) else {
            return self.fail(format_args!("{text:?} is not one of {}", variants.join(", ")));
        };
        self.place(visitor.visit_enum(Word(known)))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.place(visitor.visit_unit())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit_struct tuple tuple_struct identifier
    }
}

impl Reader<'_> {
    fn standalone<T>(&self) -> Result<T, DecodeError> {
        self.fail(format_args!("{} cannot be a standalone element: it needs options", self.path.key))
    }

    /// Remembers a key that nobody knows.
    pub(super) fn unknown(&self, entry: &Entry, fields: &'static [&'static str]) {
        let node = std::ptr::from_ref(entry) as usize;
        let mut unknown = self.scratch.unknown.borrow_mut();
        if unknown.len() < MISTAKES_MAX && !unknown.iter().any(|u| u.node == node) {
            let path = Path { above: Some(&self.path), key: &entry.key }.to_string();
            unknown.push(Unknown { node, key: entry.key.clone(), path, at: entry.at.clone(), fields });
        }
    }

    /// A key that nobody knows and that says nothing.
    pub(super) fn unknown_absent(&self, entry: &Entry) {
        let message = format!("unknown key {:?} is ignored, since it says nothing", entry.key);
        let path = Path { above: Some(&self.path), key: &entry.key }.to_string();
        self.scratch.note(Note { fault: Fault::Ignored, at: entry.at.clone(), path, message });
    }

    pub(super) fn internal(&self, entry: &Entry) {
        let message = format!("{:?} is for other providers: it is ignored in files", entry.key);
        let path = Path { above: Some(&self.path), key: &entry.key }.to_string();
        self.scratch.note(Note { fault: Fault::Ignored, at: entry.at.clone(), path, message });
    }

    /// The option of the entry that stands later in Traefik's order counts.
    pub(super) fn overridden(&self, entry: &Entry, field: &str) {
        let message = format!("the option {field:?} is set twice (case does not count): only the other one counts");
        let path = Path { above: Some(&self.path), key: &entry.key }.to_string();
        self.scratch.note(Note { fault: Fault::Ignored, at: entry.at.clone(), path, message });
    }
}
