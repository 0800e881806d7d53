//! Whether an item satisfies an expression.

use serde_json::Value;

use super::{Expression, Test};

impl Expression {
    pub(super) fn holds(&self, item: &Value) -> bool {
        match self {
            Self::And(a, b) => a.holds(item) && b.holds(item),
            Self::Or(a, b) => a.holds(item) || b.holds(item),
            Self::Not(inner) => !inner.holds(item),
            Self::Match { path, test, negated } => holds_at(item, path, test, *negated),
        }
    }
}

fn holds_at(value: &Value, path: &[String], test: &Test, negated: bool) -> bool {
    match (path.split_first(), value) {
        (None, value) => test.holds(value) != negated,
        (Some(_), Value::Array(items)) => items.iter().any(|item| holds_at(item, path, test, negated)),
        (Some((key, rest)), value) => holds_at(value.get(key).unwrap_or(&Value::Null), rest, test, negated),
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Equal(want), Value::String(text)) => text == want,
            (Self::Equal(want), Value::Number(number)) => want.parse::<i64>().ok() == number.as_i64(),
            (Self::Equal(want), Value::Bool(flag)) => want.parse() == Ok(*flag),
            (Self::Contains(want), Value::String(text)) => text.contains(want.as_str()),
            (Self::Contains(want), Value::Array(items)) => items.iter().any(|item| item == want.as_str()),
            (Self::Contains(want), Value::Object(map)) => map.contains_key(want),
            (Self::Empty, Value::String(text)) => text.is_empty(),
            (Self::Empty, Value::Array(items)) => items.is_empty(),
            (Self::Empty, Value::Object(map)) => map.is_empty(),
            (Self::Empty, Value::Null) => true,
            (Self::Matches(regex), Value::String(text)) => regex.is_match(text),
            _ => false,
        }
    }
}
