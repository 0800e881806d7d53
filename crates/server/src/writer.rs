//! The single writer: one thread that runs commands against a draft, writes what they change and publishes it.
//!
//! Commands that arrive while the disk is busy form the next group and share its transaction: nobody waits for a timer,
//! and a burst of writes costs one sync. Nobody sees a state that is not on the disk. When the store fails, every command
//! of the group fails and the state stays as it was. Where the store cannot say whether it kept a group, nothing is written
//! until it was read again.

use std::sync::Arc;

use baton_store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::draft::Draft;
use crate::error::ServerError;
use crate::event::{Event, Feed};
use crate::state::State;

/// Commands that wait for the writer before new ones are refused.
pub(crate) const QUEUE_MAX: usize = 4096;

/// Commands in one transaction.
const GROUP_MAX: usize = 128;

/// An answer with the index at which it became true.
#[derive(Clone, Debug)]
pub struct Written<T> {
    pub value: T,
    pub index: u64,
}

type Finish = Box<dyn FnOnce(Result<(), ServerError>) + Send>;
type Command = Box<dyn FnOnce(&mut Draft) -> Finish + Send>;
type Look = Box<dyn FnOnce(&dyn Store) + Send>;
/// Reads the state anew.
pub(crate) type Load = Box<dyn Fn(&dyn Store) -> Result<State, ServerError> + Send>;

enum Message {
    Run(Command),
    /// Something that reads the store itself.
    Look(Look),
    /// The store is closed before the answer.
    Stop(oneshot::Sender<()>),
}

#[derive(Clone, Debug)]
pub(crate) struct Writer {
    messages: mpsc::Sender<Message>,
    clock: Clock,
}

impl Writer {
    /// Starts the thread, which owns the store. It ends by [`Writer::stop`] or when the last `Writer` is gone.
    pub(crate) fn start(
        store: Box<dyn Store>,
        load: Load,
        region: Arc<str>,
        state: watch::Sender<Arc<State>>,
        events: Arc<Feed>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let (messages, queue) = mpsc::channel(QUEUE_MAX);
        let time = clock.clone();
        std::thread::Builder::new()
            .name("baton-writer".to_owned())
            .spawn(move || run(queue, store, &load, region, &state, &events, &time))?;
        Ok(Self { messages, clock })
    }

    /// Queues a command and waits until what it did is on the disk. `what` completes "internal error while …".
    pub(crate) async fn write<T, F>(&self, what: &'static str, command: F) -> Result<Written<T>, ServerError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Draft) -> Result<T, ServerError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let clock = self.clock.clone();
        let command: Command = Box::new(move |draft| {
            let outcome = draft.attempt(what, clock.now(), command);
            let index = draft.index();
            let outcome = outcome.map(|value| Written { value, index });
            Box::new(move |committed| {
                // Nobody may be waiting any more: the command took effect all the same.
                let _ = reply.send(committed.and(outcome));
            })
        });
        self.send(Message::Run(command))?;
        answer.await.map_err(|_| ServerError::Stopped)?
    }

    /// Reads the store between two groups.
    pub(crate) async fn look<T, F>(&self, look: F) -> Result<T, ServerError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Store) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Look(Box::new(move |store| {
            let _ = reply.send(look(store));
        })))?;
        answer.await.map_err(|_| ServerError::Stopped)
    }

    /// Writes what is queued and closes the store.
    pub(crate) async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.messages.send(Message::Stop(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }

    fn send(&self, message: Message) -> Result<(), ServerError> {
        self.messages.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ServerError::Busy(QUEUE_MAX),
            mpsc::error::TrySendError::Closed(_) => ServerError::Stopped,
        })
    }
}

