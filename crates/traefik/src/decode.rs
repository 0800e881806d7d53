//! From a document to typed options, finding every mistake on the way.
//!
//! Serde stops at the first error. So decoding is repeated: what was wrong is recorded and left out the next
//! time, until nothing wrong is left or there is too much of it. Keys are compared ignoring case, numbers and
//! truth values may be written as text, a list as one comma-separated text: flags, tags and files say the same
//! thing in different ways.

use std::{
    cell::RefCell,
    collections::HashSet,
    fmt::{self, Display},
};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use crate::{
    document::{Entry, Node, Value},
    finding::{Finding, Mark, Severity, nearest},
};

/// Mistakes reported for one object.
const MISTAKES_MAX: usize = 50;

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

/// Whether a finding is about a key that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    UnknownKey,
    BadValue,
    /// A key without a value, which counts as absent.
    Nothing,
}

/// A mistake together with its sort.
pub(crate) type Mistake = (Fault, Finding);

/// Reads an object. Mistakes are left out of the value.
pub(crate) fn decode<T: DeserializeOwned + Default>(node: &Node, file: &str, path: &str) -> (T, Vec<Mistake>) {
    let scratch = Scratch::default();
    let mut mistakes = Vec::new();
    let value = loop {
        let reader = Reader { node, scratch: &scratch, path: Path { above: None, key: path } };
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
    for (at, path) in scratch.empty.into_inner() {
        let message = "nothing stands here, so the key counts as absent: write {} to take the defaults";
        mistakes.push((Fault::Nothing, Finding::new(Severity::Warning, file, &at, &path, message)));
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
    /// Keys without a value.
    empty: RefCell<Vec<(Mark, String)>>,
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

#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    scratch: &'a Scratch,
    path: Path<'a>,
}

impl<'a> Reader<'a> {
    fn address(&self) -> usize {
        std::ptr::from_ref(self.node) as usize
    }

    fn place<T>(&self, result: Result<T, DecodeError>) -> Result<T, DecodeError> {
        result.map_err(|DecodeError(mut error)| {
            if error.node.is_none() && error.silently.is_none() {
                error.at = Some(self.node.at.clone());
                error.node = Some(self.address());
                error.path = self.path.to_string();
            }
            DecodeError(error)
        })
    }

    fn fail<T>(&self, message: impl Display) -> Result<T, DecodeError> {
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

    fn skipped(&self, node: &Node) -> bool {
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

struct Items<'a, 'n> {
    reader: Reader<'a>,
    items: &'n [Node],
    at: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        while let Some(node) = self.items.get(self.at) {
            let key = format!("[{}]", self.at);
            self.at += 1;
            if !self.reader.skipped(node) {
                let path = Path { above: Some(&self.reader.path), key: &key };
                return seed.deserialize(Reader { node, scratch: self.reader.scratch, path }).map(Some);
            }
        }
        Ok(None)
    }
}

/// The entries of a map, or of a record whose fields are known.
struct Entries<'a> {
    reader: Reader<'a>,
    fields: Option<&'static [&'static str]>,
    at: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let entries = self.reader.node.entries();
        while let Some(entry) = entries.get(self.at) {
            self.at += 1;
            if self.reader.skipped(&entry.value) {
                continue;
            }
            let Some(fields) = self.fields else {
                return seed.deserialize(entry.key.as_str().into_deserializer()).map(Some);
            };
            match fields.iter().find(|f| f.eq_ignore_ascii_case(&entry.key)) {
                Some(field) => {
                    let twice = entries[..self.at - 1].iter().any(|e| e.key.eq_ignore_ascii_case(field));
                    if twice {
                        let path = Path { above: Some(&self.reader.path), key: &entry.key };
                        let reader = Reader { node: &entry.value, path, ..self.reader };
                        return reader.fail(format!("the option {field:?} is set twice (case does not count)"));
                    }
                    return seed.deserialize((*field).into_deserializer()).map(Some);
                }
                None => self.reader.unknown(entry, fields),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let entry = &self.reader.node.entries()[self.at - 1];
        let path = Path { above: Some(&self.reader.path), key: &entry.key };
        seed.deserialize(Reader { node: &entry.value, scratch: self.reader.scratch, path })
    }
}

impl Reader<'_> {
    fn unknown(&self, entry: &Entry, fields: &'static [&'static str]) {
        let node = std::ptr::from_ref(entry) as usize;
        let mut unknown = self.scratch.unknown.borrow_mut();
        if unknown.len() < MISTAKES_MAX && !unknown.iter().any(|u| u.node == node) {
            let path = Path { above: Some(&self.path), key: &entry.key }.to_string();
            unknown.push(Unknown { node, key: entry.key.clone(), path, at: entry.at.clone(), fields });
        }
    }
}

/// A unit variant by its name.
struct Word(&'static str);

impl<'de> EnumAccess<'de> for Word {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        Ok((seed.deserialize(self.0.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Word {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, DecodeError> {
        Err(de::Error::custom(format!("{} is not a single word", self.0)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, DecodeError> {
        Err(de::Error::custom(format!("{} is not a single word", self.0)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, DecodeError> {
        Err(de::Error::custom(format!("{} is not a single word", self.0)))
    }
}

/// A kind with its options: `{redirectScheme: {…}}`.
struct Tagged<'a> {
    kind: &'static str,
    entry: &'a Entry,
    reader: Reader<'a>,
}

impl<'de> EnumAccess<'de> for Tagged<'_> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        Ok((seed.deserialize(self.kind.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Tagged<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        let path = Path { above: Some(&self.reader.path), key: &self.entry.key };
        seed.deserialize(Reader { node: &self.entry.value, scratch: self.reader.scratch, path })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, DecodeError> {
        Err(de::Error::custom(format!("{} takes options", self.kind)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, DecodeError> {
        Err(de::Error::custom(format!("{} takes options", self.kind)))
    }
}
