//! A user's password hash, in the kinds that `htpasswd` writes.

use super::apr1;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// A password hash.
#[derive(Debug, PartialEq)]
pub(super) enum Secret {
    /// `$2a$`, `$2b$`, `$2x$`, `$2y$`.
    Bcrypt {
        /// The whole hash.
        hash: String,
        /// Two to this power rounds.
        cost: u32,
    },
    /// `$apr1$` and `$1$`.
    Md5Crypt {
        /// Which of the two.
        magic: &'static str,
        /// At most eight characters.
        salt: String,
        /// 22 characters.
        digest: String,
    },
    /// `{SHA}`: SHA-1 without salt.
    Sha1(Vec<u8>),
    /// Something else, which no password fits.
    Unknown,
}

impl Secret {
    /// Reads a hash.
    pub(super) fn parse(text: &str) -> Self {
        if let Some(digest) = text.strip_prefix("{SHA}") {
            return BASE64_STANDARD.decode(digest).map_or(Self::Unknown, Self::Sha1);
        }
        for magic in ["$apr1$", "$1$"] {
            if let Some((salt, digest)) = text.strip_prefix(magic).and_then(|rest| rest.split_once('$')) {
                return Self::Md5Crypt { magic, salt: salt.chars().take(8).collect(), digest: digest.to_owned() };
            }
        }
        match text.parse::<bcrypt::HashParts>() {
            Ok(parts) => Self::Bcrypt { hash: text.to_owned(), cost: parts.get_cost() },
            Err(_) => Self::Unknown,
        }
    }

    /// Whether `password` is the one that was hashed. Takes as long for a wrong one.
    pub(super) fn accepts(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt { hash, .. } => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Md5Crypt { magic, salt, digest } => {
                apr1::digest(magic, salt.as_bytes(), password).as_bytes().ct_eq(digest.as_bytes()).into()
            }
            Self::Sha1(digest) => Sha1::digest(password)[..].ct_eq(digest).into(),
            Self::Unknown => false,
        }
    }

    /// How long checking takes, compared with others.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Self::Bcrypt { cost, .. } => 2 + cost,
            Self::Md5Crypt { .. } => 2,
            Self::Sha1(_) => 1,
            Self::Unknown => 0,
        }
    }

    /// The bytes that tell this hash from others.
    pub(super) fn identity(&self) -> &[u8] {
        match self {
            Self::Bcrypt { hash, .. } => hash.as_bytes(),
            Self::Md5Crypt { digest, .. } => digest.as_bytes(),
            Self::Sha1(digest) => digest,
            Self::Unknown => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_accepts_its_password_only() {
        let bcrypt = bcrypt::hash("test", 4).unwrap();
        let variants = ["$2a$", "$2b$", "$2y$"].map(|version| bcrypt.replacen("$2b$", version, 1));
        let others =
            ["$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/".to_owned(), "{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=".to_owned()];
        for hash in variants.iter().chain(&others) {
            let secret = Secret::parse(hash);
            assert_ne!(secret, Secret::Unknown, "{hash}");
            assert!(secret.accepts(b"test"), "{hash}");
            for wrong in [&b"tes"[..], b"test1", b"", b"te\0st", &[0xff; 4096]] {
                assert!(!secret.accepts(wrong), "{hash}");
            }
        }
    }

    #[test]
    fn an_unknown_kind_accepts_nothing() {
        for hash in ["", "test", "{SHA}%", "$6$a$b", "$2b$", "$apr1$nodigest", "$2y$99$aaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            let secret = Secret::parse(hash);
            assert!(!secret.accepts(hash.as_bytes()) && !secret.accepts(b""), "{hash}");
        }
    }

    #[test]
    fn costs_are_ordered() {
        let cost = |hash: &str| Secret::parse(hash).cost();
        let (slow, quick) = (bcrypt::hash("a", 5).unwrap(), bcrypt::hash("a", 4).unwrap());
        assert!(cost(&slow) > cost(&quick));
        assert!(cost(&quick) > cost("$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/"));
        assert!(cost("$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/") > cost("{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="));
        assert!(cost("{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=") > cost("plain"));
    }
}
