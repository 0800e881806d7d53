//! Why the server refuses or fails.

use baton_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The thing named is not there; the text is what API clients look for.
    #[error("{0}")]
    NotFound(String),
    /// The request itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The caller asked to go on only if something holds, and it does not.
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A write that did not reach the store, told to everyone whose command was in it.
    #[error("{0}")]
    NotWritten(String),
    #[error("the server is shutting down")]
    Stopped,
    #[error("the server has {0} commands waiting; try again")]
    Busy(usize),
    #[error("internal error while {0}; nothing was changed")]
    Internal(String),
}

impl ServerError {
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound(what.into())
    }

    pub fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }
}
