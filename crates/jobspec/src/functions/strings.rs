//! Text.

use regex::Regex;

use super::{Args, CallError, Outcome, failed, text, within};
use crate::eval::Value;
use crate::pattern;

pub(super) fn chomp(args: &Args<'_>) -> Outcome {
    text(args.text(0)?.trim_end_matches(['\n', '\r']))
}

/// Spaces before every line but the first.
pub(super) fn indent(args: &Args<'_>) -> Outcome {
    const WIDEST: i64 = 1000;
    let width = args.whole(0)?;
    if !(0..=WIDEST).contains(&width) {
        return Err(CallError::Argument(0, format!("must be between 0 and {WIDEST}")));
    }
    let (padding, whole) = (format!("\n{}", " ".repeat(width as usize)), args.text(1)?);
    within(whole.len().saturating_add(whole.matches('\n').count().saturating_mul(padding.len())))?;
    text(whole.replace('\n', &padding))
}

pub(super) fn join(args: &Args<'_>) -> Outcome {
    let separator = args.text(0)?;
    if args.len() < 2 {
        return failed("at least one list is required");
    }
    let mut items = Vec::new();
    for index in 1..args.len() {
        items.extend(args.texts(index)?);
    }
    let length: usize = items.iter().map(String::len).sum();
    within(length.saturating_add(items.len().saturating_mul(separator.len())))?;
    text(items.join(&separator))
}

pub(super) fn split(args: &Args<'_>) -> Outcome {
    let (separator, whole) = (args.text(0)?, args.text(1)?);
    let items = if separator.is_empty() {
        whole.chars().map(Value::text).collect()
    } else {
        whole.split(&separator).map(Value::text).collect()
    };
    Ok(Value::List(items))
}

pub(super) fn lower(args: &Args<'_>) -> Outcome {
    text(args.text(0)?.to_lowercase())
}

/// Letter by letter, as Go does: `ß` has no single upper-case letter and stays.
pub(super) fn upper(args: &Args<'_>) -> Outcome {
    let one = |c: char| {
        let mut letters = c.to_uppercase();
        letters.next().filter(|_| letters.next().is_none()).unwrap_or(c)
    };
    text(args.text(0)?.chars().map(one).collect::<String>())
}

/// The first letter of each word in upper case. As in Go, words are ASCII letters, digits and `_`, and whatever beyond
/// ASCII is no space.
pub(super) fn title(args: &Args<'_>) -> Outcome {
    let mut out = String::new();
    let mut in_word = false;
    for c in args.text(0)?.chars() {
        if in_word {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        in_word = if c.is_ascii() { c.is_ascii_alphanumeric() || c == '_' } else { !c.is_whitespace() };
    }
    text(out)
}

pub(super) fn replace(args: &Args<'_>) -> Outcome {
    let (whole, old, new) = (args.text(0)?, args.text(1)?, args.text(2)?);
    within(whole.len().saturating_add(whole.matches(&old).count().saturating_mul(new.len())))?;
    text(whole.replace(&old, &new))
}

/// Steps of compiling the pattern, and of trying its states on the text.
pub(super) fn pattern_work(values: &[Value]) -> u64 {
    const STATES_PER_STEP: u64 = 5;
    const TRIALS_PER_STEP: u64 = 1_000;
    let [Value::String(whole), Value::String(pattern), ..] = values else { return 0 };
    let states = pattern::read(pattern).map_or(0, |(_, states)| states);
    states / STATES_PER_STEP + states.saturating_mul(whole.len() as u64) / TRIALS_PER_STEP
}

/// `$1` and `${name}` in the replacement stand for what the pattern's groups matched.
pub(super) fn regex_replace(args: &Args<'_>) -> Outcome {
    let (pattern, _) = pattern::read(&args.text(1)?).map_err(|why| CallError::Argument(1, why))?;
    let pattern = Regex::new(&pattern).map_err(|why| CallError::Argument(1, why.to_string()))?;
    let (whole, by) = (args.text(0)?, args.text(2)?);
    let (mut out, mut end) = (String::new(), 0);
    for found in pattern.captures_iter(&whole) {
        let Some(matched) = found.get(0) else { continue };
        out.push_str(&whole[end..matched.start()]);
        found.expand(&by, &mut out);
        end = matched.end();
        within(out.len())?;
    }
    out.push_str(&whole[end..]);
    text(out)
}

pub(super) fn reverse(args: &Args<'_>) -> Outcome {
    text(args.text(0)?.chars().rev().collect::<String>())
}

pub(super) fn strlen(args: &Args<'_>) -> Outcome {
    Ok(Value::whole(args.text(0)?.chars().count() as i128))
}

/// A negative offset counts from the end; length -1 means "to the end".
pub(super) fn substr(args: &Args<'_>) -> Outcome {
    let whole: Vec<char> = args.text(0)?.chars().collect();
    let (offset, length) = (args.whole(1)?, args.whole(2)?);
    let count = whole.len() as i64;
    let start = if offset < 0 { offset.saturating_add(count).max(0) } else { offset.min(count) };
    let end = if length < 0 { count } else { start.saturating_add(length).min(count) };
    text(whole[start as usize..end as usize].iter().collect::<String>())
}

/// Removes any of the given characters from both ends.
pub(super) fn trim(args: &Args<'_>) -> Outcome {
    let cut: Vec<char> = args.text(1)?.chars().collect();
    text(args.text(0)?.trim_matches(cut.as_slice()))
}

pub(super) fn trimprefix(args: &Args<'_>) -> Outcome {
    let (whole, prefix) = (args.text(0)?, args.text(1)?);
    text(whole.strip_prefix(&prefix).unwrap_or(&whole))
}

pub(super) fn trimsuffix(args: &Args<'_>) -> Outcome {
    let (whole, suffix) = (args.text(0)?, args.text(1)?);
    text(whole.strip_suffix(&suffix).unwrap_or(&whole))
}

pub(super) fn trimspace(args: &Args<'_>) -> Outcome {
    text(args.text(0)?.trim())
}
