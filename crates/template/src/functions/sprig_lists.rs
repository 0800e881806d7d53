//! sprig's lists.

use super::{MANY, Row, args, compare, list};
use crate::context::Context;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("list", 0, MANY, |_, a| Ok(Value::list(a.to_vec()))),
    ("tuple", 0, MANY, |_, a| Ok(Value::list(a.to_vec()))),
    ("first", 1, 1, |_, a| Ok(args::items(a, 0)?.first().cloned().unwrap_or(Value::Nil))),
    ("last", 1, 1, |_, a| Ok(args::items(a, 0)?.last().cloned().unwrap_or(Value::Nil))),
    ("rest", 1, 1, |_, a| Ok(Value::list(args::items(a, 0)?.get(1..).unwrap_or_default().to_vec()))),
    ("initial", 1, 1, |_, a| {
        let items = args::items(a, 0)?;
        Ok(Value::list(items[..items.len().saturating_sub(1)].to_vec()))
    }),
    ("append", 2, 2, append),
    ("push", 2, 2, append),
    ("prepend", 2, 2, |_, a| {
        let mut items = vec![a[1].clone()];
        items.extend_from_slice(args::items(a, 0)?);
        Ok(Value::list(items))
    }),
    ("concat", 0, MANY, |_, a| {
        let mut items = Vec::new();
        for at in 0..a.len() {
            items.extend_from_slice(args::items(a, at)?);
        }
        Ok(Value::list(items))
    }),
    ("reverse", 1, 1, |_, a| Ok(Value::list(args::items(a, 0)?.iter().rev().cloned().collect()))),
    ("uniq", 1, 1, |c, a| {
        let mut kept: Vec<Value> = Vec::new();
        for item in args::items(a, 0)? {
            c.work(kept.len())?;
            if !kept.iter().any(|known| compare::equal(known, item)) {
                kept.push(item.clone());
            }
        }
        Ok(Value::list(kept))
    }),
    ("compact", 1, 1, |_, a| filter(a, Value::is_true)),
    ("without", 1, MANY, |c, a| {
        c.work(a.len().saturating_mul(args::items(a, 0)?.len()))?;
        filter(a, |item| !a[1..].iter().any(|unwanted| compare::equal(unwanted, item)))
    }),
    ("has", 2, 2, |_, a| Ok(args::items(a, 1)?.iter().any(|item| compare::equal(item, &a[0])).into())),
    ("slice", 1, 3, |_, a| {
        let items = args::items(a, 0)?;
        let from = if a.len() > 1 { args::count(a, 1)? } else { 0 };
        let to = if a.len() > 2 { args::count(a, 2)? } else { items.len() };
        match items.get(from..to) {
            Some(part) => Ok(Value::list(part.to_vec())),
            None => Err(format!("{from}:{to} is out of range: the length is {}", items.len())),
        }
    }),
    ("chunk", 2, 2, |_, a| {
        let size = args::count(a, 0)?;
        if size == 0 {
            return Err("the size is 0".to_owned());
        }
        Ok(Value::list(args::items(a, 1)?.chunks(size).map(|part| Value::list(part.to_vec())).collect()))
    }),
    ("sortAlpha", 1, 1, |_, a| {
        let mut texts: Vec<String> = args::items(a, 0)?.iter().map(Value::to_string).collect();
        texts.sort();
        Ok(Value::texts(texts))
    }),
    ("until", 1, 1, |_, a| {
        let to = args::int(a, 0)?;
        list::numbers(0, to, if to < 0 { -1 } else { 1 })
    }),
    ("untilStep", 3, 3, |_, a| list::numbers(args::int(a, 0)?, args::int(a, 1)?, args::int(a, 2)?)),
    ("seq", 0, 3, sequence),
];

fn append(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let mut items = args::items(a, 0)?.to_vec();
    items.push(a[1].clone());
    Ok(Value::list(items))
}

fn filter(a: &[Value], keep: impl Fn(&Value) -> bool) -> Result<Value, String> {
    Ok(Value::list(args::items(a, 0)?.iter().filter(|item| keep(item)).cloned().collect()))
}

/// The shell's `seq`: `seq last`, `seq first last`, `seq first step last`, as one text.
fn sequence(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (first, step, last) = match a.len() {
        0 => return Ok(Value::text("")),
        1 => (1, None, args::int(a, 0)?),
        2 => (args::int(a, 0)?, None, args::int(a, 1)?),
        _ => (args::int(a, 0)?, Some(args::int(a, 1)?), args::int(a, 2)?),
    };
    let step = step.unwrap_or(if last < first { -1 } else { 1 });
    let Value::List(numbers) = list::numbers(first, last.saturating_add(step.signum()), step)? else {
        return Ok(Value::text(""));
    };
    let texts: Vec<String> = numbers.iter().map(Value::to_string).collect();
    Ok(texts.join(" ").into())
}
