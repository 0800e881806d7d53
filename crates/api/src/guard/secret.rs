//! The token: made at the first start, kept in a file that only its owner reads.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest token accepted from a file, in bytes.
const LENGTH_MAX: usize = 256;

/// A token that never shows itself in logs.
#[derive(Clone)]
pub struct Secret(Arc<str>);

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("token file {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("token file {} can be read by others (mode {mode:o}); make it chmod 600", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("token file {} holds no token: remove it to have a new one made", path.display())]
    Empty { path: PathBuf },
}

impl Secret {
    pub fn new(token: impl Into<Arc<str>>) -> Self {
        Self(token.into())
    }

    /// Reads the token of `path`; makes a random one in a file of mode 0600 when there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::Io { path: path.to_owned(), source };
        match Self::create(path) {
            Ok(secret) => return Ok(secret),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        let mode = mode(path).map_err(failed)?;
        if mode & 0o077 != 0 {
            return Err(SecretError::Exposed { path: path.to_owned(), mode });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let token = text.trim();
        if token.is_empty() || token.len() > LENGTH_MAX {
            return Err(SecretError::Empty { path: path.to_owned() });
        }
        Ok(Self::new(token))
    }

    fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let token = uuid::Uuid::new_v4().to_string();
        // A half-written token would lock everybody out at the next start.
        if let Err(error) = writeln!(file, "{token}").and_then(|()| file.sync_all()) {
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(Self::new(token))
    }

    /// Takes the same time wherever the difference is.
    pub fn matches(&self, given: &str) -> bool {
        let (own, given) = (self.0.as_bytes(), given.as_bytes());
        let mut difference = own.len() ^ given.len();
        for (index, byte) in own.iter().enumerate() {
            let other = given.get(index).copied().unwrap_or(0);
            difference |= usize::from(std::hint::black_box(byte ^ other));
        }
        std::hint::black_box(difference) == 0
    }

    /// The token itself, for those who must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> io::Result<u32> {
    Ok(0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let made = Secret::load_or_create(&path).unwrap();
        let read = Secret::load_or_create(&path).unwrap();
        assert!(made.matches(read.expose()));
        assert!(!made.matches(""));
        assert!(!made.matches(&format!("{}x", read.expose())));
        assert_eq!(mode(&path).unwrap(), 0o600);
        assert!(!format!("{made:?}").contains(made.expose()));
    }

    #[cfg(unix)]
    #[test]
    fn exposed_or_empty_files_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Secret::load_or_create(&path), Err(SecretError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Secret::load_or_create(&path).unwrap().matches("secret"));
        fs::write(&path, "\n").unwrap();
        assert!(matches!(Secret::load_or_create(&path), Err(SecretError::Empty { .. })));
    }
}
