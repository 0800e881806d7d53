//! What happened, for the event stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use baton_model::{Allocation, Deployment, Evaluation, Job, Node};

/// One change, told to whoever listens.
#[derive(Clone, Debug)]
pub struct Event {
    /// `Job`, `Node`, `Allocation`, `Evaluation` or `Deployment`.
    pub topic: &'static str,
    /// The kind of change, such as `JobRegistered`.
    pub kind: &'static str,
    pub key: String,
    /// Other keys under which a subscriber finds it (the job of an allocation).
    pub filter_keys: Vec<String>,
    pub index: u64,
    pub payload: Payload,
}

#[derive(Clone, Debug)]
pub enum Payload {
    Job(Arc<Job>),
    Node(Arc<Node>),
    Allocation(Arc<Allocation>),
    Evaluation(Arc<Evaluation>),
    Deployment(Arc<Deployment>),
}

/// Groups of events that a slow listener may fall behind before it misses some, and that are kept for those who come
/// later.
pub const EVENT_BACKLOG: usize = 256;

/// What one transaction told.
pub type EventGroup = Arc<[Event]>;

/// Tells everybody who listens, and remembers the newest groups.
#[derive(Debug)]
pub(crate) struct Feed {
    sender: broadcast::Sender<EventGroup>,
    recent: Mutex<VecDeque<EventGroup>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::channel(EVENT_BACKLOG).0, recent: Mutex::default() }
    }

    pub(crate) fn tell(&self, events: Vec<Event>) {
        let group: EventGroup = events.into();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == EVENT_BACKLOG {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&group));
        // Without listeners there is nobody to tell.
        let _ = self.sender.send(group);
    }

    /// What is remembered from `index` on, and everything that happens from now on; nothing is missing in between.
    pub(crate) fn listen(&self, index: Option<u64>) -> (Vec<EventGroup>, broadcast::Receiver<EventGroup>) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |group: &&EventGroup| index.is_some_and(|index| group.iter().any(|event| event.index >= index));
        (recent.iter().filter(wanted).cloned().collect(), self.sender.subscribe())
    }
}
