//! Finding again, after a restart or an upgrade, what an earlier keeper ran.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use baton_net::notify_socket::NotifySocket;

use super::{Keeper, warn};
use crate::KeeperError;
use crate::platform;
use crate::protocol::{Exit, Phase};
use crate::record::Record;
use crate::task::{Found, Task};

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
                // Its log directory may be gone; the record stays in the journal's past and the process, if any, alone.
                Err(error) => {
                    warn(&format!("cannot take task {key} up again: {error}"));
                    self.journal.forget(&key).map_err(KeeperError::io("cannot write the journal"))?;
                }
            }
        }
        Ok(())
    }

    fn adopt_one(&mut self, record: Record, kept: Option<OwnedFd>) -> io::Result<Task> {
        let path = Task::notify_path(&self.notify_dir(), record.serial);
        let notify = match kept {
            Some(fd) => NotifySocket::adopt(UnixDatagram::from(fd), &path)?,
            None => NotifySocket::bind(&path)?,
        };
        let mut task = Task::new(record, notify)?;
        for (name, fd) in self.kept.remove(&format!("store {}", task.record.key)).unwrap_or_default() {
            task.store.add(name, fd);
        }
        match task.record.phase.clone() {
            Phase::Starting => {
                // The gate was never opened: the program did not run.
                task.record.exited(Exit::unseen("the keeper ended before the task was started"));
            }
            Phase::Running => match Task::find(&task.record, self.same_boot) {
                Found::Child => {}
                Found::Stranger(watch) => task.watch = Some(watch),
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
            let found = platform::recover_sockets(task.record.pid, &task.record.stored);
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
