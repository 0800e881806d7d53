//! What clients ask for.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use baton_net::notify_socket::NotifySocket;
use baton_net::pid::ProcessId;

use super::{Keeper, Leaving};
use crate::logs::Stream;
use crate::platform;
use crate::protocol::{Call, EventKind, Exit, Message, PROTOCOL_VERSION, Phase, Reply, Request, StartSpec, TaskInfo};
use crate::record::{Record, now_ms};
use crate::spawn::{self, Account, Ends};
use crate::task::Task;
use crate::{upgrade, warn};

impl Keeper {
    pub(super) fn call(&mut self, connection: u64, call: Call) {
        let Call { id, request } = call;
        let greeted = self.connections.get(&connection).is_some_and(|connection| connection.greeted);
        let reply = match request {
            Request::Hello { version } => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.greeted = version == PROTOCOL_VERSION;
                }
                Reply::Hello { version: PROTOCOL_VERSION, pid: std::process::id() as i32 }
            }
            _ if !greeted => Reply::Refused("say hello with a matching version first".to_owned()),
            Request::Upgrade { program } => return self.upgrade(connection, id, &program),
            request => self.carry_out(connection, request).unwrap_or_else(Reply::Refused),
        };
        self.answer(connection, id, reply);
    }

    fn answer(&mut self, connection: u64, id: u64, reply: Reply) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.send(&Message::Reply { id, reply });
        }
    }

    fn carry_out(&mut self, connection: u64, request: Request) -> Result<Reply, String> {
        match request {
            Request::Start(spec) => self.start(&spec).map(|task| Reply::Task(Box::new(task))),
            Request::Signal { key, signal, group } => {
                self.task(&key)?.signal(signal, group)?;
                Ok(Reply::Done)
            }
            Request::Stop { key, signal, timeout_ms, group } => {
                let task = self.tasks.get_mut(&key).ok_or_else(|| unknown(&key))?;
                if task.record.is_running() {
                    task.kill_after(Duration::from_millis(timeout_ms));
                    let sent = task.signal(signal, group);
                    let _ = self.journal(&key);
                    sent?;
                }
                Ok(Reply::Done)
            }
            Request::Subscribe => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.subscribed = true;
                }
                Ok(Reply::Tasks(self.list()))
            }
            Request::List => Ok(Reply::Tasks(self.list())),
            Request::Forget { key } => self.forget(&key),
            Request::Shutdown { end_tasks } => {
                if end_tasks {
                    self.end_everything();
                } else {
                    self.leaving = Some(Leaving::Now);
                }
                Ok(Reply::Done)
            }
            Request::Hello { .. } | Request::Upgrade { .. } => Err("answered elsewhere".to_owned()),
        }
    }

    fn task(&self, key: &str) -> Result<&Task, String> {
        self.tasks.get(key).ok_or_else(|| unknown(key))
    }

    fn list(&self) -> Vec<TaskInfo> {
        self.tasks.values().map(Task::info).collect()
    }

    fn start(&mut self, spec: &StartSpec) -> Result<TaskInfo, String> {
        if self.leaving.is_some() {
            return Err("the keeper is ending".to_owned());
        }
        if let Some(task) = self.tasks.get(&spec.key) {
            if task.record.incarnation == spec.incarnation {
                return Ok(task.info());
            }
            if task.record.is_running() {
                return Err(format!("task {} still runs in an earlier incarnation", spec.key));
            }
            if task.record.incarnation > spec.incarnation {
                return Err(format!("task {} has had incarnation {}", spec.key, task.record.incarnation));
            }
        }
        let sockets_of = spec.inherit_from.as_deref().unwrap_or(&spec.key);
        let sockets = match self.tasks.get(sockets_of) {
            Some(task) => task.store.duplicates().map_err(|error| format!("cannot duplicate sockets: {error}"))?,
            None => Vec::new(),
        };
        let account = Account::of(&spec.user).map_err(|error| format!("cannot start {}: {error}", spec.program))?;
        self.prepare(spec).map_err(|error| format!("cannot prepare task {}: {error}", spec.key))?;
        let Some(task) = self.tasks.get_mut(&spec.key) else { return Err(unknown(&spec.key)) };
        task.record.inherited = sockets.len();
        task.record.uid = account.uid();
        let ends = task
            .stdio(Stream::Stdout)
            .and_then(|stdout| Ok(Ends { stdout, stderr: task.stdio(Stream::Stderr)?, sockets }));
        let ends = match ends {
            Ok(ends) => ends,
            Err(error) => {
                let reason = format!("cannot open the output of task {}: {error}", spec.key);
                return Err(self.not_started(&spec.key, reason));
            }
        };
        let cgroup = self.cgroups.as_ref().map(|root| root.join(task.record.serial.to_string()));
        let journal = &mut self.journal;
        let record = &mut task.record;
        let started = spawn::start(spec, account, &task.notify.path().to_string_lossy(), ends, |pid| {
            record.pid = pid;
            record.start_time = ProcessId::of(pid)?.start_time;
            record.cgroup = cgroup.filter(|cgroup| platform::cgroup_attach(cgroup, pid).is_ok());
            record.phase = Phase::Running;
            record.started_at_ms = now_ms();
            if let Some(value) = spec.oom_score_adj {
                platform::set_oom_score_adj(pid, value)?;
            }
            journal.put(record)
        });
        match started {
            Ok(()) => {
                self.tell(EventKind::Started, &spec.key);
                self.task(&spec.key).map(Task::info)
            }
            Err(error) => Err(self.not_started(&spec.key, format!("cannot start {}: {error}", spec.program))),
        }
    }

    fn not_started(&mut self, key: &str, reason: String) -> String {
        if let Some(task) = self.tasks.get_mut(key) {
            task.record.exited(Exit::unseen(&reason));
        }
        let _ = self.journal(key);
        self.tell(EventKind::Exited, key);
        reason
    }

    /// Journals the intent and opens what the task needs.
    fn prepare(&mut self, spec: &StartSpec) -> std::io::Result<()> {
        if let Some(task) = self.tasks.get_mut(&spec.key) {
            task.relog(&spec.logs)?;
            let stored = task.store.summary();
            task.record = Record { stored, ..Record::starting(spec, task.record.serial) };
            task.status.clear();
            task.kill_at = None;
            task.watch = None;
        } else {
            let serial = self.next_serial;
            self.next_serial += 1;
            let notify = NotifySocket::bind(&Task::notify_path(&self.notify_dir(), serial))?;
            let task = Task::new(Record::starting(spec, serial), notify)?;
            self.tasks.insert(spec.key.clone(), task);
        }
        if let Err(error) = self.journal(&spec.key) {
            if let Some(task) = self.tasks.get_mut(&spec.key) {
                task.record.exited(Exit::unseen("the journal could not be written"));
            }
            return Err(error);
        }
        Ok(())
    }

    fn forget(&mut self, key: &str) -> Result<Reply, String> {
        match self.tasks.get(key) {
            None => return Ok(Reply::Done),
            Some(task) if task.record.is_running() => return Err(format!("task {key} is running: stop it first")),
            Some(_) => {}
        }
        self.journal.forget(key).map_err(|error| format!("cannot write the journal: {error}"))?;
        self.tell(EventKind::Forgotten, key);
        if let Some(task) = self.tasks.remove(key) {
            for (_, output) in &task.outputs {
                output.remove_fifo();
            }
            let _ = std::fs::remove_file(task.notify.path());
        }
        let _ = self.journal.compact(self.tasks.values().map(|task| &task.record));
        Ok(Reply::Done)
    }

    fn upgrade(&mut self, connection: u64, id: u64, program: &Path) {
        if let Err(error) = nix::unistd::access(program, nix::unistd::AccessFlags::X_OK) {
            let reason = format!("cannot execute {}: {error}", program.display());
            return self.answer(connection, id, Reply::Refused(reason));
        }
        self.answer(connection, id, Reply::Done);
        let one = |name: &str, fd| (name.to_owned(), fd);
        let mut fds: BTreeMap<String, Vec<(String, BorrowedFd<'_>)>> = BTreeMap::new();
        fds.insert("listener".to_owned(), vec![one("", self.listener.as_fd())]);
        fds.insert("lock".to_owned(), vec![one("", self.lock.as_fd())]);
        fds.insert("notify".to_owned(), self.tasks.iter().map(|(key, task)| one(key, task.notify.as_fd())).collect());
        for (key, task) in &self.tasks {
            let stored = task.store.entries().iter().map(|entry| one(&entry.name, entry.fd.as_fd())).collect();
            fds.insert(format!("store {key}"), stored);
        }
        let Err(error) = upgrade::exec(&self.options.dir, program, &fds);
        warn(&format!("the upgrade to {} failed: {error}", program.display()));
    }
}

fn unknown(key: &str) -> String {
    format!("there is no task {key}")
}
