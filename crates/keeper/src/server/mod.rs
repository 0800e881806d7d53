//! The keeper's life: open, adopt, poll, leave.

mod adopt;
mod requests;
mod turn;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use baton_net::pid::PidWatch;

use crate::KeeperError;
use crate::connection::Connection;
use crate::journal::Journal;
use crate::platform;
use crate::protocol::{Event, EventKind, Message};
use crate::signals::Signals;
use crate::task::Task;
use crate::{limits, upgrade, warn};

/// From the end of the watched process (`die_with`) until everything is ended.
const ORPHANED_GRACE: Duration = Duration::from_secs(5);

/// For tasks that are ended because the keeper ends: SIGTERM, then SIGKILL.
const END_GRACE: Duration = Duration::from_secs(5);

/// How a keeper runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Journal, lock and notification sockets; 0700. Short enough for a Unix socket's path (about 100 bytes).
    pub dir: PathBuf,
    /// Where clients connect; 0660.
    pub socket: PathBuf,
    /// End everything five seconds after this process has vanished.
    pub die_with: Option<i32>,
    /// And then remove this directory. It stays when the keeper is told to end: whoever tells it looks after it.
    pub remove_dir: Option<PathBuf>,
}

/// Runs until told to stop (SIGTERM and SIGINT: tasks go on). Blocks the calling thread; one keeper per process.
pub fn run(options: Options) -> Result<(), KeeperError> {
    let mut keeper = Keeper::open(options)?;
    keeper.adopt()?;
    keeper.poll()
}

struct Keeper {
    options: Options,
    /// Held for its lock.
    lock: File,
    listener: UnixListener,
    signals: Signals,
    journal: Journal,
    same_boot: bool,
    past: BTreeMap<String, crate::record::Record>,
    kept: upgrade::Kept,
    tasks: BTreeMap<String, Task>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    /// Until when no connection is taken, after the system had none to give.
    accept_rests: Option<Instant>,
    next_serial: u64,
    cgroups: Option<PathBuf>,
    /// Emptied cgroups whose processes are still dying.
    dying_cgroups: Vec<PathBuf>,
    parent: Option<PidWatch>,
    /// When everything is to be ended.
    end_at: Option<Instant>,
    /// The watched process has vanished.
    orphaned: bool,
    leaving: Option<Leaving>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// Tasks go on.
    Now,
    /// Once no task runs.
    WhenEmpty,
}

impl Keeper {
    fn open(options: Options) -> Result<Self, KeeperError> {
        let notify_dir = options.dir.join("notify");
        DirBuilder::new().recursive(true).mode(0o711).create(&notify_dir).map_err(KeeperError::path(&notify_dir))?;
        let mut kept = upgrade::take(&options.dir).map_err(KeeperError::io("cannot take over from the old program"))?;
        let lock = match take_one(&mut kept, "lock") {
            Some(fd) => File::from(fd),
            None => lock(&options.dir)?,
        };
        let listener = match take_one(&mut kept, "listener") {
            Some(fd) => UnixListener::from(fd),
            None => listen(&options.socket).map_err(KeeperError::path(&options.socket))?,
        };
        listener.set_nonblocking(true).map_err(KeeperError::path(&options.socket))?;
        let boot_id = baton_net::pid::boot_id().map_err(KeeperError::io("cannot read the boot id"))?;
        let (journal, past) = Journal::open(&options.dir, &boot_id)?;
        platform::become_subreaper();
        limits::raise();
        let signals = Signals::catch().map_err(KeeperError::io("cannot catch signals"))?;
        let parent = options.die_with.map(PidWatch::open);
        Ok(Self {
            lock,
            listener,
            signals,
            journal,
            same_boot: past.boot_id == boot_id,
            next_serial: past.tasks.values().map(|record| record.serial).max().unwrap_or(0) + 1,
            past: past.tasks,
            kept,
            tasks: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            accept_rests: None,
            cgroups: platform::cgroup_root(&cgroup_name(&options.dir)),
            dying_cgroups: Vec::new(),
            parent,
            end_at: None,
            orphaned: false,
            leaving: None,
            options,
        })
    }

    fn notify_dir(&self) -> PathBuf {
        self.options.dir.join("notify")
    }

    /// Tells every subscriber.
    fn tell(&mut self, kind: EventKind, key: &str) {
        let Some(task) = self.tasks.get(key) else { return };
        let message = Message::Event(Event { kind, task: task.info() });
        for connection in self.connections.values_mut().filter(|connection| connection.subscribed) {
            connection.send(&message);
        }
    }

    /// Journals a task's record. What cannot be written stays true in memory; the operator is told.
    fn journal(&mut self, key: &str) -> io::Result<()> {
        let Some(task) = self.tasks.get(key) else { return Ok(()) };
        let result = self.journal.put(&task.record);
        if let Err(error) = &result {
            warn(&format!("cannot write the journal in {}: {error}", self.options.dir.display()));
        }
        // A task that tells much must not fill the disk.
        let _ = self.journal.compact(self.tasks.values().map(|task| &task.record));
        result
    }

    fn any_running(&self) -> bool {
        self.tasks.values().any(|task| task.record.is_running())
    }

    /// Ends every task, then the keeper.
    fn end_everything(&mut self) {
        self.leaving = Some(Leaving::WhenEmpty);
        for task in self.tasks.values_mut().filter(|task| task.record.is_running()) {
            let _ = task.signal(nix::libc::SIGTERM, true);
            task.kill_after(END_GRACE);
        }
    }

    fn leave(&mut self) {
        if self.leaving == Some(Leaving::WhenEmpty) {
            for task in self.tasks.values() {
                for (_, output) in &task.outputs {
                    output.remove_fifo();
                }
            }
            if let Some(root) = &self.cgroups {
                platform::cgroup_remove(root);
            }
            if let Some(dir) = self.options.remove_dir.as_ref().filter(|_| self.orphaned) {
                let _ = fs::remove_dir_all(dir);
            }
        }
        let _ = fs::remove_file(&self.options.socket);
    }
}

fn take_one(kept: &mut upgrade::Kept, group: &str) -> Option<std::os::fd::OwnedFd> {
    kept.remove(group)?.pop().map(|(_, fd)| fd)
}

fn lock(dir: &Path) -> Result<File, KeeperError> {
    let path = dir.join("lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(KeeperError::path(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(KeeperError::Locked(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(KeeperError::path(&path)(error)),
    }
}

/// Binds beside the path and renames over it: the socket is never missing and never open to all.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o660))?;
    fs::rename(&fresh, path)?;
    Ok(listener)
}

/// Two keepers on one machine (two data directories) must not share a subtree.
fn cgroup_name(dir: &Path) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()).hash(&mut hasher);
    format!("baton-{:016x}", hasher.finish())
}
