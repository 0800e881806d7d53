//! A document's value as serde sees it.

use std::fmt::Display;

use serde::de::{self, Visitor};

use super::{
    DecodeError, Fault, MISTAKES_MAX, Path, Scratch, Unknown,
    access::{Entries, Items, Tagged, Word},
};
use crate::{
    document::{Entry, Node, Value},
    finding::nearest,
};

/// Records that may be switched on by `true` or `{}` without saying anything else.
const SWITCHES: &[&str] = &[
    "RouterTls",
    "TcpRouterTls",
    "Sticky",
    "Cookie",
    "Compress",
    "ContentType",
    "ClientCertInfo",
    "EncodedCharacters",
    "PropagateHealth",
    "PassiveHealthCheck",
    "Api",
    "Ping",
    "Log",
    "AccessLog",
    "Metrics",
    "Prometheus",
    "Http3",
    "TlsChallenge",
    "HttpChallenge",
    "FileProvider",
    "ConsulCatalog",
    "HttpProvider",
    "ProxyProtocolVersion",
    "TcpClientTls",
    "ClientTls",
    "RestProvider",
    "SubjectInfo",
    "IssuerInfo",
];

/// Records for which `{}` is refused: without options they mean nothing.
const NOT_ALONE: &[&str] = &[
    "AddPrefix",
    "StripPrefix",
    "StripPrefixRegex",
    "ReplacePath",
    "ReplacePathRegex",
    "Chain",
    "IpAllowList",
    "RedirectRegex",
    "RedirectScheme",
    "Headers",
    "Errors",
    "RateLimit",
    "BasicAuth",
    "DigestAuth",
    "ForwardAuth",
    "InFlightReq",
    "Buffering",
    "CircuitBreaker",
    "PassTlsClientCert",
    "Retry",
    "GrpcWeb",
    "HealthCheck",
];

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
    pub(super) scratch: &'a Scratch,
    pub(super) path: Path<'a>,
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

    /// The text of a single value; nothing counts as empty text.
    fn scalar(&self, wanted: &str) -> Result<&'a str, DecodeError> {
        match &self.node.value {
            Value::Scalar { text, .. } => Ok(text),
            Value::Null => Ok(""),
            Value::List(_) | Value::Map(_) => self.fail(format!("expected {wanted}, found {}", self.node.kind())),
        }
    }

    fn number<N: std::str::FromStr>(&self) -> Result<N, DecodeError> {
        let text = self.scalar("a number")?;
        let parsed = match text.split_at_checked(2) {
            Some(("0x" | "0X", digits)) => i64::from_str_radix(digits, 16).ok().map(|n| n.to_string()),
            Some(("0o", digits)) => i64::from_str_radix(digits, 8).ok().map(|n| n.to_string()),
            _ => None,
        };
        match parsed.as_deref().unwrap_or(text).trim().parse() {
            Ok(number) => Ok(number),
            Err(_) => self.fail(format!("expected a number, found {text:?}")),
        }
    }

    pub(super) fn skipped(&self, node: &Node) -> bool {
        self.scratch.skipped.borrow().contains(&(std::ptr::from_ref(node) as usize))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let number = self.number::<$type>()?;
            self.place(visitor.$visit(number))
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
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => self.place(visitor.visit_unit()),
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
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.scalar("true or false")?;
        match text {
            "1" | "t" | "T" | "true" | "True" | "TRUE" => self.place(visitor.visit_bool(true)),
            "0" | "f" | "F" | "false" | "False" | "FALSE" => self.place(visitor.visit_bool(false)),
            _ => self.fail(format!("expected true or false, found {text:?}")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.scalar("text")?;
        self.place(visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.place(visitor.visit_some(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::List(items) => self.place(visitor.visit_seq(Items { reader: self, items, at: 0 })),
            Value::Scalar { text, .. } => {
                let parts: Vec<Node> = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(|part| Node {
                        value: Value::Scalar { text: part.to_owned(), plain: true },
                        at: self.node.at.clone(),
                    })
                    .collect();
                let result = visitor.visit_seq(Items { reader: self, items: &parts, at: 0 });
                // The parts do not outlive this call: an error among them belongs to the whole text.
                self.place(result.map_err(|DecodeError(mut error)| {
                    error.node = None;
                    DecodeError(error)
                }))
            }
            Value::Null => self.place(visitor.visit_seq(Items { reader: self, items: &[], at: 0 })),
            // One record stands for a list of one.
            Value::Map(_) => {
                let only = std::slice::from_ref(self.node);
                self.place(visitor.visit_seq(Items { reader: self, items: only, at: 0 }))
            }
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Map(_) | Value::Null => self.place(visitor.visit_map(Entries { reader: self, fields: None, at: 0 })),
            _ => self.fail(format!("expected a map, found {}", self.node.kind())),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Map(entries) if entries.is_empty() && NOT_ALONE.contains(&name) => {
                self.fail(format!("{} cannot be a standalone element: it needs options", self.path.key))
            }
            Value::Map(_) => self.place(visitor.visit_map(Entries { reader: self, fields: Some(fields), at: 0 })),
            Value::Scalar { text, .. } if SWITCHES.contains(&name) && text.eq_ignore_ascii_case("true") => {
                self.place(visitor.visit_map(Entries { reader: self, fields: Some(fields), at: 0 }))
            }
            Value::Scalar { text, .. } if SWITCHES.contains(&name) && text.eq_ignore_ascii_case("false") => {
                let mut error: DecodeError = de::Error::custom("switched off");
                error.0.silently = Some(self.address());
                Err(error)
            }
            Value::Null => {
                let mut empty = self.scratch.empty.borrow_mut();
                let note = (self.node.at.clone(), self.path.to_string());
                if empty.len() < MISTAKES_MAX && !empty.contains(&note) {
                    empty.push(note);
                }
                let mut error: DecodeError = de::Error::custom("nothing");
                error.0.silently = Some(self.address());
                Err(error)
            }
            _ => self.fail(format!("expected options, found {}", self.node.kind())),
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
                [entry] if self.skipped(&entry.value) => {
                    let mut error: DecodeError = de::Error::custom("left out");
                    error.0.silently = Some(self.address());
                    Err(error)
                }
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
                    self.fail(format!("several kinds at once: {}", kinds.join(", ")))
                }
            };
        }
        let text = self.scalar("one word")?;
        let Some(known) = variants.iter().find(|v| v.eq_ignore_ascii_case(text)) else {
            return self.fail(format!("{text:?} is not one of {}", variants.join(", ")));
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
    /// Remembers a key that nobody knows.
    pub(super) fn unknown(&self, entry: &Entry, fields: &'static [&'static str]) {
        let node = std::ptr::from_ref(entry) as usize;
        let mut unknown = self.scratch.unknown.borrow_mut();
        if unknown.len() < MISTAKES_MAX && !unknown.iter().any(|u| u.node == node) {
            let path = Path { above: Some(&self.path), key: &entry.key }.to_string();
            unknown.push(Unknown { node, key: entry.key.clone(), path, at: entry.at.clone(), fields });
        }
    }
}
