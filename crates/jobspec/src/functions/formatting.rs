//! `format` and `formatlist`: a template in the manner of C's printf.

use std::iter::Peekable;
use std::str::CharIndices;

use super::{Args, CallError, Outcome, failed, text, within};
use crate::eval::{Number, Value};

/// Widest field and highest precision.
const WIDEST: usize = 1000;

pub(super) fn format(args: &Args<'_>) -> Outcome {
    text(fill(&args.text(0)?, &args.0[1..])?)
}

/// Lists among the arguments are walked in step; other values are repeated.
pub(super) fn formatlist(args: &Args<'_>) -> Outcome {
    let template = args.value(0);
    let lengths: Vec<usize> = args
        .0
        .iter()
        .filter_map(|value| if let Value::List(items) | Value::Set(items) = value { Some(items.len()) } else { None })
        .collect();
    let Some(length) = lengths.first().copied() else {
        return Ok(Value::List(vec![Value::String(fill(&args.text(0)?, &args.0[1..])?)]));
    };
    if lengths.iter().any(|other| *other != length) {
        return failed("all list arguments must have the same length");
    }
    let pick = |value: &Value, index: usize| match value {
        Value::List(items) | Value::Set(items) => items.get(index).cloned().unwrap_or(Value::Null),
        other => other.clone(),
    };
    let (mut out, mut total) = (Vec::new(), 0);
    for index in 0..length {
        let template = pick(template, index).to_text().map_err(|why| CallError::Argument(0, why))?;
        let values: Vec<Value> = args.0[1..].iter().map(|value| pick(value, index)).collect();
        let line = fill(&template, &values)?;
        total += line.len();
        within(total)?;
        out.push(Value::String(line));
    }
    Ok(Value::List(out))
}

#[derive(Default)]
struct Verb {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

fn fill(template: &str, values: &[Value]) -> Result<String, CallError> {
    let mut out = String::new();
    let mut chars = template.char_indices().peekable();
    let (mut next, mut highest) = (0usize, 0usize);
    while let Some((at, c)) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        within(out.len())?;
        let mut verb = Verb::default();
        let mut chosen = None;
        loop {
            match chars.peek().map(|(_, c)| *c) {
                Some('-') => verb.left = true,
                Some('+') => verb.plus = true,
                Some(' ') => verb.space = true,
                Some('0') => verb.zero = true,
                Some('#') => verb.sharp = true,
                _ => break,
            }
            chars.next();
        }
        verb.width = number(&mut chars);
        if chars.next_if(|(_, c)| *c == '.').is_some() {
            verb.precision = Some(number(&mut chars).unwrap_or(0));
        }
        if chars.next_if(|(_, c)| *c == '[').is_some() {
            chosen = number(&mut chars).and_then(|position| position.checked_sub(1));
            chars.next_if(|(_, c)| *c == ']');
        }
        let Some((_, mode)) = chars.next() else {
            return failed(format!("unrecognized format string at offset {at}: it ends within a verb"));
        };
        if mode == '%' {
            out.push('%');
            continue;
        }
        let index = chosen.unwrap_or(next);
        next = index + 1;
        highest = highest.max(next);
        let Some(value) = values.get(index) else {
            return failed(format!(
                "not enough arguments for {:?} at {at}: need index {index} but have {} total",
                &template[at..],
                values.len()
            ));
        };
        out.push_str(&verb.show(mode, value).map_err(|why| {
            CallError::Argument(index + 1, format!("unsupported value for \"%{mode}\" at {at}: {why}"))
        })?);
    }
    if highest < values.len() {
        return failed(format!("too many arguments; only {highest} used by format string"));
    }
    Ok(out)
}

/// Digits; nothing if there are none.
fn number(chars: &mut Peekable<CharIndices<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some((_, c)) = chars.next_if(|(_, c)| c.is_ascii_digit()) {
        number = Some((number.unwrap_or(0) * 10 + c as usize - '0' as usize).min(WIDEST));
    }
    number
}

impl Verb {
    fn show(&self, mode: char, value: &Value) -> Result<String, String> {
        let shown = match mode {
            's' => self.cut(value.to_text()?),
            'q' => Value::text(self.cut(value.to_text()?)).to_json().to_string(),
            'v' => match value {
                Value::Null if !self.sharp => "null".to_owned(),
                value if value.is_primitive() && !self.sharp => value.to_text()?,
                value => value.to_json().to_string(),
            },
            't' => value.to_bool()?.to_string(),
            'd' => self.signed(whole(value)?.to_string()),
            'b' => self.signed(radix(whole(value)?, |n| format!("{n:b}"))),
            'o' => self.signed(radix(whole(value)?, |n| format!("{n:o}"))),
            'x' | 'X' => {
                let hex = match value {
                    Value::Number(_) => radix(whole(value)?, |n| format!("{n:x}")),
                    other => other.to_text()?.bytes().map(|byte| format!("{byte:02x}")).collect(),
                };
                self.signed(if mode == 'X' { hex.to_uppercase() } else { hex })
            }
            'f' => self.signed(format!("{:.*}", self.precision.unwrap_or(6), value.to_number()?.as_f64())),
            'e' | 'E' => self.signed(exponent(value.to_number()?.as_f64(), self.precision.unwrap_or(6), mode)),
            'g' | 'G' => self.signed(value.to_number()?.to_string()),
            other => return Err(format!("unsupported format verb {other:?}")),
        };
        Ok(self.pad(shown, mode))
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text,
        }
    }

    fn signed(&self, text: String) -> String {
        match (text.starts_with('-'), self.plus, self.space) {
            (false, true, _) => format!("+{text}"),
            (false, false, true) => format!(" {text}"),
            _ => text,
        }
    }

    fn pad(&self, text: String, mode: char) -> String {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if missing == 0 {
            return text;
        }
        if self.left {
            return text + &" ".repeat(missing);
        }
        if self.zero && !matches!(mode, 's' | 'q' | 'v' | 't') {
            let at = usize::from(text.starts_with(['-', '+', ' ']));
            return format!("{}{}{}", &text[..at], "0".repeat(missing), &text[at..]);
        }
        " ".repeat(missing) + &text
    }
}

fn whole(value: &Value) -> Result<i128, String> {
    match value.to_number()? {
        Number::Whole(value) => Ok(value),
        Number::Fraction(_) => Err("an integer is required".to_owned()),
    }
}

fn radix(value: i128, show: fn(u128) -> String) -> String {
    format!("{}{}", if value < 0 { "-" } else { "" }, show(value.unsigned_abs()))
}

/// C's form: at least two digits in the exponent.
fn exponent(value: f64, precision: usize, mode: char) -> String {
    let shown = format!("{value:.precision$e}");
    let (mantissa, power) = shown.split_once('e').unwrap_or((&shown, "0"));
    let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
    format!("{mantissa}{mode}{sign}{digits:0>2}")
}
