//! The directories of an allocation.
//!
//! `<alloc_dir>/<id>/alloc/{data,logs,tmp}` is shared by its tasks; each task has `<id>/<task>/{local,secrets,tmp}` and runs in
//! `<id>/<task>`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::User;

/// Mode of directories that a job's users write to, as in Nomad.
const OPEN: u32 = 0o777;
const SECRET: u32 = 0o700;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocDir {
    root: PathBuf,
}

/// One task's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDir {
    /// The task's working directory.
    pub root: PathBuf,
    pub local: PathBuf,
    pub secrets: PathBuf,
    /// Shared with the other tasks of the allocation.
    pub shared: PathBuf,
    pub logs: PathBuf,
    /// The allocation's directory, the outer limit of templates' destinations.
    pub alloc: PathBuf,
}

impl AllocDir {
    pub fn new(parent: &Path, alloc_id: &str) -> Self {
        Self { root: parent.join(alloc_id) }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn logs(&self) -> PathBuf {
        self.root.join("alloc/logs")
    }

    /// Makes the shared part.
    pub fn build(&self) -> io::Result<()> {
        make(&self.root, 0o755)?;
        let shared = self.root.join("alloc");
        make(&shared, OPEN)?;
        for name in ["data", "logs", "tmp"] {
            make(&shared.join(name), OPEN)?;
        }
        Ok(())
    }

    pub fn task(&self, name: &str) -> TaskDir {
        let root = self.root.join(name);
        TaskDir {
            local: root.join("local"),
            secrets: root.join("secrets"),
            shared: self.root.join("alloc"),
            logs: self.logs(),
            alloc: self.root.clone(),
            root,
        }
    }

    /// Takes everything away.
    pub fn destroy(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl TaskDir {
    /// Makes the task's directories; `secrets` belongs to the task's user alone.
    pub fn build(&self, user: &str) -> io::Result<()> {
        make(&self.root, OPEN)?;
        make(&self.local, OPEN)?;
        make(&self.root.join("tmp"), OPEN)?;
        make(&self.secrets, SECRET)?;
        give(&self.secrets, user)
    }
}

/// Joins a path of a job below `base`. Absolute paths count as relative to it; `..` must not leave `limit`.
pub fn below(base: &Path, limit: &Path, path: &str) -> Option<PathBuf> {
    let mut joined = base.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => joined.push(name),
            Component::ParentDir => {
                joined.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
        if !joined.starts_with(limit) {
            return None;
        }
    }
    Some(joined)
}

/// The account that a task's `user` names: a name or a number, perhaps with `:group`.
pub(crate) fn user(text: &str) -> io::Result<User> {
    let name = text.split(':').next().unwrap_or(text);
    let found = match name.parse::<u32>() {
        Ok(uid) => User::from_uid(uid.into()),
        Err(_) => User::from_name(name),
    };
    found?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("unknown user {name:?}")))
}

/// Makes a task's user the owner of a directory, where this process may.
pub(crate) fn give(path: &Path, to: &str) -> io::Result<()> {
    if to.is_empty() || !nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    let user = user(to)?;
    Ok(nix::unistd::chown(path, Some(user.uid), Some(user.gid))?)
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_their_limit() {
        let (base, limit) = (Path::new("/a/x/task"), Path::new("/a/x"));
        assert_eq!(below(base, limit, "local/f"), Some("/a/x/task/local/f".into()));
        assert_eq!(below(base, limit, "/local/./f"), Some("/a/x/task/local/f".into()));
        assert_eq!(below(base, limit, "../alloc/f"), Some("/a/x/alloc/f".into()));
        assert_eq!(below(base, limit, "../../etc"), None);
        assert_eq!(below(base, limit, "../../x/task/f"), None);
    }
}
