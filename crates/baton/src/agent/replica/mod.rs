//! The catalog of an agent without a server: a copy that goes on when the server is away.
//!
//! Input: the server's feed, and commands of this machine. Output: reads from memory, writes sent on to the server.
//!
//! While the server does not answer, what concerns this node alone (its services, checks, their results) takes effect here
//! at once and is kept in a journal, and TTL checks of this node run out. When the server is back the journal is played to it in order, and then everything is
//! read anew, so that both hold the same again. Every other write is refused in that time, reads never are.
//!
//! Invariants: the copy and the journal survive a kill; commands about this node reach the server in their order; nothing
//! of the server's feed is taken over while the journal holds something.

mod disk;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use baton_api::consul::{Backend, BackendError, Reach};
use baton_api::nomad::CatalogFeed;
use baton_catalog::{Command, Forwarded, Outcome, State, TTL_EXPIRED};
use baton_consul::wire::Status;
use baton_runner::link::{HttpLink, LinkError};
use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::{Mutex as Turn, watch};

use disk::Disk;

/// How long a look at the feed waits for news; the copy is never thought fresh for longer.
const WAIT: Duration = Duration::from_secs(5);
/// What an answer may take beyond its wait.
const GRACE: Duration = Duration::from_secs(5);
/// Pauses after a server that did not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Between two looks at what ran out.
const LOOK: Duration = Duration::from_secs(1);
/// How long a write waits until it can be read here.
const VISIBLE_LIMIT: Duration = Duration::from_secs(2);
/// Commands kept for a server that is away; results of one check replace each other.
pub const JOURNAL_MAX: usize = 4096;

/// The way to the server.
pub trait Server: Send + Sync + 'static {
    /// What is new after `index` of the run `epoch`; waits for it up to `wait`.
    fn follow<'a>(
        &'a self,
        epoch: &'a str,
        index: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<CatalogFeed, LinkError>>;

    fn forward<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Forwarded, LinkError>>;
}

impl Server for HttpLink {
    fn follow<'a>(
        &'a self,
        epoch: &'a str,
        index: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<CatalogFeed, LinkError>> {
        async move {
            let path = format!("/v1/baton/catalog?epoch={epoch}&index={index}&wait={}ms", wait.as_millis());
            self.get(&path, wait + GRACE).await
        }
        .boxed()
    }

    fn forward<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Forwarded, LinkError>> {
        self.put("/v1/baton/catalog/command", command).boxed()
    }
}

/// The copy.
pub struct Replica {
    server: Arc<dyn Server>,
    /// This node's name.
    node: String,
    disk: Disk,
    held: Mutex<Held>,
    /// The disk lacks something of what is held.
    behind: AtomicBool,
    index: watch::Sender<u64>,
    /// Whoever changes what is held has it.
    writing: Turn<()>,
    /// Commands about this node take turns, so that they keep their order.
    own: Turn<()>,
    origin: Instant,
}

struct Held {
    state: State,
    /// The run of the server that `state` follows; empty when it follows none.
    epoch: String,
    journal: VecDeque<(u64, Command)>,
    connected: bool,
    contact: Option<Instant>,
}

impl Replica {
    /// Takes up the copy in `dir`, or begins with an empty one. Call [`Replica::run`] to have it follow the server.
    pub fn open(dir: &Path, server: Arc<dyn Server>, node: &str, datacenter: &str) -> Result<Self> {
        let disk = Disk::open(dir)?;
        let kept = disk.read(datacenter)?;
        let index = watch::Sender::new(kept.state.index());
        let held =
            Held { state: kept.state, epoch: kept.epoch, journal: kept.journal, connected: false, contact: None };
        Ok(Self {
            server,
            node: node.to_owned(),
            disk,
            held: Mutex::new(held),
            behind: AtomicBool::new(false),
            index,
            writing: Turn::default(),
            own: Turn::default(),
            origin: Instant::now(),
        })
    }

