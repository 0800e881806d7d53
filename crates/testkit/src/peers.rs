//! The real peers, as `cargo xtask peers` fetched them.

use std::path::{Path, PathBuf};

/// Where they lie.
pub fn dir() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    std::env::var_os("BATON_PEERS_DIR").map_or_else(default, PathBuf::from)
}

/// A peer's program; `None`, said aloud, when it is not there. With `BATON_REQUIRE_PEERS=1` that is a failure.
#[track_caller]
pub fn program(name: &str) -> Option<PathBuf> {
    found(name, dir().join("bin").join(name))
}

/// A Python module of the peers' directory.
#[track_caller]
pub fn python(module: &str) -> Option<PathBuf> {
    found(module, dir().join("py").join(module)).map(|_| dir().join("py"))
}

#[track_caller]
fn found(name: &str, path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("BATON_REQUIRE_PEERS").is_none(), "peer {name} is missing; run cargo xtask peers");
    eprintln!("SKIPPED: peer {name} is missing ({}); run cargo xtask peers", path.display());
    None
}
