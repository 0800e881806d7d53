//! Templates on disk: where they come from and where they go, never outside the allocation.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use baton_model::task::Template;

use crate::alloc::dir::{TaskDir, below};
use crate::rooted::Rooted;

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

/// The text of a file of the allocation; links that lead out are refused.
pub(super) fn read(dir: &TaskDir, path: &str) -> Result<String, String> {
    let place = place(dir, path)?;
    let text = |error: io::Error| format!("cannot read {path:?}: {error}");
    let file = Rooted::open(&dir.alloc).and_then(|tree| tree.file(inside(dir, &place))).map_err(text)?;
    if file.metadata().map_err(text)?.len() > READ_BYTES_MAX {
        return Err(format!("{path:?} is larger than {READ_BYTES_MAX} bytes"));
    }
    let mut content = String::new();
    file.take(READ_BYTES_MAX).read_to_string(&mut content).map_err(text)?;
    Ok(content)
}

/// Writes beside and renames; `Ok(false)` when the file has these bytes already.
pub(super) fn write(dir: &TaskDir, place: &Path, text: &str, template: &Template) -> io::Result<bool> {
    let mode = mode(&template.perms)?;
    let (parent, name) = place.parent().zip(place.file_name()).ok_or(io::ErrorKind::InvalidInput)?;
    let folder = Rooted::open(&dir.alloc)?.dir(inside(dir, parent), true)?;
    if let Ok(there) = folder.read(name)
        && is_same(&there, text)
    {
        adjust(&there, mode, template, place)?;
        return Ok(false);
    }
    let fresh = OsString::from(format!(".template-{:016x}", rand::random::<u64>()));
    let mut file = folder.create(&fresh)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| adjust(&file, mode, template, place))
        .and_then(|()| file.sync_all())
        .and_then(|()| folder.rename(&fresh, name));
    if written.is_err() {
        // Half a file must not be left where there is no room.
        let _ = folder.remove(&fresh);
    }
    written.map(|()| true)
}

fn adjust(file: &File, mode: u32, template: &Template, place: &Path) -> io::Result<()> {
    let id = |id: Option<i64>| id.and_then(|id| u32::try_from(id).ok());
    let (uid, gid) = (id(template.uid), id(template.gid));
    if (uid.is_some() || gid.is_some()) && !nix::unistd::Uid::effective().is_root() {
        tracing::warn!(file = %place.display(), ?uid, ?gid, "not root: the file stays the agent's own");
    } else if uid.is_some() || gid.is_some() {
        std::os::unix::fs::fchown(file, uid, gid)?;
    }
    // After the owner, who would take a set-user-id bit away.
    file.set_permissions(Permissions::from_mode(mode))
}

fn is_same(file: &File, text: &str) -> bool {
    let mut bytes = Vec::new();
    file.metadata().is_ok_and(|metadata| metadata.len() == text.len() as u64)
        && file.take(text.len() as u64 + 1).read_to_end(&mut bytes).is_ok()
        && bytes == text.as_bytes()
}

/// From the allocation's directory on; [`place`] has made sure that it is below it.
fn inside<'a>(dir: &TaskDir, place: &'a Path) -> &'a Path {
    place.strip_prefix(&dir.alloc).unwrap_or(Path::new(""))
}

/// Octal; 0644 when empty.
fn mode(perms: &str) -> io::Result<u32> {
    if perms.is_empty() {
        return Ok(0o644);
    }
    let mode = u32::from_str_radix(perms.trim_start_matches("0o"), 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("perms {perms:?} are no octal mode")))
}

#[cfg(test)]
mod tests {
    use std::fs;

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
    fn the_owner_is_set_by_root_and_left_by_anybody_else() {
        use std::os::unix::fs::MetadataExt as _;
        let (_outer, dir) = dir();
        let template = Template { perms: "4750".into(), uid: Some(65534), gid: Some(65533), ..Template::default() };
        let place = place(&dir, "local/f").unwrap();
        for text in ["x", "x", "y"] {
            write(&dir, &place, text, &template).unwrap();
            let metadata = fs::metadata(&place).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, 0o4750);
            if nix::unistd::Uid::effective().is_root() {
                assert_eq!((metadata.uid(), metadata.gid()), (65534, 65533));
            }
        }
    }

    #[test]
    fn a_link_within_the_allocation_is_walked() {
        let (_outer, dir) = dir();
        fs::create_dir(dir.local.join("v1")).unwrap();
        std::os::unix::fs::symlink("v1", dir.local.join("current")).unwrap();
        let place = place(&dir, "local/current/f").unwrap();
        assert!(write(&dir, &place, "x", &Template::default()).unwrap());
        assert_eq!(fs::read_to_string(dir.local.join("v1/f")).unwrap(), "x");
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
