//! Starting a keeper that outlives its starter.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Client, KeeperError, spawn};

/// How long a fresh keeper may take until it answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Connects to the keeper at `socket`, or starts `command` (a `baton keep …`) and connects to that. The keeper's own
/// messages go to `log`.
pub fn connect_or_start(socket: &Path, command: impl FnOnce() -> Command, log: &Path) -> Result<Client, KeeperError> {
    if let Ok(client) = Client::connect(socket) {
        return Ok(client);
    }
    let file = OpenOptions::new().create(true).append(true).open(log).map_err(KeeperError::path(log))?;
    spawn::detached(command(), file).map_err(KeeperError::io("cannot start the keeper"))?;
    let begin = Instant::now();
    loop {
        match Client::connect(socket) {
            Err(error) if begin.elapsed() >= ANSWER_LIMIT => return Err(error),
            Err(KeeperError::Unreachable { .. }) => std::thread::sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
}