fn run(
    mut queue: mpsc::Receiver<Message>,
    store: Box<dyn Store>,
    load: &Load,
    region: Arc<str>,
    published: &watch::Sender<Arc<State>>,
    listeners: &Feed,
    clock: &Clock,
) {
    let mut pending = None;
    // Does the store hold more than anybody was told?
    let mut unsure = false;
    while let Some(message) = pending.take().or_else(|| queue.blocking_recv()) {
        let first = match message {
            Message::Run(command) => command,
            Message::Look(look) => {
                look(store.as_ref());
                continue;
            }
            Message::Stop(done) => {
                drop(queue);
                drop(store);
                let _ = done.send(());
                return;
            }
        };
        if unsure {
            match load(store.as_ref()) {
                Ok(state) => {
                    publish(published, listeners, state, Vec::new());
                    unsure = false;
                }
                Err(error) => tracing::error!(%error, "what the store holds is not known yet"),
            }
        }
        let mut draft = Draft::new(State::clone(&published.borrow()), Arc::clone(&region), clock.now());
        let mut finishers = vec![first(&mut draft)];
        while finishers.len() < GROUP_MAX {
            match queue.try_recv() {
                Ok(Message::Run(next)) => finishers.push(next(&mut draft)),
                Ok(other) => {
                    pending = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        let (state, batch, events) = draft.into_parts();
        let committed = match batch.is_empty() {
            true => Ok(()),
            false if unsure => Err(StoreError::Write("the store cannot be read".to_owned())),
            false => store.commit(&batch),
        };
        unsure |= matches!(committed, Err(StoreError::Unsure(_)));
        match &committed {
            Err(error) => tracing::error!(%error, commands = finishers.len(), "state not written"),
            Ok(()) => publish(published, listeners, state, events),
        }
        let failure = committed.err();
        for finish in finishers {
            let failed = |error: &StoreError| Err(ServerError::NotWritten(error.to_string()));
            finish(failure.as_ref().map_or(Ok(()), failed));
        }
    }
}

fn publish(published: &watch::Sender<Arc<State>>, listeners: &Feed, state: State, events: Vec<Event>) {
    // A group that changed nothing wakes nobody.
    let moved = {
        let old = published.borrow();
        old.index() != state.index() || !Arc::ptr_eq(&old.catalog, &state.catalog)
    };
    if moved {
        published.send_replace(Arc::new(state));
    }
    if !events.is_empty() {
        listeners.tell(events);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use baton_store::{Batch, KeyRow, MemoryStore, Table};

    use super::*;
    use crate::config::Config;
    use crate::server::Server;

    /// Keeps a batch and does not know it; then cannot be read for a while.
    #[derive(Default)]
    struct Unsure {
        rows: Arc<MemoryStore>,
        commits: AtomicUsize,
        refused_reads: AtomicUsize,
    }

    /// The write that is kept and not confirmed, counted from the start.
    const LOST_ANSWER: usize = 1;

    impl Store for Unsure {
        fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
            self.rows.commit(batch)?;
            if self.commits.fetch_add(1, Ordering::Relaxed) == LOST_ANSWER {
                self.refused_reads.store(1, Ordering::Relaxed);
                return Err(StoreError::Unsure("no space left".to_owned()));
            }
            Ok(())
        }

        fn scan(&self, table: Table) -> Result<Vec<KeyRow>, StoreError> {
            let refused = self.refused_reads.load(Ordering::Relaxed);
            if refused > 0 {
                self.refused_reads.store(refused - 1, Ordering::Relaxed);
                return Err(StoreError::Read("no space left".to_owned()));
            }
            self.rows.scan(table)
        }

        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            self.rows.get(table, key)
        }

        fn replace_all(&self, batch: &Batch) -> Result<(), StoreError> {
            self.rows.replace_all(batch)
        }
    }

    #[tokio::test]
    async fn what_the_store_kept_without_saying_so_is_not_overwritten() {
        let rows = Arc::new(MemoryStore::new());
        let store = Unsure { rows: Arc::clone(&rows), ..Unsure::default() };
        let server = Server::open(Config::default(), Box::new(store)).unwrap();
        let put = |id: &'static str| {
            server.write("a test", move |draft| {
                let node = baton_model::Node { id: id.to_owned(), name: id.to_owned(), ..Default::default() };
                draft.put_node(node, "NodeRegistration");
                Ok(())
            })
        };
        put("a").await.unwrap();
        put("b").await.unwrap_err();
        assert!(server.state().node("b").is_none());
        // The store cannot be read: nothing is written.
        put("c").await.unwrap_err();
        put("d").await.unwrap();
        let state = server.state();
        assert_eq!(state.nodes().map(|node| node.id.as_str()).collect::<Vec<_>>(), ["a", "b", "d"]);
        server.shutdown().await;
        let loaded = State::load(rows.as_ref(), "dc1", Duration::ZERO).unwrap();
        assert_eq!(loaded.nodes().map(|node| node.id.as_str()).collect::<Vec<_>>(), ["a", "b", "d"]);
        assert_eq!(loaded.index(), state.index());
    }
}
