//! Escapes of characters that servers read in different ways.

use super::record::record;

/// Declares both sets of options from one list of options with the escapes that they allow.
macro_rules! escapes {
    ($($field:ident: $pair:literal,)*) => {
        record! {
            /// Which percent-encoded reserved characters a request's path may hold at an entry point; others get 400.
            pub struct EncodedCharacters {
                $(pub $field: bool = true,)*
            }
        }

        record! {
            /// The same for a middleware, where only what is named is allowed.
            pub struct AllowedEscapes {
                $(pub $field: bool,)*
            }
        }

        impl EncodedCharacters {
            /// The escapes that are refused, as upper-case hex pairs.
            pub fn denied(&self) -> Vec<[u8; 2]> {
                [$((self.$field, *$pair),)*].into_iter().filter(|(allowed, _)| !allowed).map(|(_, pair)| pair).collect()
            }
        }

        impl From<&AllowedEscapes> for EncodedCharacters {
            fn from(options: &AllowedEscapes) -> Self {
                Self { $($field: options.$field,)* }
            }
        }
    };
}

escapes! {
    allow_encoded_slash: b"2F",
    allow_encoded_back_slash: b"5C",
    allow_encoded_null_character: b"00",
    allow_encoded_semicolon: b"3B",
    allow_encoded_percent: b"25",
    allow_encoded_question_mark: b"3F",
    allow_encoded_hash: b"23",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_middleware_denies_what_it_does_not_name() {
        assert!(EncodedCharacters::default().denied().is_empty());
        let slashes = AllowedEscapes { allow_encoded_slash: true, ..AllowedEscapes::default() };
        let denied = EncodedCharacters::from(&slashes).denied();
        assert_eq!((denied.len(), denied.contains(b"2F"), denied.contains(b"00")), (6, false, true));
    }
}
