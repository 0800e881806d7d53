//! Following a Consul catalog with blocking queries: changes arrive as they happen, nothing is polled.
//!
//! One watch lists the services, one more follows each service whose tags concern the proxy. The first picture is told
//! once every service in it has been read, so that a start never serves half a catalog. While the catalog is away, what
//! was seen last stays.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use baton_consul::client::{Changed, Watch};
use baton_consul::wire::ServiceEntry;
use baton_consul::{Client, Config, Error, Read};
use baton_routing::config::ConsulCatalog;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Services followed at once.
pub const SERVICES_MAX: usize = 4096;
/// Changes that arrive within this time are told together.
const QUIET: Duration = Duration::from_millis(5);
/// Changes that wait to be told.
const QUEUE: usize = 256;

/// The instances of each service that concerns the proxy; `None` before the first complete picture.
pub type Picture = Option<Arc<BTreeMap<String, Arc<Vec<ServiceEntry>>>>>;

/// A catalog and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Catalog {
    client: Client,
    read: Read,
    /// Tags with this beginning make a service interesting; `None` makes all.
    prefix: Option<String>,
}

type News = (String, Vec<ServiceEntry>);

impl Catalog {
    pub fn new(provider: &ConsulCatalog) -> Result<Self, Error> {
        let endpoint = &provider.endpoint;
        let address = match endpoint.address.contains("://") {
            true => endpoint.address.clone(),
            false => format!("{}://{}", endpoint.scheme, endpoint.address),
        };
        let token = Some(endpoint.token.clone()).filter(|token| !token.is_empty());
        let client = Client::new(&Config { token, ..Config::new(address) })?;
        let mut read = Read { stale: provider.stale, consistent: provider.require_consistent, ..Read::default() };
        if !endpoint.datacenter.is_empty() {
            read = read.with("dc", &endpoint.datacenter);
        }
        let prefix = (!provider.exposed_by_default).then(|| format!("{}.", provider.prefix.to_ascii_lowercase()));
        Ok(Self { client, read, prefix })
    }

    /// For what else there is to say to the catalog.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Follows the catalog until nobody looks at `to` any more.
    pub async fn follow(&self, to: &watch::Sender<Picture>) {
        let mut names = Watch::with(self.read.clone(), |read: Read| {
            let client = self.client.clone();
            async move { client.catalog_services(&read).await }
        });
        let (tell, mut news) = mpsc::channel::<News>(QUEUE);
        let mut followers = Followers::default();
        let mut seen: BTreeMap<String, Arc<Vec<ServiceEntry>>> = BTreeMap::new();
        let mut lost = false;
        loop {
            let mut changed = false;
            tokio::select! {
                () = to.closed() => return,
                next = names.next() => match next {
                    Changed::To(services) => {
                        if std::mem::take(&mut lost) {
                            tracing::info!(address = self.client.address(), "the catalog answers again");
                        }
                        let wanted = self.wanted(services);
                        let before = seen.len();
                        seen.retain(|name, _| wanted.contains(name));
                        changed = seen.len() != before || wanted.is_empty();
                        followers.keep(&wanted, |name| self.service(name, tell.clone()));
                    }
                    Changed::Lost(error) if !lost => {
                        lost = true;
                        tracing::warn!(%error, "the catalog does not answer; its last known services stay");
                    }
                    Changed::Lost(_) => {}
                },
                Some((name, entries)) = news.recv() => changed = take(&mut seen, &followers, name, entries),
            }
            while let Ok(Some((name, entries))) = timeout(QUIET, news.recv()).await {
                changed |= take(&mut seen, &followers, name, entries);
            }
            let complete = to.borrow().is_some() || followers.names().all(|name| seen.contains_key(name));
            if changed && complete {
                to.send_replace(Some(Arc::new(seen.clone())));
            }
        }
    }

    fn wanted(&self, services: BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
        let interesting = |tags: &[String]| {
            self.prefix
                .as_ref()
                .is_none_or(|prefix| tags.iter().any(|tag| tag.to_ascii_lowercase().starts_with(prefix)))
        };
        let count = services.values().filter(|tags| interesting(tags)).count();
        if count > SERVICES_MAX {
            tracing::error!(services = count, limit = SERVICES_MAX, "too many services; the rest is left out");
        }
        let names = services.into_iter().filter(|(_, tags)| interesting(tags)).map(|(name, _)| name);
        names.take(SERVICES_MAX).collect()
    }

    /// Follows one service.
    fn service(&self, name: &str, tell: mpsc::Sender<News>) -> impl Future<Output = ()> + Send + use<> {
        let (client, read, name) = (self.client.clone(), self.read.clone(), name.to_owned());
        async move {
            let mut watch = Watch::with(read, |read: Read| {
                let (client, name) = (client.clone(), name.clone());
                async move { client.health_service(&name, &read).await }
            });
            loop {
                // A loss is told by the watch of the names.
                if let Changed::To(entries) = watch.next().await
                    && tell.send((name.clone(), entries)).await.is_err()
                {
                    return;
                }
            }
        }
    }
}

/// Notes what came, unless nobody asks for that service any more.
fn take(
    seen: &mut BTreeMap<String, Arc<Vec<ServiceEntry>>>,
    followers: &Followers,
    name: String,
    entries: Vec<ServiceEntry>,
) -> bool {
    let wanted = followers.running.contains_key(&name);
    if wanted {
        seen.insert(name, Arc::new(entries));
    }
    wanted
}

/// One task per followed service; all end with this.
#[derive(Default)]
struct Followers {
    tasks: JoinSet<()>,
    running: HashMap<String, tokio::task::AbortHandle>,
}

impl Followers {
    fn keep<F>(&mut self, wanted: &BTreeSet<String>, start: impl Fn(&str) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.running.retain(|name, task| {
            let keep = wanted.contains(name);
            if !keep {
                task.abort();
            }
            keep
        });
        for name in wanted {
            if !self.running.contains_key(name) {
                let task = self.tasks.spawn(start(name));
                self.running.insert(name.clone(), task);
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.running.keys()
    }
}
