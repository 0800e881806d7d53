//! `encodedCharacters`: refuses paths with escapes that servers read in different ways.

use super::{Flow, HeadFilter, Response};
use crate::exchange::Info;
use crate::message::{Fields, RequestHead};
use baton_routing::config::{AllowedEscapes, EncodedCharacters};

/// The middleware.
pub(super) struct Escapes {
    /// As they stand in a path that was normalised.
    denied: Vec<[u8; 3]>,
}

impl Escapes {
    /// From its options.
    pub(super) fn new(options: &AllowedEscapes) -> Self {
        let denied = EncodedCharacters::from(options).denied();
        Self { denied: denied.into_iter().map(|[high, low]| [b'%', high, low]).collect() }
    }
}

impl HeadFilter for Escapes {
    fn request(&self, head: &mut RequestHead<'_>, _: &mut Info) -> Flow {
        if head.path.as_bytes().windows(3).any(|part| self.denied.iter().any(|escape| part == escape)) {
            return Flow::Answer(Box::new(Response::new(400, Fields::default(), "")));
        }
        Flow::Continue
    }
}
