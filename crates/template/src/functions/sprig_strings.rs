//! sprig's text functions.

use super::{MANY, Row, args, strings};
use crate::context::Context;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("hello", 0, 0, |_, _| Ok(Value::text("Hello!"))),
    ("trim", 1, 1, |_, a| Ok(Value::text(args::text(a, 0)?.trim()))),
    ("trimAll", 2, 2, |_, a| {
        let cut = args::text(a, 0)?;
        Ok(Value::text(args::text(a, 1)?.trim_matches(|c| cut.contains(c))))
    }),
    ("trimPrefix", 2, 2, |_, a| {
        let (cut, text) = (args::text(a, 0)?, args::text(a, 1)?);
        Ok(Value::text(text.strip_prefix(cut.as_ref()).unwrap_or(&text)))
    }),
    ("trimSuffix", 2, 2, |_, a| {
        let (cut, text) = (args::text(a, 0)?, args::text(a, 1)?);
        Ok(Value::text(text.strip_suffix(cut.as_ref()).unwrap_or(&text)))
    }),
    ("upper", 1, 1, |_, a| Ok(args::text(a, 0)?.to_uppercase().into())),
    ("lower", 1, 1, |_, a| Ok(args::text(a, 0)?.to_lowercase().into())),
    ("title", 1, 1, |_, a| Ok(strings::title(&args::text(a, 0)?).into())),
    ("untitle", 1, 1, |_, a| Ok(strings::each_word(&args::text(a, 0)?, |first| first.to_lowercase().collect()).into())),
    ("repeat", 2, 2, |_, a| {
        let (count, text) = (args::count(a, 0)?, args::text(a, 1)?);
        strings::within(count.saturating_mul(text.len()))?;
        Ok(match text.is_empty() {
            true => Value::text(""),
            false => text.repeat(count).into(),
        })
    }),
    ("substr", 3, 3, substring),
    ("nospace", 1, 1, |_, a| Ok(args::text(a, 0)?.split_whitespace().collect::<String>().into())),
    ("trunc", 2, 2, truncate),
    ("abbrev", 2, 2, abbreviate),
    ("initials", 1, 1, |_, a| {
        let text = args::text(a, 0)?;
        Ok(text.split_whitespace().filter_map(|word| word.chars().next()).collect::<String>().into())
    }),
    ("contains", 2, 2, |_, a| Ok(args::text(a, 1)?.contains(args::text(a, 0)?.as_ref()).into())),
    ("hasPrefix", 2, 2, |_, a| Ok(args::text(a, 1)?.starts_with(args::text(a, 0)?.as_ref()).into())),
    ("hasSuffix", 2, 2, |_, a| Ok(args::text(a, 1)?.ends_with(args::text(a, 0)?.as_ref()).into())),
    ("quote", 0, MANY, |_, a| each(a, |text| gotmpl_quote(&text))),
    ("squote", 0, MANY, |_, a| each(a, |text| format!("'{text}'"))),
    ("cat", 0, MANY, |_, a| each(a, |text| text)),
    ("indent", 2, 2, |_, a| indent(a, "")),
    ("nindent", 2, 2, |_, a| indent(a, "\n")),
    ("replace", 3, 3, |_, a| strings::replace(&args::text(a, 2)?, &args::text(a, 0)?, &args::text(a, 1)?)),
    ("plural", 3, 3, |_, a| Ok(a[usize::from(args::int(a, 2)? != 1)].clone())),
    ("snakecase", 1, 1, |_, a| Ok(words(&args::text(a, 0)?).join("_").into())),
    ("kebabcase", 1, 1, |_, a| Ok(words(&args::text(a, 0)?).join("-").into())),
    ("camelcase", 1, 1, |_, a| {
        let words = words(&args::text(a, 0)?);
        Ok(words.iter().map(|word| strings::title(word)).collect::<String>().into())
    }),
    ("swapcase", 1, 1, |_, a| {
        let swap = |c: char| match c.is_uppercase() {
            true => c.to_lowercase().collect::<String>(),
            false => c.to_uppercase().collect(),
        };
        Ok(args::text(a, 0)?.chars().map(swap).collect::<String>().into())
    }),
    ("join", 2, 2, |_, a| {
        let parts: Vec<String> = match &a[1] {
            Value::List(items) => items.iter().filter(|item| **item != Value::Nil).map(Value::to_string).collect(),
            _ => vec![args::any_text(a, 1).into_owned()],
        };
        strings::joined(&parts, &args::text(a, 0)?)
    }),
    ("splitList", 2, 2, |_, a| Ok(Value::texts(strings::split(&args::text(a, 1)?, &args::text(a, 0)?)))),
    ("split", 2, 2, |_, a| Ok(numbered(strings::split(&args::text(a, 1)?, &args::text(a, 0)?)))),
    ("splitn", 3, 3, |_, a| {
        let (by, most, text) = (args::text(a, 0)?, args::count(a, 1)?, args::text(a, 2)?);
        Ok(numbered(text.splitn(most, by.as_ref()).map(str::to_owned).collect()))
    }),
    ("toString", 1, 1, |_, a| Ok(Value::text(args::any_text(a, 0)))),
    ("toStrings", 1, 1, |_, a| Ok(Value::texts(args::items(a, 0)?.iter().map(Value::to_string)))),
];

