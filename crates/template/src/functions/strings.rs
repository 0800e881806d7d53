//! consul-template's text functions; the piped value comes last.

use super::{Row, args};
use crate::limits::MAX_VALUE;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("toLower", 1, 1, |_, a| Ok(args::text(a, 0)?.to_lowercase().into())),
    ("toUpper", 1, 1, |_, a| Ok(args::text(a, 0)?.to_uppercase().into())),
    ("toTitle", 1, 1, |_, a| Ok(title(&args::text(a, 0)?).into())),
    ("trim", 2, 2, |_, a| {
        let cut = args::text(a, 0)?;
        Ok(Value::text(args::text(a, 1)?.trim_matches(|c| cut.contains(c))))
    }),
    ("trimSpace", 1, 1, |_, a| Ok(Value::text(args::text(a, 0)?.trim()))),
    ("trimPrefix", 2, 2, |_, a| {
        let (cut, text) = (args::text(a, 0)?, args::text(a, 1)?);
        Ok(Value::text(text.strip_prefix(cut.as_ref()).unwrap_or(&text)))
    }),
    ("trimSuffix", 2, 2, |_, a| {
        let (cut, text) = (args::text(a, 0)?, args::text(a, 1)?);
        Ok(Value::text(text.strip_suffix(cut.as_ref()).unwrap_or(&text)))
    }),
    ("replaceAll", 3, 3, |_, a| replace(&args::text(a, 2)?, &args::text(a, 0)?, &args::text(a, 1)?)),
    ("split", 2, 2, |_, a| {
        let text = args::text(a, 1)?;
        let text = text.trim();
        Ok(match text.is_empty() {
            true => Value::list(Vec::new()),
            false => Value::texts(split(text, &args::text(a, 0)?)),
        })
    }),
    ("join", 2, 2, |_, a| {
        let parts: Vec<String> = args::items(a, 1)?.iter().map(Value::to_string).collect();
        joined(&parts, &args::text(a, 0)?)
    }),
    ("indent", 2, 2, |_, a| indent(args::count(a, 0)?, &args::text(a, 1)?)),
];

/// What the proxy's templates have beside sprig: Go's `strings.Split`, and names made of letters and digits.
pub(crate) const PROXY: &[Row] = &[
    ("split", 2, 2, |_, a| Ok(Value::texts(split(&args::text(a, 0)?, &args::text(a, 1)?)))),
    ("normalize", 1, 1, |_, a| {
        let text = args::text(a, 0)?;
        let parts: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
        Ok(parts.join("-").into())
    }),
];

/// Go's `strings.Split`: an empty separator gives the characters.
pub(crate) fn split(text: &str, by: &str) -> Vec<String> {
    match by {
        "" => text.chars().map(String::from).collect(),
        by => text.split(by).map(str::to_owned).collect(),
    }
}

/// The parts with `by` between them.
pub(crate) fn joined(parts: &[String], by: &str) -> Result<Value, String> {
    let length: usize = parts.iter().map(String::len).sum::<usize>() + parts.len() * by.len();
    within(length)?;
    Ok(parts.join(by).into())
}

/// Every `old` replaced, if the result is not too long.
pub(crate) fn replace(text: &str, old: &str, new: &str) -> Result<Value, String> {
    let times = text.matches(old).count();
    within(text.len().saturating_add(times.saturating_mul(new.len())))?;
    Ok(text.replace(old, new).into())
}

/// Every line that is not empty pushed right by `spaces`.
pub(crate) fn indent(spaces: usize, text: &str) -> Result<Value, String> {
    let lines = text.matches('\n').count() + 1;
    within(text.len().saturating_add(lines.saturating_mul(spaces)))?;
    let pad = " ".repeat(spaces);
    let mut out = String::with_capacity(text.len() + lines * spaces);
    for line in text.split_inclusive('\n') {
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            out.push_str(line);
        } else {
            out.push_str(&pad);
            out.push_str(line);
        }
    }
    Ok(out.into())
}

/// A length that may be built.
pub(crate) fn within(length: usize) -> Result<(), String> {
    match length > MAX_VALUE {
        true => Err(format!("the result is longer than {MAX_VALUE} bytes")),
        false => Ok(()),
    }
}

/// The first letter of each word in upper case.
pub(crate) fn title(text: &str) -> String {
    each_word(text, |first| first.to_uppercase().collect())
}

/// The first letter of each word changed. As in Go, words are ASCII letters, digits and `_`, and whatever beyond ASCII is
/// no space.
pub(crate) fn each_word(text: &str, change: fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        let letter = if c.is_ascii() { c.is_ascii_alphanumeric() || c == '_' } else { !c.is_whitespace() };
        if letter && !inside {
            out.push_str(&change(c));
        } else {
            out.push(c);
        }
        inside = letter;
    }
    out
}
