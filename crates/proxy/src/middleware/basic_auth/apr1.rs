//! The MD5-based password hash of FreeBSD's `crypt` (`$1$`) and Apache's variant of it (`$apr1$`).

use md5::{Digest, Md5};

/// Rounds of the loop that makes guessing slower.
const ROUNDS: usize = 1000;
/// Characters of the encoded digest, by value.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Bytes of the digest that make up four characters each, lowest six bits first.
const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// The 22 characters after `<magic><salt>$`.
pub(super) fn digest(magic: &str, salt: &[u8], password: &[u8]) -> String {
    let mixed = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut first = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for part in password.chunks(mixed.len()) {
        first.update(&mixed[..part.len()]);
    }
    let mut length = password.len();
    while length > 0 {
        let byte = if length & 1 == 1 { 0 } else { password[0] };
        first.update([byte]);
        length >>= 1;
    }
    let mut digest = first.finalize();
    for round in 0..ROUNDS {
        let mut next = Md5::new();
        let odd = round % 2 == 1;
        if odd {
            next.update(password)
        } else {
            next.update(digest)
        }
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        if odd {
            next.update(digest)
        } else {
            next.update(password)
        }
        digest = next.finalize();
    }
    let mut text = String::with_capacity(22);
    for [high, middle, low] in GROUPS {
        let bits = u32::from(digest[high]) << 16 | u32::from(digest[middle]) << 8 | u32::from(digest[low]);
        encode(bits, 4, &mut text);
    }
    encode(u32::from(digest[11]), 2, &mut text);
    text
}

fn encode(mut bits: u32, characters: usize, text: &mut String) {
    for _ in 0..characters {
        text.push(char::from(ALPHABET[(bits & 63) as usize]));
        bits >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with `openssl passwd -apr1` and `openssl passwd -1`.
    #[test]
    fn agrees_with_other_tools() {
        assert_eq!(digest("$apr1$", b"H6uskkkW", b"test"), "IgXLP6ewTrSuBkTrqE8wj/");
        let long = b"a longer password of more than sixteen bytes";
        assert_eq!(digest("$apr1$", b"abcdefgh", b""), "L.PT565ESX4Tp2bqNs7Ie.");
        assert_eq!(digest("$apr1$", b"abcdefgh", b"x"), "82JubPF2dQkt1tVfvLnXS.");
        assert_eq!(digest("$apr1$", b"abcdefgh", long), "Bzx3dru/Wz5AFIeQ4D8sE/");
        assert_eq!(digest("$1$", b"abcdefgh", b""), "M55TzYaaccxVGbptZWaxX/");
        assert_eq!(digest("$1$", b"abcdefgh", long), "qBGDq8j2sJbykz5uvoJJ/1");
    }
}
