//! What templates depend on, each thing watched once for the whole node.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_template::{Answer, Data, Dependency};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How long one question may wait for news.
const WAIT: Duration = Duration::from_secs(60);
/// After the first failure; doubled with each further one.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// An answer as of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    pub data: Data,
    pub index: u64,
}

/// Where data comes from: a Consul-compatible catalog, or anything that can say "changed".
pub trait Fetcher: Send + Sync {
    /// The answer once it is newer than `index` (0: at once), at the latest after `wait`.
    fn fetch<'a>(
        &'a self,
        dependency: &'a Dependency,
        index: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Fetched, String>>;
}

/// Shared by all templates of the node.
#[derive(Clone)]
pub(crate) struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    fetcher: Option<Arc<dyn Fetcher>>,
    entries: Mutex<HashMap<Dependency, Entry>>,
    changes: watch::Sender<u64>,
}

struct Entry {
    answer: Answer,
    claims: HashSet<u64>,
    watcher: Option<AbortHandle>,
}

impl Hub {
    pub(crate) fn new(fetcher: Option<Arc<dyn Fetcher>>) -> Self {
        let inner = Inner { fetcher, entries: Mutex::default(), changes: watch::Sender::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Changes with every change of any answer.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// The last answer; the first question starts the watch.
    pub(crate) fn get(&self, dependency: &Dependency, claim: u64) -> Answer {
        let mut entries = self.lock();
        let entry = entries.entry(dependency.clone()).or_insert_with(|| match &self.inner.fetcher {
            Some(fetcher) => {
                let watcher = tokio::spawn(follow(self.clone(), fetcher.clone(), dependency.clone()));
                Entry { answer: Answer::NotYet, claims: HashSet::new(), watcher: Some(watcher.abort_handle()) }
            }
            None => {
                let answer = Answer::Error("this node has no catalog to ask".to_owned());
                Entry { answer, claims: HashSet::new(), watcher: None }
            }
        });
        entry.claims.insert(claim);
        entry.answer.clone()
    }

    /// `claim` needs only `keep` any more; what nobody needs is no longer watched.
    pub(crate) fn release(&self, claim: u64, keep: &BTreeSet<Dependency>) {
        self.lock().retain(|dependency, entry| {
            if !keep.contains(dependency) {
                entry.claims.remove(&claim);
            }
            let needed = !entry.claims.is_empty();
            if let Some(watcher) = entry.watcher.as_ref().filter(|_| !needed) {
                watcher.abort();
            }
            needed
        });
    }

    fn put(&self, dependency: &Dependency, data: Data) {
        let answer = Answer::Found(data);
        let changed = self.lock().get_mut(dependency).is_some_and(|entry| {
            let changed = entry.answer != answer;
            entry.answer = answer;
            changed
        });
        if changed {
            self.inner.changes.send_modify(|count| *count += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Dependency, Entry>> {
        self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn follow(hub: Hub, fetcher: Arc<dyn Fetcher>, dependency: Dependency) {
    let mut index = 0;
    let mut backoff = BACKOFF_MIN;
    loop {
        match fetcher.fetch(&dependency, index, WAIT).await {
            Ok(fetched) => {
                backoff = BACKOFF_MIN;
                // An index that goes back means another history: ask anew.
                index = if fetched.index < index { 0 } else { fetched.index };
                hub.put(&dependency, fetched.data);
            }
            Err(reason) => {
                tracing::warn!(%dependency, %reason, "a template's data cannot be fetched; the last known stays");
                tokio::time::sleep(backoff.mul_f64(1.0 + rand::random::<f64>() / 4.0)).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
                index = 0;
            }
        }
    }
}
