//! Durations in Go's notation (`1h30m`, `250ms`), where a bare number means seconds.

use std::{fmt, ops::Deref, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time that reads and shows itself as Go's `time.Duration` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timespan(pub Duration);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write a number with a unit (ns, us, ms, s, m, h), such as \"1m30s\", or seconds")]
pub struct TimespanError(pub String);

impl Timespan {
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl Deref for Timespan {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<Duration> for Timespan {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Timespan {
    type Err = TimespanError;

    /// Accepts `5`, `1.5s`, `1h30m`, `+2ms`; refuses negative lengths and everything else.
    fn from_str(text: &str) -> Result<Self, TimespanError> {
        let error = || TimespanError(text.to_owned());
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if let Ok(secs) = rest.parse::<u64>() {
            return if i64::try_from(secs).is_ok() { Ok(Self::from_secs(secs)) } else { Err(error()) };
        }
        if rest.is_empty() {
            return Err(error());
        }
        let mut total = 0f64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
            let number: f64 = rest[..digits].parse().map_err(|_| error())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            total += number * nanos_of(&rest[..letters]).ok_or_else(error)?;
            rest = &rest[letters..];
        }
        // The range of Go's signed 64-bit nanoseconds.
        if total > i64::MAX as f64 {
            return Err(error());
        }
        Ok(Self(Duration::from_nanos(total.round() as u64)))
    }
}

fn nanos_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    })
}

impl fmt::Display for Timespan {
    /// Go's shortest form with all lower units: `1m0s`, `1.5s`, `250ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let decimal = |value: u128, unit: u128| {
            let (whole, part) = (value / unit, value % unit);
            if part == 0 {
                return whole.to_string();
            }
            let width = unit.ilog10() as usize;
            format!("{whole}.{}", format!("{part:0width$}").trim_end_matches('0'))
        };
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let minutes = nanos / 60_000_000_000;
                let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
                match (minutes / 60, minutes % 60) {
                    (0, 0) => write!(f, "{seconds}s"),
                    (0, m) => write!(f, "{m}m{seconds}s"),
                    (h, m) => write!(f, "{h}h{m}m{seconds}s"),
                }
            }
        }
    }
}

impl Serialize for Timespan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timespan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Timespan;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"1m30s\", or seconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timespan, E> {
                text.parse().map_err(E::custom)
            }

            /// For readers that know nothing of durations.
            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Timespan, D::Error> {
                inner.deserialize_any(self)
            }

            fn visit_u64<E: de::Error>(self, secs: u64) -> Result<Timespan, E> {
                Ok(Timespan::from_secs(secs))
            }

            fn visit_i64<E: de::Error>(self, secs: i64) -> Result<Timespan, E> {
                u64::try_from(secs).map(Timespan::from_secs).map_err(|_| E::custom(TimespanError(secs.to_string())))
            }

            fn visit_f64<E: de::Error>(self, secs: f64) -> Result<Timespan, E> {
                Duration::try_from_secs_f64(secs).map(Timespan).map_err(|_| E::custom(TimespanError(secs.to_string())))
            }
        }
        deserializer.deserialize_newtype_struct("Timespan", Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_notation() {
        for (text, millis) in
            [("5", 5000), ("1h30m", 5_400_000), ("1.5s", 1500), ("250ms", 250), ("0", 0), ("2m0.5s", 120_500)]
        {
            assert_eq!(text.parse::<Timespan>().unwrap(), Timespan::from_millis(millis), "{text}");
        }
        for text in ["", "-1s", "1x", "s", "1.2.3s", "1 s", "10000000000h"] {
            assert!(text.parse::<Timespan>().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_go_notation() {
        for (millis, text) in
            [(0, "0s"), (60_000, "1m0s"), (1500, "1.5s"), (250, "250ms"), (7_776_000_000, "2160h0m0s"), (100, "100ms")]
        {
            assert_eq!(Timespan::from_millis(millis).to_string(), text);
        }
        assert_eq!(Timespan(Duration::from_nanos(9_998_971_895)).to_string(), "9.998971895s");
    }
}
