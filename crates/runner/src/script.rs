//! Programs of a job that are run to their end: checks, and scripts after a change of a template.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, Uid};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::alloc::dir;

/// The most of either output that is kept, as Consul keeps of a check.
const OUTPUT_BYTES_MAX: usize = 4096;

/// How long to read on after the script itself ended: a child of it may hold the pipes for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What to run, and as whom.
pub(crate) struct Script<'a> {
    pub(crate) command: &'a str,
    pub(crate) args: &'a [String],
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) dir: &'a Path,
    pub(crate) user: &'a str,
}

/// Kills the script's whole process group when its leader is done, or the run is dropped because its time is up.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone already, which is what is wanted.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Script<'_> {
    /// How it ended and the first [`OUTPUT_BYTES_MAX`] bytes of either stream, one after the other.
    pub(crate) async fn run(&self) -> Result<(ExitStatus, String), String> {
        let failed = |error: std::io::Error| format!("cannot run {}: {error}", self.command);
        let mut process = Command::new(self.command);
        process.args(self.args).env_clear().envs(self.env).current_dir(self.dir);
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process.process_group(0).kill_on_drop(true);
        if !self.user.is_empty() && Uid::effective().is_root() {
            let user = dir::user(self.user).map_err(failed)?;
            process.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut child = process.spawn().map_err(failed)?;
        let _group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let status = {
            let reading = async { tokio::join!(read(stdout, &mut out), read(stderr, &mut err)) };
            tokio::pin!(reading);
            tokio::select! {
                ((), ()) = &mut reading => child.wait().await,
                status = child.wait() => {
                    let _ = tokio::time::timeout(LAST_WORDS, &mut reading).await;
                    status
                }
            }
        };
        out.extend_from_slice(&err);
        Ok((status.map_err(failed)?, String::from_utf8_lossy(&out).into_owned()))
    }
}

/// Keeps the first bytes and takes the rest in, so that the script never blocks on a full pipe.
async fn read(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 4096];
    while let Ok(size @ 1..) = pipe.read(&mut buffer).await {
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..size.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(text: &str, dir: &Path, limit: Duration) -> Option<(ExitStatus, String)> {
        let args = ["-c".to_owned(), text.to_owned()];
        let env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let script = Script { command: "/bin/sh", args: &args, env: &env, dir, user: "" };
        Some(tokio::time::timeout(limit, script.run()).await.ok()?.unwrap())
    }

    fn alive(pid: &str) -> bool {
        // A killed orphan may stay a zombie for a while where nobody reaps.
        let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
        let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
        !state.is_empty() && !state.starts_with('Z')
    }

    async fn gone(pid: &str) {
        let gone = async {
            while alive(pid) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the child was killed");
    }

    #[tokio::test]
    async fn endless_output_is_cut_and_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let (status, text) = shell("head -c 1000000 /dev/zero", dir.path(), Duration::from_secs(10)).await.unwrap();
        assert!(status.success());
        assert_eq!(text.len(), OUTPUT_BYTES_MAX);
    }

    #[tokio::test]
    async fn a_child_left_behind_neither_delays_the_result_nor_lives_on() {
        let dir = tempfile::tempdir().unwrap();
        let (status, text) = shell("sleep 600 & echo $!", dir.path(), Duration::from_secs(10)).await.unwrap();
        assert!(status.success());
        gone(text.trim()).await;
    }

    #[tokio::test]
    async fn when_the_time_is_up_the_whole_group_dies() {
        let dir = tempfile::tempdir().unwrap();
        let text = "sleep 600 & echo $! > pid; wait";
        assert!(shell(text, dir.path(), Duration::from_millis(500)).await.is_none());
        let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
        gone(pid.trim()).await;
    }
}
