//! What is wrong with an object of a configuration, in words that a person can act on.
//!
//! Front ends add problems while they read, the compiler adds what only shows when objects are put together.

use serde::{Deserialize, Serialize};

/// The kinds of configured objects, in the words that the read API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    EntryPoint,
    Router,
    Service,
    Middleware,
    ServersTransport,
    TlsOptions,
    TlsStore,
    Certificate,
    TcpRouter,
    TcpService,
    TcpMiddleware,
    TcpServersTransport,
    UdpRouter,
    UdpService,
}

/// One object by kind and qualified name (`name@provider`; entry points have a plain name).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    pub kind: Kind,
    pub name: String,
}

impl ObjectRef {
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

/// What a problem does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The object works; something about it deserves attention.
    Warning,
    /// The object does not take part: a router is left out (requests get 404 or another router).
    Disabled,
    /// Using the object answers 503: leaving it out could open what it was meant to protect.
    Closed,
}

/// One thing that is wrong, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub object: ObjectRef,
    pub severity: Severity,
    /// Lower-case sentence without final stop.
    pub message: String,
}

impl Problem {
    pub fn new(kind: Kind, name: impl Into<String>, severity: Severity, message: impl Into<String>) -> Self {
        Self { object: ObjectRef::new(kind, name), severity, message: message.into() }
    }
}

/// The state of an object as the read API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Enabled,
    Warning,
    Disabled,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Warning => "warning",
            Self::Disabled => "disabled",
        }
    }
}
