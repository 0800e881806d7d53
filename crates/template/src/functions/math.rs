//! consul-template's arithmetic. The piped value is the left operand: `10 | divide 2` is 5.

use super::{Row, compare};
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("add", 2, 2, |_, a| arithmetic(a, i64::checked_add, |x, y| x + y)),
    ("subtract", 2, 2, |_, a| arithmetic(a, i64::checked_sub, |x, y| x - y)),
    ("multiply", 2, 2, |_, a| arithmetic(a, i64::checked_mul, |x, y| x * y)),
    ("divide", 2, 2, |_, a| {
        not_zero(&a[0])?;
        arithmetic(a, i64::checked_div, |x, y| x / y)
    }),
    ("modulo", 2, 2, |_, a| {
        not_zero(&a[0])?;
        arithmetic(a, i64::checked_rem, |x, y| x % y)
    }),
    ("minimum", 2, 2, |_, a| pick(a, std::cmp::Ordering::Less)),
    ("maximum", 2, 2, |_, a| pick(a, std::cmp::Ordering::Greater)),
];

fn not_zero(value: &Value) -> Result<(), String> {
    match value {
        Value::Int(0) => Err("division by zero".to_owned()),
        Value::Float(value) if *value == 0.0 => Err("division by zero".to_owned()),
        _ => Ok(()),
    }
}

fn arithmetic(a: &[Value], whole: fn(i64, i64) -> Option<i64>, real: fn(f64, f64) -> f64) -> Result<Value, String> {
    match (&a[1], &a[0]) {
        (Value::Int(x), Value::Int(y)) => {
            whole(*x, *y).map(Value::Int).ok_or_else(|| format!("{x} and {y}: the result does not fit"))
        }
        (x, y) => match (number(x), number(y)) {
            (Some(x), Some(y)) => Ok(Value::Float(real(x, y))),
            _ => Err(format!("wants numbers, got {} and {}", y.kind(), x.kind())),
        },
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

fn pick(a: &[Value], wanted: std::cmp::Ordering) -> Result<Value, String> {
    if number(&a[0]).is_none() || number(&a[1]).is_none() {
        return Err(format!("wants numbers, got {} and {}", a[0].kind(), a[1].kind()));
    }
    let first = compare::order(&a[0], &a[1]) == Some(wanted);
    Ok(a[usize::from(!first)].clone())
}
