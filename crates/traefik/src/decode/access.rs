//! The inside of lists, maps, records and tagged kinds.

use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{
    DecodeError, Path,
    reader::{Reader, Spot},
};
use crate::document::{Entry, Node, Value};

pub(super) struct Items<'a, 'n> {
    pub(super) reader: Reader<'a>,
    /// With their names in paths, `[0]`; those of a map that stands for a list have its keys.
    pub(super) parts: Vec<(String, &'n Node)>,
    pub(super) at: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let spot = if matches!(self.reader.node.value, Value::Map(_)) { Spot::Child } else { Spot::Item };
        while let Some((key, node)) = self.parts.get(self.at) {
            self.at += 1;
            if !self.reader.skipped(node) {
                let path = Path { above: Some(&self.reader.path), key };
                let Reader { scratch, within, .. } = self.reader;
                return seed.deserialize(Reader { node, scratch, path, spot, within }).map(Some);
            }
        }
        Ok(None)
    }
}

/// The entries of a map, or of a record whose name and fields are known.
pub(super) struct Entries<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) record: Option<(&'static str, &'static [&'static str])>,
    pub(super) at: usize,
}

impl Entries<'_> {
    /// Whether a value takes part.
    fn counts(&self, node: &Node) -> bool {
        !self.reader.skipped(node)
    }

    /// Of options that are set twice in different cases Traefik takes the one that sorts last.
    fn is_overridden(&self, entry: &Entry, field: &str) -> bool {
        self.reader.node.entries().iter().any(|other| {
            other.key > entry.key
                && other.key.eq_ignore_ascii_case(field)
                && other.value.value != Value::Null
                && self.counts(&other.value)
        })
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let entries = self.reader.node.entries();
        while let Some(entry) = entries.get(self.at) {
            self.at += 1;
            if !self.counts(&entry.value) {
                continue;
            }
            let Some((name, fields)) = &self.record else {
                return seed.deserialize(entry.key.as_str().into_deserializer()).map(Some);
            };
            match fields.iter().find(|f| f.eq_ignore_ascii_case(&entry.key)) {
                Some(field) if self.is_overridden(entry, field) => self.reader.overridden(entry, field),
                Some(field) => return seed.deserialize((*field).into_deserializer()).map(Some),
                None if entry.value.value == Value::Null => self.reader.unknown_absent(entry),
                None if INTERNAL.iter().any(|(of, key)| of == name && key.eq_ignore_ascii_case(&entry.key)) => {
                    self.reader.internal(entry);
                }
                None => self.reader.unknown(entry, fields),
            }
        }
        // A list where a map is expected: its maps count as named by their places.
        if let Value::List(items) = &self.reader.node.value
            && self.record.is_none()
        {
            while let Some(item) = items.get(self.at) {
                self.at += 1;
                if matches!(item.value, Value::Map(_)) && self.counts(item) {
                    let key = format!("[{}]", self.at - 1);
                    return seed.deserialize(key.as_str().into_deserializer()).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let at = self.at - 1;
        let place = format!("[{at}]");
        let (key, node) = match &self.reader.node.value {
            Value::List(items) => (place.as_str(), &items[at]),
            _ => {
                let entry = &self.reader.node.entries()[at];
                (entry.key.as_str(), &entry.value)
            }
        };
        let path = Path { above: Some(&self.reader.path), key };
        let (spot, within) = match self.record {
            Some((name, _)) => (Spot::Option, name),
            None => (Spot::Object, ""),
        };
        seed.deserialize(Reader { node, scratch: self.reader.scratch, path, spot, within })
    }
}

/// Options that only other providers of Traefik set: files may hold them, to no effect.
const INTERNAL: &[(&str, &str)] = &[
    ("Server", "fenced"),
    ("Server", "scheme"),
    ("Server", "port"),
    ("TcpServer", "port"),
    ("UdpServer", "port"),
    ("Cookie", "expires"),
    ("LoadBalancer", "nginxUpstreamHashBy"),
    ("Buffering", "disableRequestBuffer"),
    ("Buffering", "disableResponseBuffer"),
    ("Errors", "nginxHeaders"),
    ("RedirectRegex", "statusCode"),
    ("RedirectScheme", "forcePermanentRedirect"),
    ("Router", "defaultRule"),
    ("Router", "deniedEncodedPathCharacters"),
    ("RouterTls", "resolvedOptions"),
    ("Observability", "metadata"),
];

/// A unit variant by its name.
pub(super) struct Word(pub(super) &'static str);

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
pub(super) struct Tagged<'a> {
    pub(super) kind: &'static str,
    pub(super) entry: &'a Entry,
    pub(super) reader: Reader<'a>,
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
        let (scratch, spot) = (self.reader.scratch, Spot::Option);
        seed.deserialize(Reader { node: &self.entry.value, scratch, path, spot, within: "" })
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
