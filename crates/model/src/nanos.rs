//! Durations with Go's text form, the unit of every duration in job files and API bodies.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A signed duration in nanoseconds. In JSON a bare integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub i64);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NanosError {
    #[error("invalid duration {0:?}")]
    Invalid(String),
    #[error("missing unit in duration {0:?}")]
    MissingUnit(String),
    #[error("unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit { unit: String, text: String },
}

impl Nanos {
    pub const ZERO: Self = Self(0);

    pub const fn secs(secs: i64) -> Self {
        Self(secs * 1_000_000_000)
    }

    pub const fn millis(millis: i64) -> Self {
        Self(millis * 1_000_000)
    }

    pub const fn minutes(minutes: i64) -> Self {
        Self::secs(minutes * 60)
    }

    pub const fn hours(hours: i64) -> Self {
        Self::minutes(hours * 60)
    }

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// As a standard duration; negative values become zero.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// From a standard duration; values beyond 292 years saturate.
    pub fn from_std(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// Go's `time.Duration.String`: `1h30m0s`, `1.5s`, `20ms`, `0s`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.unsigned_abs();
        if total == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let fraction = |f: &mut fmt::Formatter<'_>, value: u64, unit: u64, suffix: &str| {
            let rest = value % unit;
            write!(f, "{}", value / unit)?;
            if rest > 0 {
                let width = unit.ilog10() as usize;
                let digits = format!("{rest:0width$}");
                write!(f, ".{}", digits.trim_end_matches('0'))?;
            }
            f.write_str(suffix)
        };
        match total {
            0..1_000 => write!(f, "{total}ns"),
            1_000..1_000_000 => fraction(f, total, 1_000, "µs"),
            1_000_000..1_000_000_000 => fraction(f, total, 1_000_000, "ms"),
            _ => {
                let minutes = total / 60_000_000_000;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                fraction(f, total % 60_000_000_000, 1_000_000_000, "s")
            }
        }
    }
}

/// Go's `time.ParseDuration`: signed decimals with units `ns us µs ms s m h`; a bare `0` is allowed.
impl FromStr for Nanos {
    type Err = NanosError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || NanosError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u128 = 0;
        while !rest.is_empty() {
            let number_len = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let (number, tail) = rest.split_at(number_len);
            let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_len);
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
                return Err(invalid());
            }
            let scale: u128 = match unit {
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                "" => return Err(NanosError::MissingUnit(text.to_owned())),
                other => return Err(NanosError::UnknownUnit { unit: other.to_owned(), text: text.to_owned() }),
            };
            let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
            total = whole.checked_mul(scale).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
            // Digits beyond a nanosecond of an hour cannot matter; the limit keeps the power in range.
            let fraction = &fraction[..fraction.len().min(18)];
            if !fraction.is_empty() {
                let digits: u128 = fraction.parse().map_err(|_| invalid())?;
                total += digits * scale / 10u128.pow(fraction.len() as u32);
            }
            rest = tail;
        }
        let value = i64::try_from(total).map_err(|_| invalid())?;
        Ok(Self(if negative { -value } else { value }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_go_parses() {
        for (text, nanos) in [
            ("0", 0),
            ("1h30m", 5_400_000_000_000),
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("-2m", -120_000_000_000),
            (".5s", 500_000_000),
            ("1us", 1_000),
            ("1µs", 1_000),
        ] {
            assert_eq!(text.parse::<Nanos>(), Ok(Nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        assert!(matches!("5".parse::<Nanos>(), Err(NanosError::MissingUnit(_))));
        assert!(matches!("1d".parse::<Nanos>(), Err(NanosError::UnknownUnit { .. })));
        for text in ["", "-", "s", "1.2.3s", "99999999999h", "abc", " 1s"] {
            assert!(text.parse::<Nanos>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn shows_as_go_does() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (20_000_000, "20ms"),
            (1_500_000_000, "1.5s"),
            (5_400_000_000_000, "1h30m0s"),
            (60_000_000_000, "1m0s"),
            (-15_000_000_000, "-15s"),
        ] {
            assert_eq!(Nanos(nanos).to_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn text_form_round_trips(nanos in -i64::MAX..i64::MAX) {
            proptest::prop_assert_eq!(Nanos(nanos).to_string().parse::<Nanos>(), Ok(Nanos(nanos)));
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = text.parse::<Nanos>();
        }
    }
}
