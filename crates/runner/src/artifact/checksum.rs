//! Checksums: `sha256:HEX`, or bare hex whose length tells the kind.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::ArtifactError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// What a file's bytes must hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    kind: Kind,
    hex: String,
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.hex)
    }
}

impl Kind {
    const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_len(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl Checksum {
    /// Reads the text; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, hex) = match text.split_once(':') {
            Some((name, hex)) => (Kind::ALL.into_iter().find(|kind| kind.name() == name), hex),
            None => (Kind::ALL.into_iter().find(|kind| kind.hex_len() == text.len()), text),
        };
        let kind =
            kind.ok_or_else(|| format!("checksum {text:?} is not of a known kind (md5, sha1, sha256, sha512)"))?;
        if hex.len() != kind.hex_len() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("checksum {text:?} is not {} hexadecimal digits of {}", kind.hex_len(), kind.name()));
        }
        Ok(Self { kind, hex: hex.to_ascii_lowercase() })
    }

    /// Fails unless the file's bytes hash to this.
    pub(super) fn verify(&self, path: &Path, url: &str) -> Result<(), ArtifactError> {
        let hashed = match self.kind {
            Kind::Md5 => hash::<Md5>(path),
            Kind::Sha1 => hash::<Sha1>(path),
            Kind::Sha256 => hash::<Sha256>(path),
            Kind::Sha512 => hash::<Sha512>(path),
        };
        let hex = hashed.map_err(|error| ArtifactError::Fetch { url: url.to_owned(), reason: error.to_string() })?;
        if hex == self.hex {
            return Ok(());
        }
        let found = Self { kind: self.kind, hex };
        Err(ArtifactError::Checksum { url: url.to_owned(), expected: self.to_string(), found: found.to_string() })
    }
}

fn hash<D: Digest>(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = D::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => digest.update(&buffer[..count]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
