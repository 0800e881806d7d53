//! Regular expressions, with Go's replacement syntax (`$1`, `${name}`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use baton_model::regexp;
use regex::{Regex, RegexBuilder};

use super::{Row, args, strings};
use crate::context::Context;
use crate::limits::{MATCH_COST, MAX_LOOP, MAX_REGEX, MAX_VALUE, REGEX_COST};
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("regexMatch", 2, 2, |c, a| matches(c, a, 0, 1)),
    ("regexReplaceAll", 3, 3, |c, a| replace(c, a, 0, 2, 1, false)),
];

pub(crate) const SPRIG: &[Row] = &[
    ("regexMatch", 2, 2, |c, a| matches(c, a, 0, 1)),
    ("regexFind", 2, 2, find),
    ("regexFindAll", 3, 3, find_all),
    ("regexReplaceAll", 3, 3, |c, a| replace(c, a, 0, 1, 2, false)),
    ("regexReplaceAllLiteral", 3, 3, |c, a| replace(c, a, 0, 1, 2, true)),
    ("regexSplit", 3, 3, split),
    ("regexQuoteMeta", 1, 1, |_, a| Ok(regex::escape(&args::text(a, 0)?).into())),
];

/// Compiled expressions kept for the next use.
const MAX_KEPT: usize = 128;

static KEPT: Mutex<Option<HashMap<String, Arc<Regex>>>> = Mutex::new(None);

fn compile(context: &mut Context<'_>, pattern: &str, text: &str) -> Result<Arc<Regex>, String> {
    context.work(text.len().saturating_mul(MATCH_COST))?;
    let mut kept = KEPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let kept = kept.get_or_insert_default();
    if let Some(regex) = kept.get(pattern) {
        return Ok(regex.clone());
    }
    context.work(REGEX_COST)?;
    let translated =
        regexp::from_go(pattern).map_err(|error| format!("bad regular expression {pattern:?}: {error}"))?;
    let regex = RegexBuilder::new(&translated)
        .size_limit(MAX_REGEX)
        .dfa_size_limit(MAX_REGEX)
        .build()
        .map_err(|error| format!("bad regular expression {pattern:?}: {error}"))?;
    let regex = Arc::new(regex);
    if kept.len() >= MAX_KEPT {
        kept.clear();
    }
    kept.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}

fn matches(context: &mut Context<'_>, a: &[Value], pattern: usize, text: usize) -> Result<Value, String> {
    let text = args::text(a, text)?;
    Ok(compile(context, &args::text(a, pattern)?, &text)?.is_match(&text).into())
}

fn replace(
    context: &mut Context<'_>,
    a: &[Value],
    pattern: usize,
    text: usize,
    by: usize,
    literal: bool,
) -> Result<Value, String> {
    let (text, by) = (args::text(a, text)?, args::text(a, by)?);
    let regex = compile(context, &args::text(a, pattern)?, &text)?;
    let mut out = String::new();
    let mut end = 0;
    for found in regex.captures_iter(&text) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&text[end..whole.start()]);
        if literal {
            out.push_str(&by);
        } else {
            found.expand(&by, &mut out);
        }
        end = whole.end();
        if out.len() > MAX_VALUE {
            return Err(format!("the result is longer than {MAX_VALUE} bytes"));
        }
    }
    out.push_str(&text[end..]);
    Ok(out.into())
}

fn find(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let text = args::text(a, 1)?;
    let regex = compile(context, &args::text(a, 0)?, &text)?;
    Ok(Value::text(regex.find(&text).map_or("", |found| found.as_str())))
}

/// At most `n` pieces; a negative `n` means all.
fn limit(a: &[Value], at: usize) -> Result<usize, String> {
    Ok(usize::try_from(args::int(a, at)?).unwrap_or(MAX_LOOP as usize))
}

fn find_all(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let text = args::text(a, 1)?;
    let regex = compile(context, &args::text(a, 0)?, &text)?;
    let found = regex.find_iter(&text).take(limit(a, 2)?);
    Ok(Value::texts(found.map(|found| found.as_str())))
}

fn split(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let text = args::text(a, 1)?;
    let regex = compile(context, &args::text(a, 0)?, &text)?;
    strings::within(text.len())?;
    Ok(Value::texts(regex.splitn(&text, limit(a, 2)?)))
}
