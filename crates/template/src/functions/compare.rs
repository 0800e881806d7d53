//! Go's own comparisons, `len`, `index`, `slice`, `not`.

use std::cmp::Ordering;

use super::{MANY, Row, args};
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("eq", 2, MANY, |_, a| Ok(Value::Bool(a[1..].iter().any(|other| equal(&a[0], other))))),
    ("ne", 2, 2, |_, a| Ok(Value::Bool(!equal(&a[0], &a[1])))),
    ("lt", 2, 2, |_, a| ordered(a, Ordering::is_lt)),
    ("le", 2, 2, |_, a| ordered(a, Ordering::is_le)),
    ("gt", 2, 2, |_, a| ordered(a, Ordering::is_gt)),
    ("ge", 2, 2, |_, a| ordered(a, Ordering::is_ge)),
    ("not", 1, 1, |_, a| Ok(Value::Bool(!a[0].is_true()))),
    ("len", 1, 1, |_, a| length(&a[0]).map(Value::Int)),
    ("index", 1, MANY, |_, a| a[1..].iter().try_fold(a[0].clone(), |value, key| index(&value, key))),
    ("slice", 1, 3, slice),
];

/// Go's `eq`, but whole numbers and floats compare by value.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
        _ => match (a.as_text(), b.as_text()) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

/// The order of two numbers or two texts.
pub(crate) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Float(b)) => (*a as f64).partial_cmp(b),
        (Value::Float(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        _ => Some(a.as_text()?.cmp(b.as_text()?)),
    }
}

fn ordered(a: &[Value], test: fn(Ordering) -> bool) -> Result<Value, String> {
    match order(&a[0], &a[1]) {
        Some(order) => Ok(Value::Bool(test(order))),
        None => Err(format!("can't compare {} with {}", a[0].kind(), a[1].kind())),
    }
}

fn length(value: &Value) -> Result<i64, String> {
    let length = match (value.as_map(), value.as_text(), value) {
        (Some(map), _, _) => map.len(),
        (_, Some(text), _) => text.len(),
        (_, _, Value::List(list)) => list.len(),
        _ => return Err(format!("len of type {}", value.kind())),
    };
    Ok(length as i64)
}

fn index(value: &Value, key: &Value) -> Result<Value, String> {
    if let Some(map) = value.as_map() {
        let name = args::any_text(std::slice::from_ref(key), 0);
        return Ok(match map.get(name.as_ref()) {
            Some(found) => found.clone(),
            None if map.is_of_text() => Value::text(""),
            None => Value::Nil,
        });
    }
    let Value::Int(at) = key else {
        return Err(format!("can't index {} with {}", value.kind(), key.kind()));
    };
    let position = usize::try_from(*at).ok();
    let found = match value {
        Value::List(list) => position.and_then(|at| list.get(at)).cloned(),
        Value::Text(text) => position.and_then(|at| text.as_bytes().get(at)).map(|byte| Value::Int(i64::from(*byte))),
        other => return Err(format!("can't index {}", other.kind())),
    };
    found.ok_or_else(|| format!("index {at} is out of range: the length is {}", length(value).unwrap_or(0)))
}

fn slice(_: &mut crate::context::Context<'_>, a: &[Value]) -> Result<Value, String> {
    let length = usize::try_from(length(&a[0])?).unwrap_or(0);
    let from = if a.len() > 1 { args::count(a, 1)? } else { 0 };
    let to = if a.len() > 2 { args::count(a, 2)? } else { length };
    let range = from..to;
    let cut = match &a[0] {
        Value::List(list) => list.get(range).map(|items| Value::list(items.to_vec())),
        Value::Text(text) => text.get(range).map(Value::text),
        other => return Err(format!("can't slice {}", other.kind())),
    };
    cut.ok_or_else(|| format!("{from}:{to} is out of range: the length is {length}"))
}
