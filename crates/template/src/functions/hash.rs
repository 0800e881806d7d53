//! Digests, as lower-case hexadecimal.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{Row, args};
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("sha256Hex", 1, 1, |_, a| digest::<Sha256>(a)),
    ("md5sum", 1, 1, |_, a| digest::<Md5>(a)),
    ("hmacSHA256Hex", 2, 2, |_, a| {
        let (message, key) = (args::text(a, 0)?, args::text(a, 1)?);
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|error| error.to_string())?;
        mac.update(message.as_bytes());
        Ok(hex(&mac.finalize().into_bytes()).into())
    }),
];

pub(crate) const SPRIG: &[Row] = &[
    ("sha1sum", 1, 1, |_, a| digest::<Sha1>(a)),
    ("sha256sum", 1, 1, |_, a| digest::<Sha256>(a)),
    ("sha512sum", 1, 1, |_, a| digest::<Sha512>(a)),
];

fn digest<D: Digest>(a: &[Value]) -> Result<Value, String> {
    let text = args::text(a, 0)?;
    Ok(hex(&D::digest(text.as_bytes())).into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
