//! Points in time. The API knows two forms: integer nanoseconds since the epoch, and RFC 3339 text.

use serde::{Deserialize, Serialize};

use crate::Nanos;

/// Nanoseconds since the Unix epoch; 0 means "never". In JSON a bare integer; see [`rfc3339`] for the text form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub const NEVER: Self = Self(0);

    pub fn is_never(self) -> bool {
        self.0 == 0
    }

    /// This time plus `after`, saturating.
    #[must_use]
    pub fn plus(self, after: Nanos) -> Self {
        Self(self.0.saturating_add(after.0))
    }

    /// The time from `earlier` to this one; negative when `earlier` is later.
    pub fn since(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 in UTC; "never" is Go's zero time.
    pub fn to_rfc3339(self) -> String {
        if self.is_never() {
            return ZERO_TIME.to_owned();
        }
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).map_or_else(|_| ZERO_TIME.to_owned(), |t| t.to_string())
    }

    /// Reads RFC 3339; Go's zero time is "never".
    pub fn from_rfc3339(text: &str) -> Result<Self, jiff::Error> {
        if text.is_empty() || text == ZERO_TIME {
            return Ok(Self::NEVER);
        }
        let time: jiff::Timestamp = text.parse()?;
        Ok(Self(i64::try_from(time.as_nanosecond()).unwrap_or(0)))
    }
}

/// How Go prints a time that was never set.
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// `#[serde(with = "rfc3339")]` for fields that are text in the API.
pub mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Timestamp;

    pub fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&time.to_rfc3339())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = Option::<String>::deserialize(from)?.unwrap_or_default();
        Timestamp::from_rfc3339(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_time_is_never() {
        assert_eq!(Timestamp::NEVER.to_rfc3339(), ZERO_TIME);
        assert_eq!(Timestamp::from_rfc3339(ZERO_TIME).unwrap(), Timestamp::NEVER);
    }

    #[test]
    fn text_form_round_trips() {
        let time = Timestamp(1_700_000_000_123_456_789);
        assert_eq!(time.to_rfc3339(), "2023-11-14T22:13:20.123456789Z");
        assert_eq!(Timestamp::from_rfc3339(&time.to_rfc3339()).unwrap(), time);
    }
}
