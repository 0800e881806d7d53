//! What templates depend on, each thing watched once for the whole node.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_consul::client::{FIRST_PAUSE, LONGEST_PAUSE, MIN_PERIOD};
use baton_template::{Answer, Data, Dependency};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// How long one question may wait for news.
const WAIT: Duration = Duration::from_secs(60);

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

    /// Why there will never be an answer, however long one waits.
    fn refusal(&self, _dependency: &Dependency) -> Option<String> {
        None
    }
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
    /// Moves with every other answer.
    version: u64,
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

    /// The last answer and its version, which moves when the answer does; the first question starts the watch.
    pub(crate) fn get(&self, dependency: &Dependency, claim: u64) -> (Answer, u64) {
        let mut entries = self.lock();
        let entry = entries.entry(dependency.clone()).or_insert_with(|| self.entry(dependency));
        entry.claims.insert(claim);
        (entry.answer.clone(), entry.version)
    }

    fn entry(&self, dependency: &Dependency) -> Entry {
        let entry = |answer, watcher| Entry { answer, version: 0, claims: HashSet::new(), watcher };
        let Some(fetcher) = &self.inner.fetcher else {
            return entry(Answer::Error("this node has no catalog to ask".to_owned()), None);
        };
        if let Some(reason) = fetcher.refusal(dependency) {
            return entry(Answer::Error(reason), None);
        }
        let watcher = tokio::spawn(follow(self.clone(), fetcher.clone(), dependency.clone()));
        entry(Answer::NotYet, Some(watcher.abort_handle()))
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
            entry.version += u64::from(changed);
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

/// By the rules of [`baton_consul::client::Watch`].
async fn follow(hub: Hub, fetcher: Arc<dyn Fetcher>, dependency: Dependency) {
    let mut index = 0;
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        match fetcher.fetch(&dependency, index, WAIT).await {
            Ok(fetched) => {
                pause = FIRST_PAUSE;
                // An index that goes back means another history: ask anew.
                index = if fetched.index < index { 0 } else { fetched.index.max(1) };
                hub.put(&dependency, fetched.data);
                sleep_until(started + MIN_PERIOD).await;
            }
            Err(reason) => {
                tracing::warn!(%dependency, %reason, "a template's data cannot be fetched; the last known stays");
                tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                index = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::FutureExt as _;

    use super::*;

    /// Answers at once, with a moving index and the same data; counts the questions.
    #[derive(Default)]
    struct Busy {
        asked: Mutex<Vec<(Instant, u64)>>,
    }

    impl Fetcher for Busy {
        fn fetch<'a>(&'a self, _: &'a Dependency, index: u64, _: Duration) -> BoxFuture<'a, Result<Fetched, String>> {
            let mut asked = self.asked.lock().unwrap();
            asked.push((Instant::now(), index));
            let index = if asked.len() == 3 { 1 } else { index + 5 };
            async move { Ok(Fetched { data: Data::Absent, index }) }.boxed()
        }

        fn refusal(&self, dependency: &Dependency) -> Option<String> {
            matches!(dependency, Dependency::NomadServices { .. }).then(|| "never".to_owned())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answers_at_once_is_asked_seldom_and_an_index_that_goes_back_starts_over() {
        let busy = Arc::new(Busy::default());
        let hub = Hub::new(Some(busy.clone()));
        let _ = hub.get(&Dependency::Datacenters, 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = busy.asked.lock().unwrap().clone();
        assert!((8..=11).contains(&asked.len()), "{}", asked.len());
        let indexes: Vec<u64> = asked.iter().take(5).map(|(_, index)| *index).collect();
        assert_eq!(indexes, [0, 5, 10, 0, 5]);
        assert_eq!(hub.get(&Dependency::Datacenters, 1), (Answer::Found(Data::Absent), 1), "one change in all");
    }

    #[tokio::test]
    async fn what_will_never_be_known_is_an_error_at_once() {
        let hub = Hub::new(Some(Arc::new(Busy::default())));
        let (answer, _) = hub.get(&Dependency::NomadServices { region: None }, 1);
        assert_eq!(answer, Answer::Error("never".to_owned()));
    }
}
