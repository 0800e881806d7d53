//! One field line: borrowed from the input or owned.

use super::Known;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};

/// A field name.
#[derive(Debug, Clone)]
pub enum Name<'b> {
    /// As it stands in the input.
    Ref(&'b str),
    /// Owned or well-known.
    Header(HeaderName),
}

impl Name<'_> {
    /// The name as spelled; case is not significant.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ref(name) => name,
            Self::Header(name) => name.as_str(),
        }
    }

    /// Its class.
    pub fn known(&self) -> Known {
        Known::of(self.as_str())
    }
}

impl From<HeaderName> for Name<'_> {
    fn from(name: HeaderName) -> Self {
        Self::Header(name)
    }
}

/// A field value.
#[derive(Debug, Clone)]
pub enum Value<'b> {
    /// As it stands in the input, or static.
    Ref(&'b [u8]),
    /// Owned.
    Shared(Bytes),
    /// Owned, as hyper and h2 hold it.
    Header(HeaderValue),
}

impl Value<'_> {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ref(value) => value,
            Self::Shared(value) => value,
            Self::Header(value) => value.as_bytes(),
        }
    }
}

impl From<HeaderValue> for Value<'_> {
    fn from(value: HeaderValue) -> Self {
        Self::Header(value)
    }
}

impl<'b> From<&'b str> for Value<'b> {
    fn from(value: &'b str) -> Self {
        Self::Ref(value.as_bytes())
    }
}

/// Text that was put together here. Line ends and NUL in it become spaces: whatever a configuration says or a client wrote in
/// escapes, a value stays one value.
impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        let mut bytes = value.into_bytes();
        bytes.iter_mut().filter(|byte| breaks(byte)).for_each(|byte| *byte = b' ');
        Self::Shared(Bytes::from(bytes))
    }
}

impl From<Bytes> for Value<'_> {
    fn from(value: Bytes) -> Self {
        Self::Shared(value)
    }
}

/// One field line.
#[derive(Debug, Clone)]
pub struct Field<'b> {
    /// Name as received.
    pub name: Name<'b>,
    /// Value without surrounding white space.
    pub value: Value<'b>,
    /// Class of the name.
    pub known: Known,
}
