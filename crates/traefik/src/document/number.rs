//! Numbers, truth values and dates that stand without quotes, in the words that options see.
//!
//! Traefik reads its files into untyped values first and writes them as text again for the options: `0x10` is
//! `16` then, `1e3` is `1000` and `1.10` is `1.100000`. The same is done here, so that both see the same text.

use super::Value;

/// A YAML scalar without quotes (YAML 1.2 with the octal numbers of 1.1).
pub(super) fn plain(text: &str) -> Value {
    let scalar = |text: String| Value::Scalar { text, plain: true };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return scalar("true".to_owned()),
        "false" | "False" | "FALSE" => return scalar("false".to_owned()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return scalar("+Inf".to_owned()),
        "-.inf" | "-.Inf" | "-.INF" => return scalar("-Inf".to_owned()),
        ".nan" | ".NaN" | ".NAN" => return scalar("NaN".to_owned()),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-')) {
        return scalar(text.to_owned());
    }
    if is_date(text) {
        return Value::Date;
    }
    let digits = text.replace('_', "");
    let number = integer(&digits).or_else(|| float(&digits));
    scalar(number.unwrap_or_else(|| text.to_owned()))
}

/// A whole number of any base that fits into 64 bits, in decimal.
fn integer(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = rest.to_ascii_lowercase();
    let (digits, base) = match (lower.get(..2), lower.strip_prefix('0')) {
        (Some("0x"), _) => (&lower[2..], 16),
        (Some("0o"), _) => (&lower[2..], 8),
        (Some("0b"), _) => (&lower[2..], 2),
        (_, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (lower.as_str(), 10),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    let fits = sign.is_empty() || magnitude <= i64::MIN.unsigned_abs();
    fits.then(|| if magnitude == 0 { "0".to_owned() } else { format!("{sign}{magnitude}") })
}

fn float(text: &str) -> Option<String> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let number = mantissa.trim_start_matches(['+', '-']);
    let shaped = number.starts_with(|c: char| c.is_ascii_digit())
        || number.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let signed_once = mantissa.len() - number.len() <= 1;
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let whole = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let parts =
        number.bytes().filter(|b| *b == b'.').count() <= 1 && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (shaped && signed_once && parts && whole(exponent)).then(|| shortest(text))
}

/// Six decimals, or none if they are all zero.
pub(super) fn shortest(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if number.is_infinite() => if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        Ok(number) if number.is_nan() => "NaN".to_owned(),
        Ok(number) => {
            let long = format!("{number:.6}");
            long.strip_suffix(".000000").map_or_else(|| long.clone(), str::to_owned)
        }
        Err(_) => text.to_owned(),
    }
}

/// `2020-1-2`, alone or followed by a time.
fn is_date(text: &str) -> bool {
    let (date, time) = match text.find([' ', 't', 'T']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let number = |text: &str, len: std::ops::RangeInclusive<usize>, max: u32| {
        len.contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse::<u32>().is_ok_and(|n| n <= max)
    };
    let [year, month, day] = parts.as_slice() else { return false };
    let dated = number(year, 4..=4, 9999) && number(month, 1..=2, 12) && number(day, 1..=2, 31);
    let timed = |time: &str| {
        let clock = time.trim_start().split(['.', 'Z', '+', '-', ' ']).next().unwrap_or_default();
        let parts: Vec<&str> = clock.split(':').collect();
        matches!(parts.as_slice(), [h, m, s] if number(h, 1..=2, 23) && number(m, 1..=2, 59) && number(s, 1..=2, 59))
    };
    dated && time.is_none_or(timed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_read_as_traefik_reads_them() {
        for (text, seen) in [
            ("True", "true"),
            ("yes", "yes"),
            ("0x10", "16"),
            ("0o17", "15"),
            ("017", "15"),
            ("08", "8"),
            ("0b11", "3"),
            ("1_000", "1000"),
            ("+5", "5"),
            ("-5", "-5"),
            ("1e3", "1000"),
            ("1.10", "1.100000"),
            ("5.", "5"),
            (".5", "0.500000"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10s", "10s"),
            ("-", "-"),
            ("1-2", "1-2"),
            ("500-599", "500-599"),
            ("9223372036854775807", "9223372036854775807"),
            ("18446744073709551616", "18446744073709551616"),
            (".inf", "+Inf"),
        ] {
            assert_eq!(plain(text), Value::Scalar { text: seen.to_owned(), plain: true }, "{text}");
        }
        for text in ["", "~", "null"] {
            assert_eq!(plain(text), Value::Null);
        }
        for text in ["2020-01-01", "2020-1-2", "2020-01-01 10:00:00", "2020-01-01T10:00:00Z"] {
            assert_eq!(plain(text), Value::Date, "{text}");
        }
        for text in ["2020-13-01", "2020-01-01x", "20200-01-01", "2020-01"] {
            assert_ne!(plain(text), Value::Date, "{text}");
        }
    }
}
