//! Arithmetic.

use super::{Args, CallError, Outcome, failed};
use crate::eval::{Number, Value};

fn number(value: f64) -> Outcome {
    if value.is_finite() { Ok(Value::Number(Number::from_f64(value))) } else { failed("the result is not a number") }
}

pub(super) fn abs(args: &Args<'_>) -> Outcome {
    Ok(Value::Number(match args.number(0)? {
        Number::Whole(value) => Number::Whole(value.saturating_abs()),
        Number::Fraction(value) => Number::from_f64(value.abs()),
    }))
}

pub(super) fn ceil(args: &Args<'_>) -> Outcome {
    rounding(args, f64::ceil)
}

pub(super) fn floor(args: &Args<'_>) -> Outcome {
    rounding(args, f64::floor)
}

fn rounding(args: &Args<'_>, round: fn(f64) -> f64) -> Outcome {
    Ok(Value::Number(match args.number(0)? {
        whole @ Number::Whole(_) => whole,
        Number::Fraction(value) => Number::from_f64(round(value)),
    }))
}

pub(super) fn log(args: &Args<'_>) -> Outcome {
    number(args.number(0)?.as_f64().ln() / args.number(1)?.as_f64().ln())
}

pub(super) fn pow(args: &Args<'_>) -> Outcome {
    let (base, power) = (args.number(0)?, args.number(1)?);
    if let (Number::Whole(base), Number::Whole(power)) = (base, power)
        && let Ok(power) = u32::try_from(power)
        && let Some(exact) = base.checked_pow(power)
    {
        return Ok(Value::whole(exact));
    }
    number(base.as_f64().powf(power.as_f64()))
}

pub(super) fn signum(args: &Args<'_>) -> Outcome {
    let value = args.number(0)?.as_f64();
    Ok(Value::whole(i128::from(value > 0.0) - i128::from(value < 0.0)))
}

pub(super) fn max(args: &Args<'_>) -> Outcome {
    extreme(args, |candidate, best| candidate > best)
}

pub(super) fn min(args: &Args<'_>) -> Outcome {
    extreme(args, |candidate, best| candidate < best)
}

fn extreme(args: &Args<'_>, better: fn(Number, Number) -> bool) -> Outcome {
    let mut best = args.number(0)?;
    for index in 1..args.len() {
        let candidate = args.number(index)?;
        if better(candidate, best) {
            best = candidate;
        }
    }
    Ok(Value::Number(best))
}

/// Digits are `0-9`, `a-z`, then `A-Z`; up to base 36 the case of letters does not matter.
pub(super) fn parseint(args: &Args<'_>) -> Outcome {
    let (text, base) = (args.text(0)?, args.whole(1)?);
    let base = u32::try_from(base)
        .ok()
        .filter(|base| (2..=62).contains(base))
        .ok_or_else(|| CallError::Argument(1, "base must be a whole number between 2 and 62 inclusive".to_owned()))?;
    match whole(&text, base) {
        Some(value) => Ok(Value::whole(value)),
        None => Err(CallError::Argument(0, format!("cannot parse {text:?} as a base {base} integer"))),
    }
}

fn whole(text: &str, base: u32) -> Option<i128> {
    if base <= 36 {
        return i128::from_str_radix(text, base).ok();
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0i128, |value, digit| {
        let digit = match digit {
            'A'..='Z' => digit as u32 - 'A' as u32 + 36,
            digit => digit.to_digit(36)?,
        };
        let digit = Some(digit).filter(|digit| *digit < base)?;
        value.checked_mul(base.into())?.checked_add(sign * i128::from(digit))
    })
}
