//! The note that this node is demoted: a file, so that it outlives a killed supervisor.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::kill;
use nix::unistd::Pid;

/// A file that holds the pid of the supervisor that demoted the node.
#[derive(Debug)]
pub struct Marker {
    path: PathBuf,
}

impl Marker {
    /// At `path`, or in the run directory under a name made from the command.
    pub fn for_command(path: Option<&Path>, command: &[String]) -> Self {
        let path = path.map_or_else(|| run_dir().join(format!("supervise-{}.demoted", slug(command))), Path::to_owned);
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes the demotion.
    pub fn set(&self) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&self.path, std::process::id().to_string())
    }

    pub fn clear(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// Demoted by this process.
    pub fn is_set(&self) -> bool {
        self.owner() == Some(std::process::id())
    }

    /// Demoted by a process that is gone. To be asked at start, before [`Self::set`]: a note with this process's own pid
    /// is then an earlier life's too (pid 1 of a container).
    pub fn is_stale(&self) -> bool {
        let alive = |pid: u32| {
            pid != std::process::id() && i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None).is_ok())
        };
        self.path.exists() && !self.owner().is_some_and(alive)
    }

    fn owner(&self) -> Option<u32> {
        std::fs::read_to_string(&self.path).ok()?.trim().parse().ok()
    }
}

fn run_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/run/baton");
    }
    std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from).join("baton")
}

/// A file name from a command line: its letters and digits, shortened, with a checksum of the whole.
fn slug(command: &[String]) -> String {
    let whole = command.join(" ");
    let checksum = whole
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let name = Path::new(command.first().map_or("", String::as_str));
    let name = name.file_name().and_then(|name| name.to_str()).unwrap_or("command");
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    format!("{name}-{checksum:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_owner_makes_it_stale() {
        let dir = tempfile::tempdir().unwrap();
        let marker = Marker::for_command(Some(&dir.path().join("m")), &[]);
        assert!(!marker.is_stale() && !marker.is_set());
        marker.set().unwrap();
        assert!(marker.is_set());
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        let pid = gone.id();
        gone.wait().unwrap();
        std::fs::write(marker.path(), pid.to_string()).unwrap();
        assert!(marker.is_stale() && !marker.is_set());
        std::fs::write(marker.path(), "not a pid").unwrap();
        assert!(marker.is_stale());
        marker.clear();
        assert!(!marker.is_stale());
    }

    #[test]
    fn different_commands_have_different_files() {
        let path = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            Marker::for_command(None, &args).path().to_owned()
        };
        assert_ne!(path(&["traefik", "a"]), path(&["traefik", "b"]));
        assert_eq!(path(&["traefik", "a"]), path(&["traefik", "a"]));
    }
}
