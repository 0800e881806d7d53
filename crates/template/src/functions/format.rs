//! Go's own printing: `print`, `printf`, `println`, and the escapers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::{MANY, Row, args};
use crate::context::Context;
use crate::limits::MAX_VALUE;
use crate::value::Value;

/// Widest field and most digits that a format may ask for, as in Go's `fmt`.
const MAX_WIDTH: i64 = 1_000_000;

pub(crate) const ROWS: &[Row] = &[
    ("print", 0, MANY, |_, a| Ok(print(a).into())),
    ("println", 0, MANY, |_, a| {
        let parts: Vec<String> = a.iter().map(Value::to_string).collect();
        Ok(Value::text(parts.join(" ") + "\n"))
    }),
    ("printf", 1, MANY, printf),
    ("html", 1, MANY, |_, a| Ok(gotmpl::html_escape(&print(a)).into_owned_text())),
    ("js", 1, MANY, |_, a| Ok(gotmpl::js_escape(&print(a)).into_owned_text())),
    ("urlquery", 1, MANY, |_, a| Ok(gotmpl::url_encode(&print(a)).into_owned_text())),
    ("call", 1, MANY, |_, _| Err("there are no function values in these templates".to_owned())),
];

trait IntoText {
    fn into_owned_text(self) -> Value;
}

impl<T: Into<String>> IntoText for T {
    fn into_owned_text(self) -> Value {
        Value::from(self.into())
    }
}

/// Go's `fmt.Sprint`: a space between two operands when neither is a text.
fn print(values: &[Value]) -> String {
    let mut out = String::new();
    let mut text_before = true;
    for value in values {
        let is_text = value.as_text().is_some();
        if !out.is_empty() && !text_before && !is_text {
            out.push(' ');
        }
        let _ = write!(out, "{value}");
        text_before = is_text;
    }
    out
}

/// Go's `fmt.Sprintf`.
fn printf(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let format = args::text(a, 0)?;
    let total = widths(&format, &a[1..])?;
    if total > MAX_VALUE as i64 {
        return Err("the result is too long".to_owned());
    }
    // The formatter is only reachable through a template of its own crate: one call, arguments as its data.
    let mut call = String::from("{{printf .F");
    let mut data = BTreeMap::from([(Arc::from("F"), gotmpl::Value::String(format.as_ref().into()))]);
    let verbs = plain_verbs(&format);
    for (at, value) in a[1..].iter().enumerate() {
        let _ = write!(call, " .A{at}");
        let value = match value {
            // The formatter prints floats under %v unlike Go.
            Value::Float(_) if verbs.get(at) == Some(&'v') => Value::from(value.to_string()),
            value => value.clone(),
        };
        data.insert(format!("A{at}").into(), value.to_fmt());
    }
    call.push_str("}}");
    gotmpl::execute(&call, &gotmpl::Value::Map(Arc::new(data))).map(Value::from).map_err(|error| error.to_string())
}

/// The verbs in the order of their arguments; none if the format picks arguments by number or takes widths from them.
fn plain_verbs(format: &str) -> Vec<char> {
    let mut verbs = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let spec = rest[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit() || "+-# .".contains(c));
        match spec.chars().next() {
            Some('[' | '*') => return Vec::new(),
            Some('%') | None => {}
            Some(verb) => verbs.push(verb),
        }
        rest = spec.get(spec.chars().next().map_or(0, char::len_utf8)..).unwrap_or("");
    }
    verbs
}

/// The sum of the widths that a format asks for; too large a one is an error.
fn widths(format: &str, values: &[Value]) -> Result<i64, String> {
    let mut total: i64 = 0;
    let mut stars = 0;
    for part in format.split('%').skip(1) {
        let spec_end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
        for number in part[..spec_end].split(|c: char| !c.is_ascii_digit()) {
            if number.is_empty() {
                continue;
            }
            let number: i64 = number.parse().unwrap_or(i64::MAX);
            if number > MAX_WIDTH {
                return Err(format!("width or precision above {MAX_WIDTH}"));
            }
            total += number;
        }
        stars += part[..spec_end].matches('*').count() as i64;
    }
    if stars > 0 {
        let widest = values.iter().filter_map(|value| match value {
            Value::Int(value) => Some(value.saturating_abs()),
            _ => None,
        });
        for value in widest {
            if value > MAX_WIDTH {
                return Err(format!("width or precision above {MAX_WIDTH}"));
            }
            total = total.saturating_add(value.saturating_mul(stars));
        }
    }
    Ok(total)
}
