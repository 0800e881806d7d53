//! Query parameters read in place: `a=1&b=%20`, `+` meaning a space.

use std::borrow::Cow;

/// One encoded part of a query.
#[derive(Clone, Copy)]
pub(super) struct Encoded<'a>(&'a str);

/// Values of a parameter in order; a parameter without `=` has an empty value.
pub(super) fn values<'a>(query: &'a str, name: &str) -> impl Iterator<Item = Encoded<'a>> {
    query.split('&').filter(|pair| !pair.is_empty()).filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Encoded(key).equals(name).then_some(Encoded(value))
    })
}

impl<'a> Encoded<'a> {
    /// Compares the decoded bytes without building them.
    pub(super) fn equals(self, text: &str) -> bool {
        self.bytes().eq(text.bytes())
    }

    pub(super) fn decoded(self) -> Cow<'a, str> {
        if !self.0.contains(['%', '+']) {
            return Cow::Borrowed(self.0);
        }
        let bytes: Vec<u8> = self.bytes().collect();
        Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    /// Decoded bytes; an incomplete escape stands for itself.
    fn bytes(self) -> impl Iterator<Item = u8> + 'a {
        let mut rest = self.0.as_bytes();
        std::iter::from_fn(move || {
            let (&first, tail) = rest.split_first()?;
            let digit = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16));
            if first == b'%'
                && let (Some(high), Some(low)) = (digit(tail.first()), digit(tail.get(1)))
            {
                rest = &tail[2..];
                return Some((high * 16 + low) as u8);
            }
            rest = tail;
            Some(if first == b'+' { b' ' } else { first })
        })
    }
}
