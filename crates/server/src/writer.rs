//! The single writer: one thread that runs commands against a draft, writes what they change and publishes it.
//!
//! Commands that arrive while the disk is busy form the next group and share its transaction: nobody waits for a timer,
//! and a burst of writes costs one sync. Nobody sees a state that is not on the disk. When the store fails, every command
//! of the group fails and the state stays as it was.

use std::sync::Arc;

use baton_store::{Store, StoreError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::draft::Draft;
use crate::error::ServerError;
use crate::event::Event;
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
        region: Arc<str>,
        state: watch::Sender<Arc<State>>,
        events: broadcast::Sender<Arc<[Event]>>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let (messages, queue) = mpsc::channel(QUEUE_MAX);
        let time = clock.clone();
        std::thread::Builder::new()
            .name("baton-writer".to_owned())
            .spawn(move || run(queue, store, region, &state, &events, &time))?;
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
    region: Arc<str>,
    published: &watch::Sender<Arc<State>>,
    listeners: &broadcast::Sender<Arc<[Event]>>,
    clock: &Clock,
) {
    let mut pending = None;
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
        let committed = if batch.is_empty() { Ok(()) } else { store.commit(&batch) };
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

fn publish(
    published: &watch::Sender<Arc<State>>,
    listeners: &broadcast::Sender<Arc<[Event]>>,
    state: State,
    events: Vec<Event>,
) {
    // A group that changed nothing wakes nobody.
    let moved = {
        let old = published.borrow();
        old.index() != state.index() || !Arc::ptr_eq(&old.catalog, &state.catalog)
    };
    if moved {
        published.send_replace(Arc::new(state));
    }
    if !events.is_empty() {
        // Without listeners there is nobody to tell.
        let _ = listeners.send(events.into());
    }
}
