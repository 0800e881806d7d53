//! Files that a configuration names. Tags of a catalog may name them too, so they are read with care.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The content of a regular file of at most `max` bytes. Devices and pipes are refused: they may never end.
pub(crate) fn read(path: impl AsRef<Path>, max: u64) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::other(format!("more than {max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_never_end_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "abc").unwrap();
        assert_eq!(read(&file, 3).unwrap(), b"abc");
        assert_eq!(read(&file, 2).unwrap_err().to_string(), "more than 2 bytes");
        assert_eq!(read("/dev/zero", 2).unwrap_err().to_string(), "not a regular file");
        assert!(read(dir.path(), 2).is_err());
        assert_eq!(read(dir.path().join("none"), 2).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
