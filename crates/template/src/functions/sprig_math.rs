//! sprig's numbers. Here the order is the usual one: `sub 5 2` is 3.

use super::{MANY, Row, args};
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("add", 0, MANY, |_, a| fold(a, 0, i64::checked_add)),
    ("mul", 1, MANY, |_, a| fold(a, 1, i64::checked_mul)),
    ("add1", 1, 1, |_, a| checked(whole(a, 0)?.checked_add(1))),
    ("sub", 2, 2, |_, a| checked(whole(a, 0)?.checked_sub(whole(a, 1)?))),
    ("div", 2, 2, |_, a| divided(whole(a, 0)?.checked_div(whole(a, 1)?))),
    ("mod", 2, 2, |_, a| divided(whole(a, 0)?.checked_rem(whole(a, 1)?))),
    ("max", 1, MANY, |_, a| best(a, i64::max)),
    ("biggest", 1, MANY, |_, a| best(a, i64::max)),
    ("min", 1, MANY, |_, a| best(a, i64::min)),
    ("addf", 0, MANY, |_, a| foldf(a, |x, y| x + y)),
    ("subf", 1, MANY, |_, a| foldf(a, |x, y| x - y)),
    ("mulf", 1, MANY, |_, a| foldf(a, |x, y| x * y)),
    ("divf", 1, MANY, |_, a| foldf(a, |x, y| x / y)),
    ("floor", 1, 1, |_, a| Ok(Value::Float(real(a, 0)?.floor()))),
    ("ceil", 1, 1, |_, a| Ok(Value::Float(real(a, 0)?.ceil()))),
    ("round", 2, 3, |_, a| {
        let scale = 10f64.powi(args::count(a, 1)?.min(15) as i32);
        Ok(Value::Float((real(a, 0)? * scale).round() / scale))
    }),
    ("int", 1, 1, |_, a| Ok(Value::Int(whole(a, 0)?))),
    ("int64", 1, 1, |_, a| Ok(Value::Int(whole(a, 0)?))),
    ("float64", 1, 1, |_, a| Ok(Value::Float(real(a, 0)?))),
    ("atoi", 1, 1, |_, a| Ok(Value::Int(args::text(a, 0)?.trim().parse().unwrap_or(0)))),
    ("toDecimal", 1, 1, |_, a| Ok(Value::Int(i64::from_str_radix(args::any_text(a, 0).trim(), 8).unwrap_or(0)))),
];

/// sprig's conversion: fractions are cut, a text that is no number counts as 0.
fn whole(a: &[Value], at: usize) -> Result<i64, String> {
    Ok(match args::get(a, at) {
        Value::Int(value) => *value,
        Value::Bool(value) => i64::from(*value),
        _ => real(a, at)? as i64,
    })
}

fn real(a: &[Value], at: usize) -> Result<f64, String> {
    match args::get(a, at) {
        Value::Int(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        Value::Bool(value) => Ok(f64::from(u8::from(*value))),
        Value::Nil => Ok(0.0),
        other => match other.as_text() {
            Some(text) => Ok(text.trim().parse().unwrap_or(0.0)),
            None => Err(format!("argument {} must be a number, not {}", at + 1, other.kind())),
        },
    }
}

fn checked(result: Option<i64>) -> Result<Value, String> {
    result.map(Value::Int).ok_or_else(|| "the result does not fit".to_owned())
}

fn divided(result: Option<i64>) -> Result<Value, String> {
    result.map(Value::Int).ok_or_else(|| "division by zero".to_owned())
}

fn fold(a: &[Value], start: i64, step: fn(i64, i64) -> Option<i64>) -> Result<Value, String> {
    let mut total = Some(start);
    for at in 0..a.len() {
        let next = whole(a, at)?;
        total = total.and_then(|total| step(total, next));
    }
    checked(total)
}

fn foldf(a: &[Value], step: fn(f64, f64) -> f64) -> Result<Value, String> {
    let mut total = if a.is_empty() { 0.0 } else { real(a, 0)? };
    for at in 1..a.len() {
        total = step(total, real(a, at)?);
    }
    Ok(Value::Float(total))
}

fn best(a: &[Value], choose: fn(i64, i64) -> i64) -> Result<Value, String> {
    let mut best = whole(a, 0)?;
    for at in 1..a.len() {
        best = choose(best, whole(a, at)?);
    }
    Ok(Value::Int(best))
}
