//! consul-template's functions about membership, and `loop`.

use super::{Row, args, compare};
use crate::context::Context;
use crate::limits::MAX_LOOP;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("contains", 2, 2, |_, a| Ok(Value::Bool(holds(&a[1], &a[0])))),
    ("in", 2, 2, |_, a| Ok(Value::Bool(holds(&a[0], &a[1])))),
    ("containsAll", 2, 2, |_, a| some(a, |found, of| found == of)),
    ("containsAny", 2, 2, |_, a| some(a, |found, _| found > 0)),
    ("containsNone", 2, 2, |_, a| some(a, |found, _| found == 0)),
    ("containsNotAll", 2, 2, |_, a| some(a, |found, of| found < of)),
    ("loop", 1, 2, loop_over),
];

/// `.Tags.Contains "x"`.
pub(crate) fn list_contains(list: &Value, a: &[Value]) -> Result<Value, String> {
    match a {
        [wanted] => Ok(Value::Bool(holds(list, wanted))),
        _ => Err(format!("Contains: wants 1 argument, got {}", a.len())),
    }
}

/// Is it an item of the list, or a part of the text? Nothing else holds anything.
fn holds(list: &Value, wanted: &Value) -> bool {
    match list {
        Value::List(items) => items.iter().any(|item| compare::equal(item, wanted)),
        Value::Text(text) => wanted.as_text().is_some_and(|part| text.contains(part)),
        _ => false,
    }
}

/// How many of the first list are in the second, judged by `test(found, of)`.
fn some(a: &[Value], test: fn(usize, usize) -> bool) -> Result<Value, String> {
    let wanted = args::items(a, 0)?;
    let mut found = 0;
    for value in wanted {
        found += usize::from(holds(&a[1], value));
    }
    Ok(test(found, wanted.len()).into())
}

/// `loop n`: 0 to n-1. `loop a b`: a to b-1.
fn loop_over(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (from, to) = match a.len() {
        1 => (0, args::int(a, 0)?),
        _ => (args::int(a, 0)?, args::int(a, 1)?),
    };
    numbers(from, to, 1)
}

/// The numbers from `from` towards `to`, without it.
pub(crate) fn numbers(from: i64, to: i64, step: i64) -> Result<Value, String> {
    if step == 0 || (step > 0) != (to > from) {
        return Ok(Value::list(Vec::new()));
    }
    let span = i128::from(to) - i128::from(from);
    let rounds = (span.unsigned_abs()).div_ceil(u128::from(step.unsigned_abs()));
    if rounds > MAX_LOOP as u128 {
        return Err(format!("{rounds} rounds: at most {MAX_LOOP}"));
    }
    let mut numbers = Vec::with_capacity(rounds as usize);
    for round in 0..rounds as i64 {
        numbers.push(Value::Int(from.saturating_add(round.saturating_mul(step))));
    }
    Ok(Value::list(numbers))
}
