//! Starting a keeper that outlives its starter.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::{Client, KeeperError, spawn};

/// How long a fresh keeper may take until it answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(5);
/// How much of a keeper's last words is read.
const LAST_WORDS_MAX: u64 = 4096;

/// Connects to the keeper at `socket`, or starts `command` (a `baton keep …`) and connects to that. The keeper's own
/// messages go to `log`.
pub fn connect_or_start(socket: &Path, command: impl FnOnce() -> Command, log: &Path) -> Result<Client, KeeperError> {
    if let Ok(client) = Client::connect(socket) {
        return Ok(client);
    }
    let file = OpenOptions::new().create(true).append(true).open(log).map_err(KeeperError::path(log))?;
    let before = file.metadata().map_or(0, |metadata| metadata.len());
    let mut child = spawn::detached(command(), file).map_err(KeeperError::io("cannot start the keeper"))?;
    let begin = Instant::now();
    loop {
        // Asked before connecting: one that gave way to another keeper has ended when that one answers.
        let ended = child.try_wait().map_err(KeeperError::io("cannot watch the keeper"))?;
        match (Client::connect(socket), ended) {
            (Err(KeeperError::Unreachable { .. }), Some(status)) => {
                return Err(KeeperError::Ended { status, reason: last_words(log, before) });
            }
            (Err(error), _) if begin.elapsed() >= ANSWER_LIMIT => {
                reap(child);
                return Err(error);
            }
            (Err(KeeperError::Unreachable { .. }), None) => std::thread::sleep(RETRY),
            (outcome, ended) => {
                if ended.is_none() {
                    reap(child);
                }
                return outcome;
            }
        }
    }
}

/// Takes the exit status when the keeper ends one day; without a thread for it, it stays a zombie until this process ends.
fn reap(mut child: Child) {
    let waiting = std::thread::Builder::new().name("keeper-reaper".to_owned()).stack_size(64 << 10);
    let _ = waiting.spawn(move || child.wait());
}

/// The last line that was written to the log since it had `before` bytes.
fn last_words(log: &Path, before: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(before.max(end.saturating_sub(LAST_WORDS_MAX))))?;
        let mut bytes = Vec::new();
        file.take(LAST_WORDS_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let said = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    said.map_or_else(|| format!("it said nothing; see {}", log.display()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_that_ends_at_once_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("keeper.log");
        std::fs::write(&log, "an older trouble\n").unwrap();
        let start = |script: &'static str| {
            let command = move || {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", script]);
                command
            };
            connect_or_start(&dir.path().join("none.sock"), command, &log).unwrap_err().to_string()
        };
        let text = start("echo not this; echo no room >&2; exit 3");
        assert!(text.contains("no room") && text.contains('3'), "{text}");
        let text = start("exit 4");
        assert!(text.contains("said nothing") && !text.contains("older"), "{text}");
    }
}
