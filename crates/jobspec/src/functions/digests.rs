//! Hashes, identifiers, passwords.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use uuid::Uuid;

use super::{Args, CallError, Outcome, failed, text};
use crate::eval::{Host, Value};

const DEFAULT_COST: i64 = 10;
/// A cost of 14 takes about a second.
const HIGHEST_COST: i64 = 14;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn md5(args: &Args<'_>) -> Outcome {
    text(hex(&Md5::digest(args.text(0)?)))
}

pub(super) fn sha1(args: &Args<'_>) -> Outcome {
    text(hex(&Sha1::digest(args.text(0)?)))
}

pub(super) fn sha256(args: &Args<'_>) -> Outcome {
    text(hex(&Sha256::digest(args.text(0)?)))
}

pub(super) fn sha512(args: &Args<'_>) -> Outcome {
    text(hex(&Sha512::digest(args.text(0)?)))
}

/// Steps of one hash: each unit of cost doubles them.
pub(super) fn work(values: &[Value]) -> u64 {
    const STEPS: u64 = 8;
    let cost = values.get(1).and_then(|cost| cost.to_number().ok()?.as_i64()).unwrap_or(DEFAULT_COST);
    STEPS << cost.clamp(0, HIGHEST_COST)
}

pub(super) fn bcrypt(args: &Args<'_>, host: &dyn Host) -> Outcome {
    let cost = if args.len() > 1 { args.whole(1)? } else { DEFAULT_COST };
    let cost = u32::try_from(cost.max(4))
        .ok()
        .filter(|_| cost <= HIGHEST_COST)
        .ok_or_else(|| CallError::Argument(1, format!("the cost must not be above {HIGHEST_COST}")))?;
    let salt = host.random_bytes().map_err(CallError::Failed)?;
    match bcrypt::hash_with_salt(args.text(0)?, cost, salt) {
        Ok(hash) => text(hash.format_for_version(bcrypt::Version::TwoA)),
        Err(why) => failed(format!("error occurred generating password: {why}")),
    }
}

/// Would need a key in the job file; nothing in Baton should encourage that.
pub(super) fn rsadecrypt(_: &Args<'_>) -> Outcome {
    failed("rsadecrypt is not supported; put the secret into a file that the task reads")
}

pub(super) fn uuidv4(_: &Args<'_>, host: &dyn Host) -> Outcome {
    let random = host.random_bytes().map_err(CallError::Failed)?;
    text(uuid::Builder::from_random_bytes(random).into_uuid().to_string())
}

/// The namespace is `dns`, `url`, `oid`, `x500` or a UUID.
pub(super) fn uuidv5(args: &Args<'_>) -> Outcome {
    let namespace = match args.text(0)?.as_str() {
        "dns" => Uuid::NAMESPACE_DNS,
        "url" => Uuid::NAMESPACE_URL,
        "oid" => Uuid::NAMESPACE_OID,
        "x500" => Uuid::NAMESPACE_X500,
        other => Uuid::parse_str(other)
            .map_err(|_| CallError::Argument(0, format!("uuidv5() doesn't support namespace {other}")))?,
    };
    text(Uuid::new_v5(&namespace, args.text(1)?.as_bytes()).to_string())
}
