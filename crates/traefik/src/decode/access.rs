//! The inside of lists, maps, records and tagged kinds.

use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{DecodeError, Path, reader::Reader};
use crate::document::{Entry, Node};

pub(super) struct Items<'a, 'n> {
    pub(super) reader: Reader<'a>,
    pub(super) items: &'n [Node],
    pub(super) at: usize,
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
pub(super) struct Entries<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) fields: Option<&'static [&'static str]>,
    pub(super) at: usize,
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
