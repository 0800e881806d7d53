//! A directory tree that others may change meanwhile, walked without ever leaving it.
//!
//! Tasks own parts of their allocation's directory, the agent may be root: a path that was looked at and is opened afterwards
//! may have become a link by then. Here every component is opened from the one before and never followed by the system; links
//! are read and walked like any other path, and one that leads out is an error.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, ReadDir};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

/// Links in one path, as Linux has it.
const LINKS_MAX: usize = 40;

/// Opens what is only looked at.
#[cfg(target_os = "linux")]
const LOOK: OFlag = OFlag::O_PATH;
#[cfg(not(target_os = "linux"))]
const LOOK: OFlag = OFlag::O_NONBLOCK;

/// The tree's root.
pub(crate) struct Rooted {
    root: OwnedFd,
    /// As links name it.
    names: [PathBuf; 2],
}

/// A directory in the tree.
pub(crate) struct Dir {
    fd: OwnedFd,
    /// From the root, without links.
    place: PathBuf,
}

impl Rooted {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let names = [root.to_owned(), root.canonicalize()?];
        let root = std::fs::OpenOptions::new().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(root)?;
        Ok(Self { root: root.into(), names })
    }

    /// The tree below one of its directories.
    pub(crate) fn at(&self, dir: Dir) -> Self {
        Self { root: dir.fd, names: self.names.each_ref().map(|name| name.join(&dir.place)) }
    }

    /// What a link says, from the root; `None` for a link that is relative to where it stands.
    fn absolute<'a>(&self, target: &'a Path) -> Option<&'a Path> {
        self.names.iter().find_map(|name| target.strip_prefix(name).ok())
    }

    /// A directory by its path from the root; `make` makes what is missing.
    pub(crate) fn dir(&self, path: &Path, make: bool) -> io::Result<Dir> {
        let mut above: Vec<OwnedFd> = Vec::new();
        let mut here = self.root.try_clone()?;
        let mut place = PathBuf::new();
        let mut pending = components(path)?;
        let mut links = 0;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        while let Some(name) = pending.pop_front() {
            if name == ".." {
                here = above.pop().ok_or_else(escapes)?;
                place.pop();
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
                Ok(next) => {
                    above.push(std::mem::replace(&mut here, next));
                    place.push(name);
                }
                Err(error @ (Errno::ELOOP | Errno::EMLINK | Errno::ENOTDIR)) => {
                    let target = readlinkat(&here, name.as_os_str()).map_err(|_| error)?;
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Errno::ELOOP.into());
                    }
                    let mut target = Path::new(&target);
                    if let Some(inside) = self.absolute(target) {
                        (here, target) = (self.root.try_clone()?, inside);
                        above.clear();
                        place.clear();
                    }
                    for name in components(target)?.into_iter().rev() {
                        pending.push_front(name);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Dir { fd: here, place })
    }

    /// A regular file, for reading. A link at the end of the path is walked too.
    pub(crate) fn file(&self, path: &Path) -> io::Result<File> {
        let (dir, name) = self.find(path)?;
        dir.read(&name)
    }

    /// What is no directory: where it is and its name there, links walked. It may have become a link since.
    pub(crate) fn find(&self, path: &Path) -> io::Result<(Dir, OsString)> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
            let dir = self.dir(path.parent().unwrap_or(Path::new("")), false)?;
            match readlinkat(&dir.fd, name.as_os_str()) {
                Ok(target) => {
                    let target = Path::new(&target);
                    path = self.absolute(target).map_or_else(|| dir.place.join(target), Path::to_owned);
                }
                Err(Errno::EINVAL) => return Ok((dir, name)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::ELOOP.into())
    }

    /// What is in a directory of this tree. Where the system cannot list what is open, it lists what has its name now.
    pub(crate) fn entries(&self, dir: &Dir) -> io::Result<ReadDir> {
        let here = self.names[1].join(&dir.place);
        let open = PathBuf::from(format!("/proc/self/fd/{}", dir.fd.as_raw_fd()));
        std::fs::read_dir(if cfg!(target_os = "linux") { open } else { here })
    }
}

impl Dir {
    /// From the root, without links.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        File::from(self.fd.try_clone()?).metadata()
    }

    /// Of whatever has this name; a link is an error or looked at itself.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<Metadata> {
        File::from(openat(&self.fd, name, LOOK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?).metadata()
    }

    /// Opens a regular file; a link is an error (`ELOOP`), a FIFO does not hang the reader.
    pub(crate) fn read(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.fd, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(file)
    }

    /// Makes a file that was not there, for its owner alone.
    pub(crate) fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(&self.fd, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into())
    }

    /// Puts a file under another name in place of whatever has it.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        renameat(self.fd.as_fd(), from, self.fd.as_fd(), to)?;
        File::from(self.fd.try_clone()?).sync_all()
    }

    /// Moves what is at a path outside, on the same file system, here in place of whatever has the name.
    pub(crate) fn adopt(&self, from: &Path, to: &OsStr) -> io::Result<()> {
        Ok(renameat(AT_FDCWD, from, self.fd.as_fd(), to)?)
    }

    /// Makes a link that is not there yet.
    pub(crate) fn link(&self, target: &Path, name: &OsStr) -> io::Result<()> {
        Ok(symlinkat(target, &self.fd, name)?)
    }

    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir)?)
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

/// Whether a path was refused because it leads out.
pub(crate) fn is_escape(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
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
        symlink(root.join("v1/conf"), root.join("v1/home")).unwrap();
        symlink(root.join("v1/home/f"), root.join("v1/whole")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("../../secret", root.join("v1/conf/link")).unwrap();
        symlink("../../../secret", root.join("v1/conf/out")).unwrap();
        nix::unistd::mkfifo(&root.join("fifo"), Mode::S_IRWXU).unwrap();
        let tree = Rooted::open(&root).unwrap();
        for path in
            ["v1/conf/f", "current/conf/f", "v1/../current/conf/f", "v1/back", "current/home/f", "current/whole"]
        {
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
        assert_eq!(tree.dir(Path::new("current/home/.."), false).unwrap().place(), Path::new("v1"));
        assert_eq!(tree.find(Path::new("current/whole")).unwrap().0.place(), Path::new("v1/conf"));
        let below = tree.at(tree.dir(Path::new("v1"), false).unwrap());
        assert!(below.file(Path::new("conf/f")).is_ok() && below.file(Path::new("back")).is_err());
        tree.dir(Path::new("current/new/deep"), true).unwrap();
        assert!(root.join("v1/new/deep").is_dir());
    }
}
