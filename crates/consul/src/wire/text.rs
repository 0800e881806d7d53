//! Two scalar encodings of the API: durations as text or nanoseconds, bytes as base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use baton_model::Nanos;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration that is written as text (`"10s"`) and read from text or from a number of nanoseconds.
/// An empty text is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub Nanos);

impl Text {
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"10s\" or a number of nanoseconds")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                if text.is_empty() {
                    return Ok(Text::default());
                }
                text.parse().map(Text).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<Text, E> {
                Ok(Text(Nanos(nanos)))
            }
            fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<Text, E> {
                i64::try_from(nanos).map(|n| Text(Nanos(n))).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, nanos: f64) -> Result<Text, E> {
                Ok(Text(Nanos(nanos as i64)))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Text, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Bytes that travel as base64 text; `null` and `""` are empty, and empty is written as `null`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Base64(pub Vec<u8>);

impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            serializer.serialize_none()
        } else {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        }
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            None => Ok(Self::default()),
            Some(text) => STANDARD.decode(text).map(Self).map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_as_text_or_number() {
        let read = |text: &str| serde_json::from_str::<Text>(text).map(|t| t.0.0);
        assert_eq!(read("\"1m30s\"").unwrap(), 90_000_000_000);
        assert_eq!(read("15").unwrap(), 15);
        assert_eq!(read("\"\"").unwrap(), 0);
        assert_eq!(read("null").unwrap(), 0);
        assert!(read("\"soon\"").is_err());
        assert_eq!(serde_json::to_string(&Text(Nanos::secs(10))).unwrap(), "\"10s\"");
    }

    #[test]
    fn empty_bytes_are_null() {
        assert_eq!(serde_json::to_string(&Base64(vec![])).unwrap(), "null");
        assert_eq!(serde_json::to_string(&Base64(b"hi".to_vec())).unwrap(), "\"aGk=\"");
        assert_eq!(serde_json::from_str::<Base64>("null").unwrap(), Base64::default());
        assert!(serde_json::from_str::<Base64>("\"%\"").is_err());
    }
}
