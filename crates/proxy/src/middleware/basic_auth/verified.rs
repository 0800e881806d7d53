//! What was checked already: a bounded set of keyed digests.

use super::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard};

/// Passwords remembered per middleware; the oldest makes room.
const REMEMBERED_MAX: usize = 1024;

/// HMAC-SHA-256 of user, hash and password.
type Digest = [u8; 32];

/// Passwords that were right. The key is drawn at random for each set, so its content means nothing elsewhere.
pub(super) struct Verified {
    key: [u8; 64],
    digests: Mutex<Digests>,
}

#[derive(Default)]
struct Digests {
    known: HashSet<Digest>,
    by_age: VecDeque<Digest>,
}

impl Verified {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { key: rand::random(), digests: Mutex::default() }
    }

    /// Whether this password was right for this hash before.
    pub(super) fn holds(&self, user: &str, secret: &Secret, password: &[u8]) -> bool {
        let digest = self.digest(user, secret, password);
        self.lock().known.contains(&digest)
    }

    /// Remembers that it was.
    pub(super) fn remember(&self, user: &str, secret: &Secret, password: &[u8]) {
        let digest = self.digest(user, secret, password);
        let mut digests = self.lock();
        if !digests.known.insert(digest) {
            return;
        }
        digests.by_age.push_back(digest);
        if digests.by_age.len() > REMEMBERED_MAX
            && let Some(oldest) = digests.by_age.pop_front()
        {
            digests.known.remove(&oldest);
        }
    }

    fn digest(&self, user: &str, secret: &Secret, password: &[u8]) -> Digest {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        for part in [user.as_bytes(), secret.identity(), password] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn lock(&self) -> MutexGuard<'_, Digests> {
        self.digests.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_hash_and_password_all_count() {
        let verified = Verified::new();
        let (one, other) = (Secret::Sha1(vec![1]), Secret::Sha1(vec![2]));
        verified.remember("ann", &one, b"x");
        assert!(verified.holds("ann", &one, b"x"));
        assert!(!verified.holds("ann", &other, b"x"));
        assert!(!verified.holds("bob", &one, b"x"));
        assert!(!verified.holds("ann", &one, b"y"));
        assert!(!Verified::new().holds("ann", &one, b"x"));
    }

    #[test]
    fn the_oldest_makes_room() {
        let verified = Verified::new();
        let secret = Secret::Sha1(vec![1]);
        for index in 0..=REMEMBERED_MAX {
            verified.remember("ann", &secret, &index.to_be_bytes());
            verified.remember("ann", &secret, &index.to_be_bytes());
        }
        assert!(!verified.holds("ann", &secret, &0usize.to_be_bytes()));
        assert!(verified.holds("ann", &secret, &1usize.to_be_bytes()));
        assert!(verified.holds("ann", &secret, &REMEMBERED_MAX.to_be_bytes()));
        assert_eq!(verified.lock().known.len(), REMEMBERED_MAX);
    }
}
