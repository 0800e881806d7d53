//! The agent's Unix socket: the API for programs of this machine, admitted by the permissions of the file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tokio::net::{UnixListener, UnixStream};

/// Owner and group may talk.
const MODE: u32 = 0o660;

/// A listening socket; its file goes when this is dropped.
pub struct Socket {
    path: PathBuf,
}

impl Socket {
    /// Listens on `path`. A file that nobody answers on is left over from an agent that was killed.
    pub async fn listen(path: &Path) -> Result<(Self, UnixListener)> {
        let failed = || format!("cannot listen on {} (addresses {{ socket }} chooses another)", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(failed)?;
        }
        if UnixStream::connect(path).await.is_ok() {
            bail!(
                "another agent answers on {}; stop it, or choose another with addresses {{ socket }}",
                path.display()
            );
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(failed),
            _ => {}
        }
        let listener = UnixListener::bind(path).with_context(failed)?;
        let socket = Self { path: path.to_owned() };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE)).with_context(failed)?;
        Ok((socket, listener))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
