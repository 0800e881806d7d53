//! JSON into typed shapes the way Go's decoder does it: keys match in any case (and with or without underscores),
//! `null` leaves the default. Consul's clients depend on it: py-consul sends `name`, real Consul answers `"Meta": null`.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde_json::Value;

/// What to do with a key that the shape does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    Ignore,
    Refuse,
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("EOF")]
    Empty,
    #[error("{0}")]
    Syntax(serde_json::Error),
    #[error("json: {0}")]
    Shape(serde_json::Error),
}

/// Reads an answer of somebody's server: unknown keys are of no interest.
pub fn lenient<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    read(body, Unknown::Ignore)
}

/// Reads a request: an unknown key is a mistake and is named.
pub fn strict<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    read(body, Unknown::Refuse)
}

fn read<T: DeserializeOwned>(body: &[u8], unknown: Unknown) -> Result<T, DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(DecodeError::Empty);
    }
    let value = serde_json::from_slice(body).map_err(DecodeError::Syntax)?;
    T::deserialize(Folded { value, unknown }).map_err(DecodeError::Shape)
}

struct Folded {
    value: Value,
    unknown: Unknown,
}

impl IntoDeserializer<'_, serde_json::Error> for Folded {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Equality without case and underscores.
fn same_key(a: &str, b: &str) -> bool {
    let fold = |text: &str| text.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
    a == b || fold(a) == fold(b)
}

macro_rules! null_is_default {
    ($($method:ident => $visit:ident($default:expr)),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            match self.value {
                Value::Null => visitor.$visit($default),
                other => other.$method(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Folded {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.value {
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let unknown = self.unknown;
        match self.value {
            Value::Null => visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Folded>())),
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(|value| Folded { value, unknown })))
            }
            other => other.deserialize_seq(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let unknown = self.unknown;
        match self.value {
            Value::Null => visitor.visit_map(MapDeserializer::new(std::iter::empty::<(String, Folded)>())),
            Value::Object(map) => visitor
                .visit_map(MapDeserializer::new(map.into_iter().map(|(key, value)| (key, Folded { value, unknown })))),
            other => other.deserialize_map(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let map = match self.value {
            Value::Null => serde_json::Map::new(),
            Value::Object(map) => map,
            other => return other.deserialize_struct(name, fields, visitor),
        };
        let unknown = self.unknown;
        // The last spelling of a key wins, as in Go; serde would call it a duplicate.
        let mut known: Vec<(String, Folded)> = Vec::with_capacity(map.len());
        for (key, value) in map {
            let field = fields.iter().find(|field| same_key(field, &key));
            let value = Folded { value, unknown };
            match field {
                Some(field) => match known.iter_mut().find(|(seen, _)| seen == field) {
                    Some(slot) => slot.1 = value,
                    None => known.push(((*field).to_owned(), value)),
                },
                None if unknown == Unknown::Refuse => {
                    return Err(de::Error::custom(format_args!("unknown field {key:?}")));
                }
                None => {}
            }
        }
        visitor.visit_map(MapDeserializer::new(known.into_iter()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.value.deserialize_enum(name, variants, visitor)
    }

    null_is_default! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i64(0),
        deserialize_i16 => visit_i64(0),
        deserialize_i32 => visit_i64(0),
        deserialize_i64 => visit_i64(0),
        deserialize_u8 => visit_u64(0),
        deserialize_u16 => visit_u64(0),
        deserialize_u32 => visit_u64(0),
        deserialize_u64 => visit_u64(0),
        deserialize_f32 => visit_f64(0.0),
        deserialize_f64 => visit_f64(0.0),
        deserialize_str => visit_str(""),
        deserialize_string => visit_str(""),
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{HealthCheck, ServiceRegistration};

    #[test]
    fn keys_in_any_case_and_nulls() {
        let body = br#"{"name":"web","tags":null,"META":{"Key_A":"v"},"check":{"http":"http://x","interval":"10s",
            "deregister_critical_service_after":"2m"}}"#;
        let service: ServiceRegistration = strict(body).unwrap();
        assert_eq!(service.name, "web");
        assert!(service.tags.is_empty());
        assert_eq!(service.meta["Key_A"], "v", "map keys stay as they are");
        let check = service.check.unwrap();
        assert_eq!(check.interval.0.0, 10_000_000_000);
        assert_eq!(check.deregister_critical_service_after.0.0, 120_000_000_000);
    }

    #[test]
    fn unknown_keys_are_named_in_requests_only() {
        let body = br#"{"Name":"web","Bogus":1}"#;
        let error = strict::<ServiceRegistration>(body).unwrap_err();
        assert_eq!(error.to_string(), "json: unknown field \"Bogus\"");
        assert!(lenient::<ServiceRegistration>(body).is_ok());
        assert!(matches!(strict::<ServiceRegistration>(b" "), Err(DecodeError::Empty)));
    }

    #[test]
    fn an_answer_of_consul_with_nulls() {
        let body = br#"[{"Node":"n","CheckID":"c","Status":"odd","ServiceTags":null,"Definition":{"Header":null}}]"#;
        let checks: Vec<HealthCheck> = lenient(body).unwrap();
        assert_eq!(checks[0].status, crate::wire::Status::Critical);
        assert!(checks[0].service_tags.is_empty());
    }
}
