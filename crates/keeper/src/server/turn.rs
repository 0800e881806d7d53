//! One turn of the poll loop: who is ready, what is due.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use baton_net::notify_socket::Notification;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{Keeper, Leaving, ORPHANED_GRACE};
use crate::KeeperError;
use crate::connection::Connection;
use crate::logs::{Pumped, Stream};
use crate::platform;
use crate::protocol::{EventKind, Exit, GO_ON};
use crate::task::exit_of;
use crate::warn;

/// Where the system cannot tell of an end, and for cgroups that empty themselves.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Clients at the same time.
const CONNECTIONS_MAX: usize = 256;

/// How long no connection is taken when the system has no descriptor for one.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Datagrams of one task per turn.
const NOTIFICATIONS_PER_TURN: usize = 64;

enum Source {
    Signals,
    Listener,
    Parent,
    Connection(u64),
    Output(String, Stream),
    Notify(String),
    Process(String),
}

impl Keeper {
    pub(super) fn poll(&mut self) -> Result<(), KeeperError> {
        loop {
            for source in self.wait()? {
                self.serve(source);
            }
            self.due(Instant::now());
            self.connections.retain(|_, connection| !connection.closed);
            match self.leaving {
                Some(Leaving::Now) => break,
                Some(Leaving::WhenEmpty) if !self.any_running() => break,
                _ => {}
            }
        }
        self.leave();
        Ok(())
    }

    fn wait(&self) -> Result<Vec<Source>, KeeperError> {
        let mut sources = vec![Source::Signals];
        let read = PollFlags::POLLIN;
        let mut fds = vec![PollFd::new(self.signals.as_fd(), read)];
        let mut add = |source, fd, flags| {
            sources.push(source);
            fds.push(PollFd::new(fd, flags));
        };
        if self.accept_rests.is_none() {
            add(Source::Listener, self.listener.as_fd(), read);
        }
        if self.end_at.is_none()
            && let Some(fd) = self.parent.as_ref().and_then(|watch| watch.fd())
        {
            add(Source::Parent, fd, read);
        }
        for (id, connection) in &self.connections {
            let flags = if connection.wants_write() { read | PollFlags::POLLOUT } else { read };
            add(Source::Connection(*id), connection.as_fd(), flags);
        }
        for (key, task) in &self.tasks {
            for (stream, output) in &task.outputs {
                add(Source::Output(key.clone(), *stream), output.as_fd(), read);
            }
            add(Source::Notify(key.clone()), task.notify.as_fd(), read);
            if let Some(fd) = task.watch.as_ref().and_then(|watch| watch.fd()) {
                add(Source::Process(key.clone()), fd, read);
            }
        }
        let timeout = self.timeout(Instant::now());
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(KeeperError::io("cannot poll")(error.into())),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        Ok(sources.into_iter().zip(ready).filter_map(|(source, ready)| ready.then_some(source)).collect())
    }

    fn timeout(&self, now: Instant) -> PollTimeout {
        let stranger = |watch: &baton_net::pid::PidWatch| watch.fd().is_none();
        let blind = self.tasks.values().any(|task| task.watch.as_ref().is_some_and(stranger))
            || self.parent.as_ref().is_some_and(stranger);
        let look = (blind || !self.dying_cgroups.is_empty()).then(|| now + LOOK_AGAIN);
        let timers = self.tasks.values().flat_map(|task| [task.kill_at, task.store_expires]);
        let next = timers.chain([self.end_at, self.accept_rests, look]).flatten().min();
        match next {
            None => PollTimeout::NONE,
            Some(at) => {
                let millis = at.saturating_duration_since(now).as_micros().div_ceil(1000);
                PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
            }
        }
    }

