//! Times as people read them.

use baton_model::{Nanos, Timestamp};

/// The present.
pub fn now() -> Timestamp {
    Timestamp(i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX))
}

/// `17h35m ago`: the two largest units, as in Nomad's tables.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    if then.is_never() { "N/A".to_owned() } else { format!("{} ago", short(now.since(then))) }
}

/// The two largest units of a duration, whole seconds: `17h35m`, `2m5s`, `1mo3d`.
pub fn short(duration: Nanos) -> String {
    let seconds = duration.0.max(0) / 1_000_000_000;
    let units = [(31_536_000, "y"), (2_592_000, "mo"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(size, _)| seconds >= *size) else { return "0s".to_owned() };
    let (size, name) = units[first];
    let mut text = format!("{}{name}", seconds / size);
    if let Some((next, next_name)) = units.get(first + 1) {
        let rest = seconds % size / next;
        if rest > 0 {
            text += &format!("{rest}{next_name}");
        }
    }
    text
}

/// `2026-11-22T16:33:00Z` in UTC; `N/A` when never.
pub fn date(time: Timestamp) -> String {
    if time.is_never() { "N/A".to_owned() } else { Timestamp(time.0 / 1_000_000_000 * 1_000_000_000).to_rfc3339() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (125, "2m5s"),
            (63_300, "17h35m"),
            (90_000, "1d1h"),
            (2_678_400, "1mo1d"),
        ] {
            assert_eq!(short(Nanos::secs(seconds)), text);
        }
    }
}
