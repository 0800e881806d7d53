//! The challenges of one middleware: issued without being remembered, and each use of one counted.
//!
//! A nonce carries its time and a keyed digest of it, so that asking for many of them costs no memory. Only those that
//! were answered rightly are remembered, with the counts that were used, so that no request is taken twice.

use hmac::{Hmac, KeyInit, Mac};
use rand::random;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A nonce is good for so long.
const NONCE_TIME: Duration = Duration::from_secs(600);
/// Nonces remembered; with more of them in use all start anew.
const NONCES_MAX: usize = 10_000;
/// Counts may come out of order by so much: clients send requests side by side.
const COUNTS: u64 = 64;

/// Bytes of time, chance and digest in a nonce.
const TIME: usize = 8;
const CHANCE: usize = 8;
const DIGEST: usize = 16;

/// The challenges.
pub(super) struct Nonces {
    key: [u8; 32],
    start: Instant,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    /// Nonces older than this are stale.
    floor: Duration,
    nonces: HashMap<[u8; TIME + CHANCE], Counts>,
}

/// The counts that a nonce was used with.
#[derive(Default)]
struct Counts {
    highest: u64,
    /// Bit `n` stands for `highest - n`.
    seen: u64,
}

impl Nonces {
    /// None issued.
    pub(super) fn new(start: Instant) -> Self {
        Self { key: random(), start, used: Mutex::default() }
    }

    /// A fresh one.
    pub(super) fn issue(&self, now: Instant) -> String {
        let mut nonce = [0; TIME + CHANCE];
        let millis = u64::try_from(now.duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        nonce[..TIME].copy_from_slice(&millis.to_be_bytes());
        nonce[TIME..].copy_from_slice(&random::<[u8; CHANCE]>());
        super::hex(&[&nonce[..], &self.digest(&nonce)].concat())
    }

    /// Whether this use of a nonce is good; it is none the second time.
    pub(super) fn take(&self, nonce: &str, count: u64, now: Instant) -> bool {
        let Some(bytes) = bytes(nonce) else { return false };
        let (own, digest) = bytes.split_at(TIME + CHANCE);
        let Ok(own) = <[u8; TIME + CHANCE]>::try_from(own) else { return false };
        if !bool::from(subtle::ConstantTimeEq::ct_eq(digest, &self.digest(&own)[..])) {
            return false;
        }
        let mut time = [0; TIME];
        time.copy_from_slice(&own[..TIME]);
        let (issued, now) = (Duration::from_millis(u64::from_be_bytes(time)), now.duration_since(self.start));
        let mut used = self.used.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if now > issued + NONCE_TIME || issued < used.floor {
            return false;
        }
        if used.nonces.len() >= NONCES_MAX && !used.nonces.contains_key(&own) {
            used.nonces.clear();
            used.floor = now;
            return issued >= now && used.nonces.entry(own).or_default().take(count);
        }
        used.nonces.entry(own).or_default().take(count)
    }

    fn digest(&self, nonce: &[u8]) -> [u8; DIGEST] {
        let mut digest = [0; DIGEST];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) {
            mac.update(nonce);
            digest.copy_from_slice(&mac.finalize().into_bytes()[..DIGEST]);
        }
        digest
    }
}

impl Counts {
    fn take(&mut self, count: u64) -> bool {
        if count > self.highest {
            self.seen = self.seen.checked_shl(u32::try_from(count - self.highest).unwrap_or(u32::MAX)).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let fresh = count > 0 && behind < COUNTS && self.seen & (1 << behind) == 0;
        if fresh {
            self.seen |= 1 << behind;
        }
        fresh
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 2 * (TIME + CHANCE + DIGEST) || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_is_good_once() {
        let start = Instant::now();
        let nonces = Nonces::new(start);
        let nonce = nonces.issue(start);
        let take = |count| nonces.take(&nonce, count, start);
        assert!(take(1) && take(3) && take(2) && take(100));
        assert!(!take(1) && !take(2) && !take(3) && !take(100) && !take(0));
        assert!(take(99) && !take(99) && !take(30), "too far behind");
        assert!(take(u64::MAX) && !take(u64::MAX));
    }

    #[test]
    fn old_and_forged_ones_are_not_good() {
        let start = Instant::now();
        let nonces = Nonces::new(start);
        let nonce = nonces.issue(start);
        assert!(!nonces.take(&nonce, 1, start + NONCE_TIME + Duration::from_secs(1)));
        assert!(!Nonces::new(start).take(&nonce, 1, start));
        let digit = if nonce.ends_with('0') { "1" } else { "0" };
        for forged in
            [format!("{}{digit}", &nonce[..nonce.len() - 1]), nonce[2..].to_owned(), "é".repeat(32), String::new()]
        {
            assert!(!nonces.take(&forged, 1, start), "{forged}");
        }
        assert!(nonces.take(&nonce, 1, start + NONCE_TIME));
    }

    #[test]
    fn too_many_in_use_start_anew_and_none_is_good_twice() {
        let start = Instant::now();
        let nonces = Nonces::new(start);
        let first = nonces.issue(start);
        assert!(nonces.take(&first, 1, start));
        for _ in 1..NONCES_MAX {
            assert!(nonces.take(&nonces.issue(start), 1, start));
        }
        let later = start + Duration::from_secs(1);
        assert!(!nonces.take(&nonces.issue(start), 1, later), "it was issued before");
        assert!(!nonces.take(&first, 1, later) && !nonces.take(&first, 2, later));
        assert!(nonces.take(&nonces.issue(later), 1, later));
    }
}
