//! A directory tree that others may change meanwhile, walked without ever leaving it.
//!
//! Tasks own parts of their allocation's directory, the agent may be root: a path that was looked at and is opened afterwards
//! may have become a link by then. Here every component is opened from the one before and never followed by the system; links
//! are read and walked like any other path, and one that leads out is an error.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Links in one path, as Linux has it.
const LINKS_MAX: usize = 40;

/// The tree's root.
pub(crate) struct Rooted {
    root: OwnedFd,
}

/// A directory in the tree.
pub(crate) struct Dir(OwnedFd);

impl Rooted {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let root = std::fs::OpenOptions::new().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(root)?;
        Ok(Self { root: root.into() })
    }

    /// A directory by its path from the root; `make` makes what is missing.
    pub(crate) fn dir(&self, path: &Path, make: bool) -> io::Result<Dir> {
        let mut above: Vec<OwnedFd> = Vec::new();
        let mut here = self.root.try_clone()?;
        let mut pending = components(path)?;
        let mut links = 0;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        while let Some(name) = pending.pop_front() {
            if name == ".." {
                here = above.pop().ok_or_else(escapes)?;
                continue;
            }
            let mut next = openat(&here, name.as_os_str(), flags, Mode::empty());
            if make && matches!(next, Err(Errno::ENOENT)) {
                match mkdirat(&here, name.as_os_str(), Mode::from_bits_truncate(0o755)) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                next = openat(&here, name.as_os_str(), flags, Mode::empty());
            }
            match next {
                Ok(next) => above.push(std::mem::replace(&mut here, next)),
                Err(error @ (Errno::ELOOP | Errno::EMLINK | Errno::ENOTDIR)) => {
                    let target = readlinkat(&here, name.as_os_str()).map_err(|_| error)?;
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Errno::ELOOP.into());
                    }
                    for name in components(Path::new(&target))?.into_iter().rev() {
                        pending.push_front(name);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Dir(here))
    }

    /// A regular file, for reading. A link at the end of the path is walked too.
    pub(crate) fn file(&self, path: &Path) -> io::Result<File> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
            let dir = self.dir(path.parent().unwrap_or(Path::new("")), false)?;
            match dir.read(&name) {
                Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => {
                    path.set_file_name(readlinkat(&dir.0, name.as_os_str())?);
                }
                outcome => return outcome,
            }
        }
        Err(Errno::ELOOP.into())
    }
}

impl Dir {
    /// Opens a regular file; a link is an error (`ELOOP`), a FIFO does not hang the reader.
    pub(crate) fn read(&self, name: &std::ffi::OsStr) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.0, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(file)
    }

    /// Makes a file that was not there, for its owner alone.
    pub(crate) fn create(&self, name: &std::ffi::OsStr) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(&self.0, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into())
    }

    /// Puts a file under another name in place of whatever has it.
    pub(crate) fn rename(&self, from: &std::ffi::OsStr, to: &std::ffi::OsStr) -> io::Result<()> {
        renameat(self.0.as_fd(), from, self.0.as_fd(), to)?;
        File::from(self.0.try_clone()?).sync_all()
    }

    pub(crate) fn remove(&self, name: &std::ffi::OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir)?)
    }
}

fn components(path: &Path) -> io::Result<VecDeque<OsString>> {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(name) => Ok(name.to_owned()),
            Component::ParentDir => Ok("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => Err(escapes()),
        })
        .collect()
}

fn escapes() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "a link or .. leads out of the allocation's directory")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_within_are_walked_and_those_that_lead_out_are_not() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        std::fs::create_dir_all(root.join("v1/conf")).unwrap();
        std::fs::write(root.join("v1/conf/f"), "inside").unwrap();
        std::fs::write(outer.path().join("secret"), "s").unwrap();
        symlink("v1", root.join("current")).unwrap();
        symlink("../current/conf/f", root.join("v1/back")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink(outer.path(), root.join("absolute")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("../../secret", root.join("v1/conf/link")).unwrap();
        symlink("../../../secret", root.join("v1/conf/out")).unwrap();
        nix::unistd::mkfifo(&root.join("fifo"), Mode::S_IRWXU).unwrap();
        let tree = Rooted::open(&root).unwrap();
        for path in ["v1/conf/f", "current/conf/f", "v1/../current/conf/f", "v1/back"] {
            let mut text = String::new();
            tree.file(Path::new(path)).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "inside", "{path}");
        }
        for path in [
            "up/secret",
            "absolute/secret",
            "../secret",
            "/etc/passwd",
            "loop",
            "loop/f",
            "v1/conf/link",
            "v1/conf/out",
            "fifo",
            "v1",
        ] {
            assert!(tree.file(Path::new(path)).is_err(), "{path}");
        }
        for path in ["up/made", "absolute/made", "v1/conf/f/made"] {
            assert!(tree.dir(Path::new(path), true).is_err(), "{path}");
        }
        assert!(!outer.path().join("made").exists());
        tree.dir(Path::new("current/new/deep"), true).unwrap();
        assert!(root.join("v1/new/deep").is_dir());
    }
}
