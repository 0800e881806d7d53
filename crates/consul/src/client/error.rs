//! What can go wrong between here and Consul.

use crate::decode::DecodeError;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error("consul address {address:?} cannot be used: {reason}")]
    Address { address: String, reason: String },
    #[error("TLS towards consul cannot be set up: {0}")]
    Tls(String),
    /// No answer, or half of one.
    #[error("consul did not answer {call}: {}", causes(.source))]
    Transport { call: String, source: reqwest::Error },
    /// Consul said no.
    #[error("consul answered {status} to {call}: {text}")]
    Refused { call: String, status: u16, text: String },
    #[error("consul's answer to {call} cannot be understood: {source}")]
    Body { call: String, source: DecodeError },
    #[error("consul's answer to {call} is larger than {limit} bytes")]
    TooLarge { call: String, limit: usize },
}

impl Error {
    /// Whether the same call may succeed later: nobody answered, or the cluster has no leader now.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }

    /// The status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// An HTTP client hides the reason that helps (connection refused) at the end of its chain.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
