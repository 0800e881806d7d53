//! Values and the conversions between them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

/// So much text costs as much as one step.
pub(crate) const BYTES_PER_STEP: usize = 64;

/// What an expression yields. Objects and maps are one kind, as are tuples and lists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Vec<Value>),
    /// In order, each value once.
    Set(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

/// Whole numbers are kept exactly; others as the nearest binary fraction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Whole(i128),
    Fraction(f64),
}

impl Number {
    /// A decimal number such as `5`, `-1.5`, `1e6`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            || !digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        {
            return None;
        }
        if let Ok(whole) = text.parse() {
            return Some(Self::Whole(whole));
        }
        text.parse().ok().filter(|value: &f64| value.is_finite()).map(Self::from_f64)
    }

    /// Fractions without a rest become whole.
    pub(crate) fn from_f64(value: f64) -> Self {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT { Self::Whole(value as i128) } else { Self::Fraction(value) }
    }

    /// The result of arithmetic on fractions, rounded to what decimal reading expects (`0.1 + 0.2` is `0.3`).
    pub(crate) fn rounded(value: f64) -> Self {
        Self::from_f64(format!("{value:.14e}").parse().unwrap_or(value))
    }

    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Whole(value) => value as f64,
            Self::Fraction(value) => value,
        }
    }

    pub(crate) fn as_i64(self) -> Option<i64> {
        match self {
            Self::Whole(value) => i64::try_from(value).ok(),
            Self::Fraction(_) => None,
        }
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self::Whole(value as i128)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a == b,
            _ => self.as_f64() == other.as_f64(),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.partial_cmp(b),
            _ => self.as_f64().partial_cmp(&other.as_f64()),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => write!(f, "{value}"),
            Self::Fraction(value) => write!(f, "{value}"),
        }
    }
}

/// A value in a total order, for sets: by kind, then by content. Whole numbers too large for a fraction's precision
/// stand after the fraction that they round to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordered<'a>(pub(crate) &'a Value);

impl Ord for Ordered<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Number(a), Value::Number(b)) => a.as_f64().total_cmp(&b.as_f64()).then_with(|| match (a, b) {
                (Number::Whole(a), Number::Whole(b)) => a.cmp(b),
                (a, b) => matches!(a, Number::Whole(_)).cmp(&matches!(b, Number::Whole(_))),
            }),
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::List(a), Value::List(b)) | (Value::Set(a), Value::Set(b)) => {
                a.iter().map(Ordered).cmp(b.iter().map(Ordered))
            }
            (Value::Map(a), Value::Map(b)) => {
                let pairs = |(key, value)| (key, Ordered(value));
                a.iter().map(pairs).cmp(b.iter().map(pairs))
            }
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Ordered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ordered<'_> {}

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::String(_) => 3,
            Self::List(_) => 4,
            Self::Set(_) => 5,
            Self::Map(_) => 6,
        }
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    pub(crate) fn whole(value: impl Into<i128>) -> Self {
        Self::Number(Number::Whole(value.into()))
    }

    /// The name of the value's kind, as error texts say it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Map(_) => "object",
        }
    }

    pub(crate) fn is_primitive(&self) -> bool {
        matches!(self, Self::Bool(_) | Self::Number(_) | Self::String(_))
    }

    /// A set of the given values.
    pub(crate) fn set(mut items: Vec<Value>) -> Self {
        items.sort_by(|a, b| Ordered(a).cmp(&Ordered(b)));
        items.dedup_by(|a, b| Ordered(a) == Ordered(b));
        Self::Set(items)
    }

    /// What a loop over the value sees, key and element: an element of a set is its own key.
    ///
    /// # Errors
    /// The value itself where it is no collection.
    pub(crate) fn into_pairs(self) -> Result<Vec<(Value, Value)>, Value> {
        match self {
            Self::List(items) => {
                Ok(items.into_iter().enumerate().map(|(index, value)| (Self::Number(index.into()), value)).collect())
            }
            Self::Set(items) => Ok(items.into_iter().map(|value| (value.clone(), value)).collect()),
            Self::Map(items) => Ok(items.into_iter().map(|(key, value)| (Self::String(key), value)).collect()),
            other => Err(other),
        }
    }

    /// Text of a bool, a number or a string.
    pub(crate) fn to_text(&self) -> Result<String, String> {
        match self {
            Self::String(text) => Ok(text.clone()),
            Self::Number(number) => Ok(number.to_string()),
            Self::Bool(value) => Ok(value.to_string()),
            Self::Null => Err("string required, but the value is null".to_owned()),
            other => Err(format!("string required, but have {}", other.kind())),
        }
    }

    /// A number, or a string that holds one.
    pub(crate) fn to_number(&self) -> Result<Number, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::String(text) => Number::parse(text).ok_or_else(|| "a number is required".to_owned()),
            Self::Null => Err("a number is required, but the value is null".to_owned()),
            other => Err(format!("a number is required, but have {}", other.kind())),
        }
    }

    /// A bool, or one of the strings `true`, `false`, `1`, `0`.
    pub(crate) fn to_bool(&self) -> Result<bool, String> {
        match self {
            Self::Bool(value) => Ok(*value),
            Self::String(text) => match text.as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                "True" | "TRUE" | "False" | "FALSE" => {
                    let lower = text.to_lowercase();
                    Err(format!("a bool is required; to convert from string, use lowercase \"{lower}\""))
                }
                _ => Err("a bool is required".to_owned()),
            },
            Self::Null => Err("a bool is required, but the value is null".to_owned()),
            other => Err(format!("a bool is required, but have {}", other.kind())),
        }
    }

    /// How much work copying the value is, roughly in machine words.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 1,
            Self::String(text) => 1 + (text.len() / BYTES_PER_STEP) as u64,
            Self::List(items) | Self::Set(items) => 1 + items.iter().map(Self::weight).sum::<u64>(),
            Self::Map(items) => 1 + items.values().map(|value| 1 + value.weight()).sum::<u64>(),
        }
    }

    /// Levels of lists and maps.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::List(items) | Self::Set(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(items) => 1 + items.values().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(number) => match number {
                Number::Whole(value) => i64::try_from(*value)
                    .map(Json::from)
                    .or_else(|_| u64::try_from(*value).map(Json::from))
                    .unwrap_or_else(|_| Json::from(*value as f64)),
                Number::Fraction(value) => Json::from(*value),
            },
            Self::String(text) => Json::String(text.clone()),
            Self::List(items) | Self::Set(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(items) => Json::Object(items.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()),
        }
    }

    pub(crate) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(
                number
                    .as_i64()
                    .map(|value| Number::Whole(value.into()))
                    .or_else(|| number.as_u64().map(|value| Number::Whole(value.into())))
                    .unwrap_or_else(|| Number::from_f64(number.as_f64().unwrap_or(0.0))),
            ),
            Json::String(text) => Self::String(text.clone()),
            Json::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Json::Object(items) => {
                Self::Map(items.iter().map(|(key, value)| (key.clone(), Self::from_json(value))).collect())
            }
        }
    }
}
