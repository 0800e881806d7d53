//! A file system with little room.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A tmpfs that is taken away when this is dropped, whoever still uses it.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of `size` (`256k`, `3m`) at `path`, which is made if need be. `None`, told aloud, where that is not allowed.
    #[track_caller]
    pub fn mount(path: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mounted = run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "none"], path);
        if !mounted {
            eprintln!("SKIPPED: no right to mount a tmpfs here");
        }
        mounted.then(|| Self(path.to_owned()))
    }

    #[track_caller]
    pub fn resize(&self, size: &str) {
        assert!(run("mount", &["-o", &format!("remount,size={size}")], &self.0), "cannot resize {}", self.0.display());
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.0);
    }
}

fn run(program: &str, args: &[&str], path: &Path) -> bool {
    Command::new(program).args(args).arg(path).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
