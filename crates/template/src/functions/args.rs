//! Reading arguments.

use std::borrow::Cow;

use crate::value::{Map, Value};

/// The argument as a text; numbers and booleans are printed.
pub(crate) fn text(args: &[Value], at: usize) -> Result<Cow<'_, str>, String> {
    let value = get(args, at);
    match value {
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => Ok(Cow::Owned(value.to_string())),
        other => match other.as_text() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => Err(wrong(args, at, "string")),
        },
    }
}

/// The argument as a text, whatever it is; nothing is the empty text.
pub(crate) fn any_text(args: &[Value], at: usize) -> Cow<'_, str> {
    match get(args, at) {
        Value::Nil => Cow::Borrowed(""),
        value => match value.as_text() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(value.to_string()),
        },
    }
}

/// The argument as a whole number; a text of digits counts.
pub(crate) fn int(args: &[Value], at: usize) -> Result<i64, String> {
    match get(args, at) {
        Value::Int(value) => Ok(*value),
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Ok(*value as i64),
        other => other.as_text().and_then(|text| text.trim().parse().ok()).ok_or_else(|| wrong(args, at, "int")),
    }
}

/// The argument as a count that cannot be negative.
pub(crate) fn count(args: &[Value], at: usize) -> Result<usize, String> {
    usize::try_from(int(args, at)?).map_err(|_| wrong(args, at, "a number from 0"))
}

/// The argument's items; nothing has none.
pub(crate) fn items(args: &[Value], at: usize) -> Result<&[Value], String> {
    match get(args, at) {
        Value::List(list) => Ok(list),
        Value::Nil => Ok(&[]),
        _ => Err(wrong(args, at, "list")),
    }
}

/// The argument as a map.
pub(crate) fn map(args: &[Value], at: usize) -> Result<&Map, String> {
    get(args, at).as_map().ok_or_else(|| wrong(args, at, "map"))
}

/// The argument, or nothing.
pub(crate) fn get(args: &[Value], at: usize) -> &Value {
    args.get(at).unwrap_or(&Value::Nil)
}

/// The last argument (the piped one).
pub(crate) fn last(args: &[Value]) -> &Value {
    args.last().unwrap_or(&Value::Nil)
}

fn wrong(args: &[Value], at: usize, wanted: &str) -> String {
    format!("argument {} must be {wanted}, not {}", at + 1, get(args, at).kind())
}