    fn serve(&mut self, source: Source) {
        match source {
            Source::Signals => self.signalled(),
            Source::Listener => self.accept(),
            Source::Parent => self.end_at = Some(Instant::now() + ORPHANED_GRACE),
            Source::Connection(id) => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                connection.flush();
                for call in connection.read() {
                    self.call(id, call);
                }
            }
            Source::Output(key, stream) => {
                let pumped = self.tasks.get_mut(&key).map_or(Pumped::Same, |task| task.pump(stream));
                self.pumped(&key, pumped);
            }
            Source::Notify(key) => self.notified(&key),
            Source::Process(key) => self.stranger_ended(&key),
        }
    }

    fn signalled(&mut self) {
        for signal in self.signals.take() {
            match signal {
                Signal::SIGCHLD => self.reap(),
                Signal::SIGHUP => {}
                _ => self.leaving = Some(self.leaving.unwrap_or(Leaving::Now)),
            }
        }
    }

    /// Takes the exit codes of children: tasks, and orphans that became this process's.
    fn reap(&mut self) {
        loop {
            match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(status) => {
                    let Some((pid, exit)) = exit_of(status) else { continue };
                    let key = self
                        .tasks
                        .iter()
                        .find(|(_, task)| task.record.pid == pid && task.record.is_running())
                        .map(|(key, _)| key.clone());
                    if let Some(key) = key {
                        self.ended(&key, exit);
                    }
                }
            }
        }
    }

    fn stranger_ended(&mut self, key: &str) {
        self.ended(key, Exit::unseen("the keeper was restarted while the task ran: its exit code is unknown"));
    }

    fn ended(&mut self, key: &str, exit: Exit) {
        let Some(task) = self.tasks.get_mut(key) else { return };
        task.kill_everything();
        let pumped = task.drain();
        task.watch = None;
        task.kill_at = None;
        task.record.exited(exit);
        if !task.store.is_empty() {
            let limit = Duration::from_millis(task.record.handover_timeout_ms);
            task.store_expires = Some(Instant::now() + limit);
        }
        self.dying_cgroups.extend(task.record.cgroup.take());
        self.somebody_accepts(key);
        let successor_ready = self.tasks.values().any(|other| {
            other.record.inherit_from.as_deref() == Some(key) && other.record.is_running() && other.record.ready
        });
        if successor_ready {
            self.close_store(key);
        }
        let _ = self.journal(key);
        for news in pumped {
            self.pumped(key, news);
        }
        self.tell(EventKind::Exited, key);
    }

    /// Of two that share sockets one must always accept: when one ends, the other goes on, whatever its agent knows.
    fn somebody_accepts(&self, ended: &str) {
        let predecessor = self.tasks.get(ended).and_then(|task| task.record.inherit_from.as_deref());
        let others = self.tasks.values().filter(|other| {
            Some(other.record.key.as_str()) == predecessor || other.record.inherit_from.as_deref() == Some(ended)
        });
        for other in others.filter(|other| other.record.is_running()) {
            let _ = other.signal(GO_ON, true);
        }
    }

    fn accept(&mut self) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    warn(&format!("cannot take a client: {error}"));
                    self.accept_rests = Some(Instant::now() + ACCEPT_REST);
                    return;
                }
            };
            match Connection::new(stream) {
                // Sent away without a word: those who come in such numbers must not fill the log either.
                Ok(_) if self.connections.len() >= CONNECTIONS_MAX => {}
                Ok(connection) => {
                    self.connections.insert(self.next_connection, connection);
                    self.next_connection += 1;
                }
                Err(error) => warn(&format!("cannot serve a client: {error}")),
            }
        }
    }

    fn pumped(&mut self, key: &str, pumped: Pumped) {
        match pumped {
            Pumped::Same => {}
            Pumped::BeganDropping => self.tell(EventKind::OutputDropped, key),
            Pumped::Resumed => self.tell(EventKind::OutputResumed, key),
        }
    }

    fn notified(&mut self, key: &str) {
        let mut events = Vec::new();
        let Some(before) = self.tasks.get(key).map(|task| task.record.clone()) else { return };
        for _ in 0..NOTIFICATIONS_PER_TURN {
            let Some(task) = self.tasks.get(key) else { return };
            match task.notify.receive() {
                Ok(Some(notification)) if task.accepts(&notification) => {
                    for kind in self.notification(key, notification) {
                        if !events.contains(&kind) {
                            events.push(kind);
                        }
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        // Once for all of a turn: a task that tells much must not keep the disk busy.
        if self.tasks.get(key).is_some_and(|task| task.record != before) {
            let _ = self.journal(key);
        }
        for kind in events {
            self.tell(kind, key);
        }
    }

    /// Takes in what a task says; what subscribers are to be told.
    fn notification(&mut self, key: &str, mut notification: Notification) -> Vec<EventKind> {
        let mut events = Vec::new();
        let Some(task) = self.tasks.get_mut(key) else { return events };
        if task.store.apply(&mut notification) {
            task.record.stored = task.store.summary();
            events.push(EventKind::Stored);
        }
        if let Some(status) = notification.get("STATUS").filter(|status| *status != task.status) {
            task.status = status.to_owned();
            events.push(EventKind::Status);
        }
        if let Some(reload) = notification.get("X-BATON-RELOAD").filter(|reload| *reload != task.record.reload) {
            task.record.reload = reload.to_owned();
            events.push(EventKind::Status);
        }
        if let Some(standby) = notification.get("X-BATON-STANDBY").map(|value| value == "1") {
            let private = private(notification.get("X-BATON-PRIVATE").filter(|_| standby).unwrap_or_default());
            if (standby, &private) != (task.record.standby, &task.record.private) {
                (task.record.standby, task.record.private) = (standby, private);
                events.push(EventKind::Status);
            }
        }
        if notification.is_set("RELOADING") {
            events.push(EventKind::Reloading);
        }
        let ready = notification.is_set("READY") && task.record.is_running();
        let first_ready = ready && !task.record.ready;
        task.record.ready |= ready;
        if ready {
            events.push(EventKind::Ready);
        }
        let predecessor = task.record.inherit_from.clone();
        if first_ready {
            task.store_expires = None;
            if let Some(old) = predecessor
                && self.tasks.get(&old).is_some_and(|old| !old.record.is_running())
            {
                self.close_store(&old);
            }
        }
        events
    }

    /// Nobody needs these sockets from here any more.
    fn close_store(&mut self, key: &str) {
        let Some(task) = self.tasks.get_mut(key) else { return };
        task.store_expires = None;
        if task.store.clear() {
            task.record.stored.clear();
            let _ = self.journal(key);
            self.tell(EventKind::Stored, key);
        }
    }

    fn due(&mut self, now: Instant) {
        self.accept_rests = self.accept_rests.filter(|until| *until > now);
        if self.parent.as_ref().is_some_and(|watch| watch.fd().is_none())
            && self.end_at.is_none()
            && self.options.die_with.is_some_and(|pid| baton_net::pid::ProcessId::of(pid).is_err())
        {
            self.end_at = Some(now + ORPHANED_GRACE);
        }
        if self.end_at.is_some_and(|at| at <= now) {
            self.end_at = None;
            self.parent = None;
            self.orphaned = true;
            self.end_everything();
        }
        for task in self.tasks.values_mut().filter(|task| task.kill_at.is_some_and(|at| at <= now)) {
            task.kill_at = None;
            task.kill_everything();
        }
        let expired: Vec<String> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.store_expires.is_some_and(|at| at <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in expired {
            self.close_store(&key);
        }
        let gone: Vec<String> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.watch.as_ref().is_some_and(|watch| watch.fd().is_none()))
            .filter(|(_, task)| !task.record.process().is_alive())
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.stranger_ended(&key);
        }
        self.dying_cgroups.retain(|cgroup| !platform::cgroup_remove(cgroup));
    }
}

/// `PORT=ADDRESS` by spaces; what is not so is left out.
fn private(text: &str) -> Vec<(u16, SocketAddr)> {
    let pair = |word: &str| {
        let (port, address) = word.split_once('=')?;
        Some((port.parse().ok()?, address.parse().ok()?))
    };
    text.split(' ').filter_map(pair).collect()
}