/// Go's `%q`.
fn gotmpl_quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Every argument that is something, changed, with a space between.
fn each(a: &[Value], change: fn(String) -> String) -> Result<Value, String> {
    let parts: Vec<String> =
        a.iter().filter(|value| **value != Value::Nil).map(|value| change(value.to_string())).collect();
    Ok(parts.join(" ").into())
}

/// All lines pushed right, empty ones too.
fn indent(a: &[Value], before: &str) -> Result<Value, String> {
    let (spaces, text) = (args::count(a, 0)?, args::text(a, 1)?);
    let lines = text.matches('\n').count() + 1;
    strings::within(lines.saturating_mul(spaces).saturating_add(text.len()))?;
    let pad = " ".repeat(spaces);
    Ok(format!("{before}{pad}{}", text.replace('\n', &format!("\n{pad}"))).into())
}

/// The bytes from `start` to `end`; a negative bound is the text's own.
fn substring(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let text = args::text(a, 2)?;
    let start = usize::try_from(args::int(a, 0)?).unwrap_or(0);
    let end = usize::try_from(args::int(a, 1)?).map_or(text.len(), |end| end.min(text.len()));
    match text.get(start..end) {
        Some(part) => Ok(Value::text(part)),
        None => Err(format!("{start}..{end} is not inside the text or cuts a character")),
    }
}

/// The first bytes, or with a negative number the last; a cut character is left out.
fn truncate(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (length, text) = (args::int(a, 0)?, args::text(a, 1)?);
    let bytes = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    if bytes >= text.len() {
        return Ok(Value::text(text));
    }
    let mut cut = if length < 0 { text.len() - bytes } else { bytes };
    while !text.is_char_boundary(cut) {
        cut = if length < 0 { cut + 1 } else { cut - 1 };
    }
    Ok(Value::text(if length < 0 { &text[cut..] } else { &text[..cut] }))
}

/// At most `width` characters, the last three being dots where something was cut.
fn abbreviate(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (width, text) = (args::count(a, 0)?, args::text(a, 1)?);
    if width < 4 || text.chars().count() <= width {
        return Ok(Value::text(text));
    }
    let kept: String = text.chars().take(width - 3).collect();
    Ok(Value::from(kept + "..."))
}

/// The words of a name in lower case: cut at everything but letters and digits, and before capitals.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before: Option<char> = None;
    for c in text.chars() {
        if c.is_alphanumeric() {
            let starts =
                before.is_none_or(|last| !last.is_alphanumeric() || (c.is_uppercase() && !last.is_uppercase()));
            if starts {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        before = Some(c);
    }
    words
}

/// `_0`, `_1`, …: sprig's form of a split.
fn numbered(parts: Vec<String>) -> Value {
    let entries = parts
        .into_iter()
        .enumerate()
        .map(|(at, part)| (format!("_{at}"), part))
        .collect::<std::collections::BTreeMap<_, _>>();
    Value::text_map(&entries)
}
