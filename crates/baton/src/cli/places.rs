//! Where an agent keeps its things unless told otherwise: system paths for root, the user's own otherwise.

use std::path::{Path, PathBuf};

/// The configuration that is read when none is named.
pub const CONFIG_FILE: &str = "/etc/baton/baton.hcl";

/// `/var/lib/baton`, or `$XDG_STATE_HOME/baton`; `None` where there is neither root nor a home.
pub fn data_dir() -> Option<PathBuf> {
    if is_root() {
        return Some(PathBuf::from("/var/lib/baton"));
    }
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    Some(state?.join("baton"))
}

/// The token of the agent with this data directory; on a client without a server it is put there by hand.
pub fn token_file(data_dir: &Path) -> PathBuf {
    data_dir.join("server/token")
}

/// `/run/baton/agent.sock`, or in the user's runtime folder, or else in the data directory.
pub fn socket(data_dir: &Path) -> PathBuf {
    if is_root() {
        return PathBuf::from("/run/baton/agent.sock");
    }
    folder("XDG_RUNTIME_DIR").map_or_else(|| data_dir.join("agent.sock"), |run| run.join("baton/agent.sock"))
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn folder(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(variable)?);
    path.is_absolute().then_some(path)
}