    /// Asks the server once for news, so that a start with a server begins with its state.
    pub async fn greet(&self) {
        match tokio::time::timeout(VISIBLE_LIMIT, self.step()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the server's catalog is out of reach; its last known state is served")
            }
            Err(_) => tracing::warn!("the server's catalog is slow; its last known state is served"),
        }
    }

    /// Follows the server until dropped.
    pub async fn run(&self) {
        tokio::join!(self.follow(), self.run_out());
    }

    async fn follow(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.step().await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    self.lost(&error);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// While the server is away nobody else sees that a TTL check of this node is not spoken for.
    async fn run_out(&self) {
        let mut told = false;
        loop {
            match self.expire().await {
                Ok(()) => told = false,
                // Tried again at every look, told once: the disk may be full for hours.
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(%error, "checks that ran out go on as they were");
                }
                Err(_) => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn expire(&self) -> Result<(), BackendError> {
        let silent = || {
            let held = self.lock();
            let over = (!held.connected).then(|| held.state.run_out(&self.node, self.origin.elapsed()));
            over.unwrap_or_default()
        };
        if silent().is_empty() {
            return Ok(());
        }
        // Somebody may have spoken for them while this waited for its turn.
        let _own = self.own.lock().await;
        let silent = silent();
        for check_id in silent {
            let (node, status) = (self.node.clone(), Status::Critical);
            let command = Command::HeartbeatCheck { node, check_id, status, output: TTL_EXPIRED.into() };
            self.keep(command).await?;
        }
        Ok(())
    }

    async fn step(&self) -> Result<(), LinkError> {
        self.play_journal().await?;
        let (epoch, index) = {
            let held = self.lock();
            (held.epoch.clone(), held.state.index())
        };
        let feed = self.server.follow(&epoch, index, WAIT).await?;
        self.take(feed).await;
        Ok(())
    }

    /// Gives the server what it missed. What it refuses is told and dropped.
    async fn play_journal(&self) -> Result<(), LinkError> {
        loop {
            let Some((number, command)) = self.lock().journal.front().cloned() else { return Ok(()) };
            let answer = self.server.forward(&command).await?;
            if let Err(error) = answer.result {
                tracing::warn!(%error, "the server does not take what changed on this node while it was away");
            }
            let _writing = self.writing.lock().await;
            self.lock().journal.retain(|(kept, _)| *kept != number);
            if let Err(error) = self.disk.forget(number).await {
                tracing::error!(error = format!("{error:#}"), "the journal of the catalog");
            }
        }
    }

    /// Takes over what the server tells, unless something happened here that it does not know yet.
    async fn take(&self, told: CatalogFeed) {
        let _writing = self.writing.lock().await;
        let mut next = {
            let held = self.lock();
            if !held.journal.is_empty() {
                return;
            }
            held.state.clone()
        };
        let CatalogFeed { epoch, feed } = told;
        if !feed.whole && epoch != self.lock().epoch {
            return;
        }
        if let Err(error) = next.follow(&feed, self.origin.elapsed()) {
            tracing::error!(%error, "the server's catalog cannot be read; everything is asked for again");
            self.lock().epoch.clear();
            return;
        }
        let news = feed.whole || feed.index != self.lock().state.index();
        if news {
            // After a write that failed the disk lacks something that is not told again.
            let everything = self.behind.load(Ordering::Relaxed).then(|| next.feed(None));
            let written = self.disk.take(&epoch, everything.as_ref().unwrap_or(&feed)).await;
            self.behind.store(written.is_err(), Ordering::Relaxed);
            if let Err(error) = written {
                tracing::error!(error = format!("{error:#}"), "the copy of the catalog is followed in memory only");
            }
        }
        let index = next.index();
        let returned = {
            let mut held = self.lock();
            held.state = next;
            held.epoch = epoch;
            held.contact = Some(Instant::now());
            !std::mem::replace(&mut held.connected, true)
        };
        if returned {
            tracing::info!(index, "the server's catalog is followed");
        }
        if news {
            self.index.send_replace(index);
        }
    }

    fn lost(&self, error: &LinkError) {
        if std::mem::replace(&mut self.lock().connected, false) {
            tracing::warn!(%error, "the server's catalog is out of reach; its last known state is served");
        } else {
            tracing::debug!(%error, "the server's catalog is still out of reach");
        }
    }

    /// A command about this node: the server's if it answers, kept for it if not.
    async fn about_this_node(&self, command: Command) -> Result<Outcome, BackendError> {
        let _own = self.own.lock().await;
        if self.is_known(&command) {
            return Ok(Outcome::Done);
        }
        let direct = {
            let held = self.lock();
            held.connected && held.journal.is_empty()
        };
        if direct {
            match self.forward(&command).await {
                Err(BackendError::NoLeader) => {}
                answered => {
                    if let (Command::HeartbeatCheck { node, check_id, .. }, Ok(_)) = (&command, &answered) {
                        let _writing = self.writing.lock().await;
                        self.lock().state.heard(node, check_id, self.origin.elapsed());
                    }
                    return answered;
                }
            }
        }
        self.keep(command).await
    }

    /// A check that says what it said before is no news; of a passing one nobody reads the text.
    fn is_known(&self, command: &Command) -> bool {
        let Command::ReportCheck { node, check_id, status, output } = command else { return false };
        let held = self.lock();
        held.state
            .check_on(node, check_id)
            .is_some_and(|known| known.status == *status && (known.output == *output || *status == Status::Passing))
    }

    /// Sends a command on; afterwards its effect can be read here.
    async fn forward(&self, command: &Command) -> Result<Outcome, BackendError> {
        match self.server.forward(command).await {
            Ok(Forwarded { result, index }) => {
                self.visible(index).await;
                Ok(result?)
            }
            Err(LinkError::Refused { status, body, .. }) if status < 500 => {
                Err(BackendError::Storage(format!("the server refuses this agent: {status} {body}")))
            }
            Err(error) => {
                self.lost(&error);
                Err(BackendError::NoLeader)
            }
        }
    }

    async fn visible(&self, index: u64) {
        let mut indexes = self.index.subscribe();
        // A feed that lags is no failure of the write.
        let _ = tokio::time::timeout(VISIBLE_LIMIT, indexes.wait_for(|now| *now >= index)).await;
    }

    /// Applies a command here and notes it for the server.
    async fn keep(&self, command: Command) -> Result<Outcome, BackendError> {
        let _writing = self.writing.lock().await;
        let (mut next, number, replaced) = {
            let held = self.lock();
            let replaced: Vec<u64> = held
                .journal
                .iter()
                .skip(1) // The first may be on its way.
                .filter(|(_, kept)| kept.is_replaced_by(&command))
                .map(|(number, _)| *number)
                .collect();
            if held.journal.len() - replaced.len() >= JOURNAL_MAX {
                return Err(BackendError::NoLeader);
            }
            (held.state.clone(), held.journal.back().map_or(0, |(number, _)| number + 1), replaced)
        };
        let index = next.index() + 1;
        let applied = next.apply(command.clone(), self.origin.elapsed(), index)?;
        let kept = self.disk.keep(number, &command, &applied.rows, &replaced).await;
        kept.map_err(|error| BackendError::Storage(format!("{error:#}")))?;
        let index = next.index();
        {
            let mut held = self.lock();
            held.state = next;
            held.epoch.clear();
            held.journal.retain(|(number, _)| !replaced.contains(number));
            held.journal.push_back((number, command));
        }
        if applied.changed {
            self.index.send_replace(index);
        }
        Ok(applied.outcome)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Replica {
    fn read(&self, query: &mut dyn FnMut(&State)) {
        let state = self.lock().state.clone();
        query(&state);
    }

    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, BackendError>> {
        async move {
            if command.about() == Some(self.node.as_str()) {
                self.about_this_node(command).await
            } else {
                self.forward(&command).await
            }
        }
        .boxed()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.index.subscribe()
    }

    fn catch_up(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        async move {
            let (epoch, index) = {
                let held = self.lock();
                (held.epoch.clone(), held.state.index())
            };
            let told = self.server.follow(&epoch, index, Duration::ZERO).await;
            let CatalogFeed { feed, .. } = told.map_err(|error| {
                self.lost(&error);
                BackendError::NoLeader
            })?;
            let mut indexes = self.index.subscribe();
            let reached = indexes.wait_for(|now| *now >= feed.index);
            match tokio::time::timeout(VISIBLE_LIMIT, reached).await {
                Ok(Ok(_)) => Ok(()),
                _ => Err(BackendError::NoLeader),
            }
        }
        .boxed()
    }

    fn may_go_back(&self) -> bool {
        true
    }

    fn reach(&self) -> Reach {
        let held = self.lock();
        Reach { known_leader: held.connected, last_contact: held.contact.unwrap_or(self.origin).elapsed() }
    }
}
