//! How another copy of the catalog follows this one: what changed after an index, or everything.
//!
//! The owner keeps its newest changes in a bounded log. A follower that is further behind, or that knows another history,
//! gets the whole. What a follower holds afterwards is what the owner had at [`Feed::index`], a check's output included as
//! of its last visible change.

use std::sync::Arc;

use baton_consul::wire::UserEvent;
use serde::{Deserialize, Serialize};

use crate::row::Entry;
use crate::{CatalogError, MAX_LOG_BYTES, MAX_LOG_CHANGES, Now, Outcome, Row, State};

/// What a follower is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Feed {
    pub datacenter: String,
    /// Where the follower stands after it took this.
    pub index: u64,
    /// Nothing of what the follower had stays.
    pub whole: bool,
    pub rows: Vec<FeedRow>,
    /// New user events, oldest first.
    pub events: Vec<UserEvent>,
    pub event_index: u64,
}

/// A [`Row`] on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FeedRow {
    pub table: String,
    pub key: String,
    /// JSON; nothing removes the row.
    pub value: Option<String>,
}

/// The answer to a command that was sent on to the owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Forwarded {
    pub result: Result<Outcome, CatalogError>,
    /// An index at which the outcome is visible.
    pub index: u64,
}

#[derive(Debug)]
struct Change {
    index: u64,
    rows: Vec<Row>,
    event: Option<UserEvent>,
    bytes: usize,
}

/// The newest changes, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    changes: rpds::QueueSync<Arc<Change>>,
    bytes: usize,
    /// Every change after this index is in the log.
    since: u64,
}

impl Log {
    pub(crate) fn starting(since: u64) -> Self {
        Self { changes: rpds::Queue::new_sync(), bytes: 0, since }
    }

    pub(crate) fn push(&mut self, index: u64, rows: Vec<Row>, event: Option<UserEvent>) {
        let size = |row: &Row| row.key.len() + row.value.as_ref().map_or(0, Vec::len);
        let bytes = rows.iter().map(size).sum::<usize>() + event.as_ref().map_or(0, |event| event.payload.0.len());
        self.bytes += bytes;
        self.changes.enqueue_mut(Arc::new(Change { index, rows, event, bytes }));
        while self.changes.len() > MAX_LOG_CHANGES || self.bytes > MAX_LOG_BYTES {
            let Some(oldest) = self.changes.peek().cloned() else { break };
            self.changes.dequeue_mut();
            self.bytes -= oldest.bytes;
            self.since = oldest.index;
        }
    }
}

impl From<&Row> for FeedRow {
    fn from(row: &Row) -> Self {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        Self { table: row.table.to_owned(), key: row.key.clone(), value: row.value.as_ref().map(text) }
    }
}

impl State {
    /// What a follower that stands at `since` lacks; everything when it stands nowhere, or where this log does not reach.
    pub fn feed(&self, since: Option<u64>) -> Feed {
        let at = Feed {
            datacenter: self.datacenter.clone(),
            index: self.index,
            event_index: self.event_index,
            ..Feed::default()
        };
        match since.filter(|since| (self.log.since..=self.index).contains(since)) {
            Some(since) => {
                let mut feed = at;
                for change in self.log.changes.iter().filter(|change| change.index > since) {
                    feed.rows.extend(change.rows.iter().map(FeedRow::from));
                    feed.events.extend(change.event.clone());
                }
                feed
            }
            None => Feed {
                whole: true,
                rows: self.told().iter().map(FeedRow::from).collect(),
                events: self.events.iter().cloned().collect(),
                ..at
            },
        }
    }

    /// Takes over what the owner tells. A feed that cannot be read changes nothing.
    pub fn follow(&mut self, feed: &Feed, now: Now) -> Result<(), CatalogError> {
        let mut next = if feed.whole { Self::new(feed.datacenter.clone()) } else { self.clone() };
        for row in &feed.rows {
            let entry = match &row.value {
                Some(value) => Entry::restore(&row.table, &row.key, value.as_bytes(), now)?,
                None => Entry::absent(&row.table, &row.key)?,
            };
            next.put(entry);
        }
        for event in &feed.events {
            next.remember(event.clone());
        }
        next.index = feed.index;
        next.event_index = feed.event_index;
        next.log = Log::starting(feed.index);
        *self = next;
        Ok(())
    }
}
