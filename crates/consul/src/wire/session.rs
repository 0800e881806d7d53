//! Sessions: what locks are held by.

use baton_model::Nanos;
use serde::{Deserialize, Deserializer, Serialize};

use super::Text;

/// What happens to a session's locks when it is invalidated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behavior {
    /// Keys stay, unlocked.
    #[default]
    Release,
    /// Keys are deleted.
    Delete,
}

/// A service-level check that a session hangs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceCheckRef {
    #[serde(rename = "ID")]
    pub id: String,
    pub namespace: String,
}

/// A live session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Session {
    #[serde(rename = "ID")]
    pub id: String,
    pub name: String,
    pub node: String,
    /// How long the session's locks stay closed to others after it was invalidated.
    pub lock_delay: Nanos,
    pub behavior: Behavior,
    /// Text such as `10s`; empty means the session never expires by time.
    #[serde(rename = "TTL")]
    pub ttl: String,
    pub node_checks: Vec<String>,
    pub service_checks: Option<Vec<ServiceCheckRef>>,
    pub create_index: u64,
    pub modify_index: u64,
}

/// `PUT /v1/session/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SessionRequest {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lock_delay")]
    pub lock_delay: Option<Text>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub behavior: String,
    #[serde(rename = "TTL", skip_serializing_if = "String::is_empty")]
    pub ttl: String,
    /// The older name of `NodeChecks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_checks: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_checks: Option<Vec<ServiceCheckRef>>,
    /// Enterprise; ignored.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// Numbers below 1000 mean seconds, larger ones nanoseconds, as Consul reads them.
fn lock_delay<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text>, D::Error> {
    const SECONDS_BELOW: i64 = 1_000;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(i64),
        Fraction(f64),
        Text(Text),
    }
    Ok(Option::<Form>::deserialize(deserializer)?.map(|form| match form {
        Form::Number(n) if n.abs() < SECONDS_BELOW => Text(Nanos::secs(n)),
        Form::Number(n) => Text(Nanos(n)),
        Form::Fraction(n) if n.abs() < SECONDS_BELOW as f64 => Text(Nanos((n * 1e9) as i64)),
        Form::Fraction(n) => Text(Nanos(n as i64)),
        Form::Text(text) => text,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_delay_as_text_seconds_or_nanoseconds() {
        let read = |json: &str| serde_json::from_str::<SessionRequest>(json).unwrap().lock_delay.map(|t| t.0.0);
        assert_eq!(read(r#"{"LockDelay":"2s"}"#), Some(2_000_000_000));
        assert_eq!(read(r#"{"LockDelay":5}"#), Some(5_000_000_000));
        assert_eq!(read(r#"{"LockDelay":5000000}"#), Some(5_000_000));
        assert_eq!(read(r#"{"LockDelay":1.5}"#), Some(1_500_000_000));
        assert_eq!(read("{}"), None);
    }
}
