//! `encodedCharacters`: refuses paths with escapes that servers read in different ways.

use super::{Flow, HeadFilter, Response};
use crate::exchange::Info;
use crate::message::{Fields, RequestHead};
use baton_routing::config::AllowedEscapes;

/// The middleware.
pub(super) struct Escapes {
    /// As they stand in a path that was normalised.
    denied: Vec<[u8; 3]>,
}

impl Escapes {
    /// From its options.
    pub(super) fn new(options: &AllowedEscapes) -> Self {
        let all = [
            (options.allow_encoded_slash, b"%2F"),
            (options.allow_encoded_back_slash, b"%5C"),
            (options.allow_encoded_null_character, b"%00"),
            (options.allow_encoded_semicolon, b"%3B"),
            (options.allow_encoded_percent, b"%25"),
            (options.allow_encoded_question_mark, b"%3F"),
            (options.allow_encoded_hash, b"%23"),
        ];
        Self { denied: all.into_iter().filter(|(allowed, _)| !allowed).map(|(_, escape)| *escape).collect() }
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
