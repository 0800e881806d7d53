//! Base64, CSV, JSON, URL and YAML.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Args, Outcome, failed, text, within};
use crate::eval::Value;

pub(super) fn base64encode(args: &Args<'_>) -> Outcome {
    text(STANDARD.encode(args.text(0)?))
}

pub(super) fn base64decode(args: &Args<'_>) -> Outcome {
    match STANDARD.decode(args.text(0)?).map(String::from_utf8) {
        Ok(Ok(decoded)) => text(decoded),
        Ok(Err(_)) => failed("the result of decoding the provided string is not valid UTF-8"),
        Err(why) => failed(format!("failed to decode base64 data: {why}")),
    }
}

/// As a form field: a space becomes `+`.
pub(super) fn urlencode(args: &Args<'_>) -> Outcome {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');
    text(utf8_percent_encode(&args.text(0)?, KEPT).to_string().replace(' ', "+"))
}

/// `<`, `>` and `&` are escaped, as Go's encoder does.
pub(super) fn jsonencode(args: &Args<'_>) -> Outcome {
    let json = args.value(0).to_json().to_string();
    text(
        json.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029"),
    )
}

pub(super) fn jsondecode(args: &Args<'_>) -> Outcome {
    match serde_json::from_str(&args.text(0)?) {
        Ok(json) => Ok(Value::from_json(&json)),
        Err(why) => failed(format!("not valid JSON: {why}")),
    }
}

pub(super) fn yamldecode(args: &Args<'_>) -> Outcome {
    match serde_saphyr::from_str::<serde_json::Value>(&args.text(0)?) {
        Ok(json) => Ok(Value::from_json(&json)),
        Err(why) => failed(format!("not valid YAML: {}", why.to_string().lines().next().unwrap_or_default())),
    }
}

/// Keys and strings in double quotes, lists not indented below their key.
pub(super) fn yamlencode(args: &Args<'_>) -> Outcome {
    let mut out = String::new();
    yaml(args.value(0), 0, &mut out);
    text(out)
}

fn yaml(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::List(items) | Value::Set(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&indent);
                match item {
                    Value::Map(inner) if !inner.is_empty() => {
                        let mut nested = String::new();
                        yaml(item, depth + 1, &mut nested);
                        out.push_str("- ");
                        out.push_str(nested.trim_start());
                    }
                    Value::List(inner) | Value::Set(inner) if !inner.is_empty() => {
                        let mut nested = String::new();
                        yaml(item, depth + 1, &mut nested);
                        out.push_str("- ");
                        out.push_str(nested.trim_start());
                    }
                    other => {
                        out.push_str(&format!("- {}\n", scalar(other)));
                    }
                }
            }
        }
        Value::Map(items) if !items.is_empty() => {
            for (key, item) in items {
                out.push_str(&format!("{indent}{}:", scalar(&Value::text(key))));
                match item {
                    Value::Map(inner) if !inner.is_empty() => {
                        out.push('\n');
                        yaml(item, depth + 1, out);
                    }
                    Value::List(inner) | Value::Set(inner) if !inner.is_empty() => {
                        out.push('\n');
                        yaml(item, depth, out);
                    }
                    other => out.push_str(&format!(" {}\n", scalar(other))),
                }
            }
        }
        other => out.push_str(&format!("{}\n", scalar(other))),
    }
}

/// JSON's form is also YAML's.
fn scalar(value: &Value) -> String {
    value.to_json().to_string()
}

/// The first row holds the column names; each further row becomes an object.
pub(super) fn csvdecode(args: &Args<'_>) -> Outcome {
    let rows = match csv_rows(&args.text(0)?) {
        Ok(rows) => rows,
        Err(why) => return failed(why),
    };
    let mut rows = rows.into_iter();
    let Some(header) = rows.next() else { return failed("missing header line") };
    let mut seen = HashSet::new();
    if let Some(name) = header.iter().find(|name| !seen.insert(name.as_str())) {
        return failed(format!("duplicate column name {name:?}"));
    }
    let names: usize = header.iter().map(String::len).sum();
    within(names.saturating_mul(rows.len()))?;
    let mut out = Vec::new();
    for (index, row) in rows.enumerate() {
        if row.len() != header.len() {
            return failed(format!(
                "record {} has {} fields, but the header has {}",
                index + 2,
                row.len(),
                header.len()
            ));
        }
        out.push(Value::Map(header.iter().cloned().zip(row.into_iter().map(Value::String)).collect()));
    }
    Ok(Value::List(out))
}

/// RFC 4180: fields in double quotes may hold commas, line breaks and doubled quotes. Empty lines are skipped.
fn csv_rows(source: &str) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    let (mut row, mut field) = (Vec::new(), String::new());
    let (mut quoted, mut was_quoted) = (false, false);
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            c if quoted => field.push(c),
            '"' if field.is_empty() && !was_quoted => {
                quoted = true;
                was_quoted = true;
            }
            '"' => return Err("bare \" in a field without quotes".to_owned()),
            ',' => {
                row.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                if !row.is_empty() || !field.is_empty() || was_quoted {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                was_quoted = false;
            }
            c => field.push(c),
        }
    }
    if quoted {
        return Err("a quoted field is not closed".to_owned());
    }
    if !row.is_empty() || !field.is_empty() || was_quoted {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}
