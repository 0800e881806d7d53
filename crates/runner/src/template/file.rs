//! Templates on disk: where they come from and where they go, never outside the allocation.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use baton_model::task::Template;

use crate::alloc::dir::{TaskDir, below};

/// The largest file that a template reads.
const READ_BYTES_MAX: u64 = 8 << 20;

/// A path of a job within the allocation: relative to the task's directory, or absolute below the allocation's.
pub(super) fn place(dir: &TaskDir, path: &str) -> Result<PathBuf, String> {
    let escapes = || format!("{path:?} escapes the allocation's directory");
    match Path::new(path).strip_prefix(&dir.alloc) {
        Ok(inside) => below(&dir.alloc, &dir.alloc, &inside.to_string_lossy()),
        Err(_) => below(&dir.root, &dir.alloc, path),
    }
    .ok_or_else(escapes)
}

/// The text of a file of the allocation, symlinks that lead out refused.
pub(super) fn read(dir: &TaskDir, path: &str) -> Result<String, String> {
    let place = place(dir, path)?;
    let text = |error: io::Error| format!("cannot read {path:?}: {error}");
    inside(dir, &place).map_err(text)?;
    if fs::metadata(&place).map_err(text)?.len() > READ_BYTES_MAX {
        return Err(format!("{path:?} is larger than {READ_BYTES_MAX} bytes"));
    }
    fs::read_to_string(&place).map_err(text)
}

/// Writes beside and renames; `Ok(false)` when the file has these bytes already.
pub(super) fn write(dir: &TaskDir, place: &Path, text: &str, template: &Template) -> io::Result<bool> {
    let parent = place.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(parent)?;
    inside(dir, parent)?;
    let mode = mode(&template.perms)?;
    let id = |id: Option<i64>| id.and_then(|id| u32::try_from(id).ok());
    let (uid, gid) = (id(template.uid), id(template.gid));
    let fresh = tempfile::Builder::new().prefix(".template-").tempfile_in(parent)?;
    fs::write(fresh.path(), text)?;
    fresh.as_file().set_permissions(Permissions::from_mode(mode))?;
    if (uid.is_some() || gid.is_some()) && !nix::unistd::Uid::effective().is_root() {
        tracing::warn!(file = %place.display(), ?uid, ?gid, "not root: the file stays the agent's own");
    } else if uid.is_some() || gid.is_some() {
        std::os::unix::fs::chown(fresh.path(), uid, gid)?;
    }
    if is_same(place, text) {
        fs::set_permissions(place, Permissions::from_mode(mode))?;
        return Ok(false);
    }
    fresh.as_file().sync_all()?;
    fresh.persist(place).map_err(|error| error.error)?;
    Ok(true)
}

/// Octal; 0644 when empty.
fn mode(perms: &str) -> io::Result<u32> {
    if perms.is_empty() {
        return Ok(0o644);
    }
    let mode = u32::from_str_radix(perms.trim_start_matches("0o"), 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("perms {perms:?} are no octal mode")))
}

fn is_same(place: &Path, text: &str) -> bool {
    fs::symlink_metadata(place).is_ok_and(|meta| meta.is_file() && meta.len() == text.len() as u64)
        && fs::read(place).is_ok_and(|bytes| bytes == text.as_bytes())
}

fn inside(dir: &TaskDir, place: &Path) -> io::Result<()> {
    if place.canonicalize()?.starts_with(dir.alloc.canonicalize()?) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "a symlink leads out of the allocation's directory"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alloc::dir::AllocDir;

    fn dir() -> (tempfile::TempDir, TaskDir) {
        let outer = tempfile::tempdir().unwrap();
        let alloc = AllocDir::new(outer.path(), "a");
        alloc.build().unwrap();
        let task = alloc.task("t");
        task.build("").unwrap();
        (outer, task)
    }

    #[test]
    fn writes_once_with_the_wanted_mode() {
        let (_outer, dir) = dir();
        let template = Template { perms: "0640".into(), ..Template::default() };
        let place = place(&dir, "local/d/f").unwrap();
        assert!(write(&dir, &place, "x", &template).unwrap());
        assert!(!write(&dir, &place, "x", &template).unwrap());
        assert!(write(&dir, &place, "y", &template).unwrap());
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(read(&dir, "local/d/f").unwrap(), "y");
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn perms_that_are_no_mode_are_an_error() {
        let (_outer, dir) = dir();
        let template = Template { perms: "rw-r".into(), ..Template::default() };
        let place = place(&dir, "local/f").unwrap();
        assert!(write(&dir, &place, "x", &template).unwrap_err().to_string().contains("rw-r"));
        assert!(!place.exists());
    }

    #[test]
    fn a_planted_symlink_leads_nowhere() {
        let (outer, dir) = dir();
        std::os::unix::fs::symlink(outer.path(), dir.local.join("out")).unwrap();
        let place = place(&dir, "local/out/f").unwrap();
        assert!(write(&dir, &place, "x", &Template::default()).is_err());
        assert!(!outer.path().join("f").exists());
        fs::write(outer.path().join("secret"), "s").unwrap();
        assert!(read(&dir, "local/out/secret").is_err());
        assert!(super::place(&dir, "../../x").is_err());
    }
}
