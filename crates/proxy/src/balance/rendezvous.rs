//! Rendezvous hashing: the same client always meets the same member, and when a member goes, only its clients move.

use sha2::{Digest, Sha256};

/// How strongly a client is drawn to a member; the member with the highest score is its own.
///
/// A cryptographic hash, since names and addresses differ in a character or two, which weaker ones do not spread.
pub(crate) fn score(member: &str, weight: u32, client: &str) -> f64 {
    let digest = Sha256::new().chain_update(member).chain_update([0]).chain_update(client).finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    // Between 0 and 1, neither included.
    let even = ((u64::from_be_bytes(bytes) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    f64::from(weight) / -even.ln()
}
