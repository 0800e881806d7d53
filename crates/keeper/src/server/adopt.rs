//! Finding again, after a restart or an upgrade, what an earlier keeper ran.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use baton_net::notify_socket::NotifySocket;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Keeper;
use crate::platform;
use crate::protocol::{Exit, Phase};
use crate::record::Record;
use crate::task::{Found, Task};
use crate::{KeeperError, warn};

impl Keeper {
    pub(super) fn adopt(&mut self) -> Result<(), KeeperError> {
        let mut notify = self.kept.remove("notify").unwrap_or_default();
        for (key, record) in std::mem::take(&mut self.past) {
            let kept = notify.iter().position(|(name, _)| *name == key).map(|at| notify.swap_remove(at).1);
            match self.adopt_one(record, kept) {
                Ok(task) => {
                    self.tasks.insert(key.clone(), task);
                    self.settle(&key);
                }
                Err(error) => return Err(KeeperError::io("cannot make a socket")(error)),
            }
        }
        self.end_strays();
        Ok(())
    }

    /// What still runs of tasks that have ended or are not in the journal any more.
    fn end_strays(&self) {
        let running = self.tasks.values().filter(|task| task.record.is_running());
        let known = running.map(|task| task.notify.path().to_owned()).collect();
        for pid in platform::strays(&self.notify_dir(), &known) {
            warn(&format!("process {pid} belongs to no task that is known; it is killed"));
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    fn adopt_one(&mut self, record: Record, kept: Option<OwnedFd>) -> io::Result<Task> {
        let path = Task::notify_path(&self.notify_dir(), record.serial);
        let notify = match kept {
            Some(fd) => NotifySocket::adopt(UnixDatagram::from(fd), &path)?,
            None => match NotifySocket::bind(&path) {
                Ok(notify) => notify,
                // On a full disk, say: what the task has to tell is lost, the task is not.
                Err(error) => {
                    warn(&format!("task {} cannot be listened to: {error}", record.key));
                    NotifySocket::adopt(UnixDatagram::unbound()?, &path)?
                }
            },
        };
        let mut task = Task::silent(record, notify);
        let logs = task.record.logs.clone();
        if let Err(error) = task.relog(&logs) {
            // Its directory may be gone. The process is there all the same, and has to be watched and ended.
            warn(&format!("the output of task {} is lost: {error}", task.record.key));
        }
        for (name, fd) in self.kept.remove(&format!("store {}", task.record.key)).unwrap_or_default() {
            task.store.add(name, fd);
        }
        match task.record.phase.clone() {
            Phase::Starting => {
                // The gate was never opened: the program did not run.
                task.record.exited(Exit::unseen("the keeper ended before the task was started"));
            }
            Phase::Running => match Task::find(&task.record, self.same_boot) {
                Found::Child => task.kill_again(),
                Found::Stranger(watch) => {
                    task.watch = Some(watch);
                    task.kill_again();
                }
                Found::Ended(exit) => {
                    task.record.exited(exit);
                    if self.same_boot {
                        task.kill_everything();
                    }
                }
            },
            Phase::Exited(_) => {}
        }
        if task.record.is_running() && task.store.is_empty() && !task.record.stored.is_empty() {
            let found = platform::recover_sockets(&task.record.process(), &task.record.stored);
            let names = task.record.stored.clone();
            for ((name, _), fd) in names.into_iter().zip(found) {
                match fd {
                    Some(fd) => drop(task.store.add(name, fd)),
                    None => warn(&format!("socket {name} of task {} could not be recovered", task.record.key)),
                }
            }
        }
        Ok(task)
    }

    /// Brings journal and timers in line with what was found.
    fn settle(&mut self, key: &str) {
        if let Some(task) = self.tasks.get_mut(key) {
            task.drain();
            task.record.stored = task.store.summary();
            if !task.record.is_running() && !task.store.is_empty() {
                let limit = Duration::from_millis(task.record.handover_timeout_ms);
                task.store_expires = Some(Instant::now() + limit);
            }
        }
        let _ = self.journal(key);
    }
}
