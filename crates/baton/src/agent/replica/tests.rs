use std::path::Path;

use baton_api::consul::MemoryBackend;
use baton_catalog::{CatalogError, KvCommand};
use baton_consul::wire::{CatalogDeregistration, CheckRegistration, Node, ServiceRegistration, Text};
use baton_model::Nanos;
use baton_testkit::eventually;

use super::*;

/// A server's catalog that can be out of reach.
struct Far {
    catalog: MemoryBackend,
    epoch: Mutex<String>,
    up: watch::Sender<bool>,
    taken: Mutex<Vec<Command>>,
}

impl Far {
    fn start() -> Arc<Self> {
        let catalog = MemoryBackend::new("dc1");
        for name in ["server", "n1"] {
            let node = Node { node: name.into(), address: "127.0.0.1".into(), ..Node::default() };
            catalog.apply_now(Command::NodeUp(node)).unwrap();
        }
        Arc::new(Self {
            catalog,
            epoch: Mutex::new("first".to_owned()),
            up: watch::Sender::new(true),
            taken: Mutex::default(),
        })
    }

    fn lost(&self) -> LinkError {
        LinkError::Unreachable { address: "far".to_owned(), reason: "told so".to_owned() }
    }

    fn taken(&self) -> Vec<Command> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }

    fn services(&self) -> Vec<String> {
        services(&self.catalog)
    }
}

impl Server for Far {
    fn follow<'a>(
        &'a self,
        epoch: &'a str,
        index: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<CatalogFeed, LinkError>> {
        async move {
            let mut up = self.up.subscribe();
            let mut changes = self.catalog.changes();
            let deadline = tokio::time::sleep(wait);
            tokio::pin!(deadline);
            loop {
                if !*up.borrow_and_update() {
                    return Err(self.lost());
                }
                let own = self.epoch.lock().unwrap().clone();
                let since = (own == epoch).then_some(index);
                let now = *changes.borrow_and_update();
                let over = deadline.is_elapsed() || wait.is_zero();
                if since != Some(now) || over {
                    let mut feed = None;
                    self.catalog.read(&mut |state| feed = Some(state.feed(since)));
                    return Ok(CatalogFeed { epoch: own, feed: feed.unwrap() });
                }
                tokio::select! {
                    _ = changes.changed() => {}
                    _ = up.changed() => {}
                    () = &mut deadline => {}
                }
            }
        }
        .boxed()
    }

    fn forward<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Forwarded, LinkError>> {
        async move {
            if !*self.up.borrow() {
                return Err(self.lost());
            }
            self.taken.lock().unwrap().push(command.clone());
            let result = self.catalog.apply_now(command.clone());
            let index = *self.catalog.changes().borrow();
            Ok(Forwarded { result, index })
        }
        .boxed()
    }
}

/// Services of the node, each with the states of its checks.
fn services(backend: &dyn Backend) -> Vec<String> {
    let mut found = Vec::new();
    backend.read(&mut |state| {
        found = state
            .services_on("n1")
            .map(|service| {
                let own = state.checks_on("n1").filter(|check| check.service_id == service.id);
                let states: Vec<&str> = own.map(|check| check.status.as_str()).collect();
                format!("{} {}", service.id, states.join(","))
            })
            .collect();
    });
    found
}

fn register(id: &str) -> Command {
    register_for(id, Nanos::hours(1))
}

fn register_for(id: &str, ttl: Nanos) -> Command {
    let check = CheckRegistration { ttl: Text(ttl), ..CheckRegistration::default() };
    let registration = ServiceRegistration { name: id.into(), check: Some(check), ..ServiceRegistration::default() };
    Command::RegisterService { node: "n1".into(), registration: Box::new(registration), replace_checks: true }
}

fn beat(id: &str, status: Status) -> Command {
    Command::HeartbeatCheck { node: "n1".into(), check_id: format!("service:{id}"), status, output: String::new() }
}

fn remove(id: &str) -> Command {
    Command::Deregister(CatalogDeregistration {
        node: "n1".into(),
        service_id: id.into(),
        ..CatalogDeregistration::default()
    })
}

fn set(key: &str) -> Command {
    Command::Kv(KvCommand { key: key.into(), ..KvCommand::default() })
}

struct Running {
    replica: Arc<Replica>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(dir: &Path, far: &Arc<Far>) -> Self {
        // A write that was under way when its owner was killed may still hold the directory.
        let replica = eventually("the copy opens", Duration::from_secs(10), || {
            Replica::open(dir, far.clone(), "n1", "dc1").map_err(|error| format!("{error:#}"))
        });
        let replica = Arc::new(replica);
        let following = replica.clone();
        Self { replica, task: tokio::spawn(async move { following.run().await }) }
    }

    /// Waits until it says whether the server is there.
    async fn await_reach(&self, known: bool) {
        let reached = async {
            while self.replica.reach().known_leader != known {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("in time");
    }

    /// Waits until it holds what the server holds.
    async fn await_equal(&self, far: &Far) {
        let everything = |backend: &dyn Backend| {
            let mut feed = None;
            backend.read(&mut |state| feed = Some(state.feed(None)));
            feed.unwrap()
        };
        let equal = async {
            while everything(&*self.replica) != everything(&far.catalog) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), equal).await.expect("in time");
    }

    /// As a kill would: nothing is said, nothing waited for.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        assert_eq!(Arc::strong_count(&self.replica), 1);
    }
}

#[tokio::test]
async fn with_the_server_writes_go_there_and_are_seen_here_at_once() {
    let (dir, far) = (tempfile::tempdir().unwrap(), Far::start());
    let running = Running::start(dir.path(), &far);
    running.await_reach(true).await;
    let replica = &running.replica;
    replica.apply(register("web")).await.unwrap();
    assert_eq!(services(&**replica), ["web critical"]);
    replica.apply(beat("web", Status::Passing)).await.unwrap();
    assert_eq!(services(&**replica), ["web passing"]);
    assert_eq!(replica.apply(set("a")).await.unwrap(), Outcome::Flag(true));
    assert_eq!(far.services(), ["web passing"]);
    let refused = replica.apply(beat("nope", Status::Passing)).await.unwrap_err();
    assert!(matches!(refused, BackendError::Refused(CatalogError::NoTtl(_))), "{refused}");

    far.taken();
    let report = |status, output: &str| Command::ReportCheck {
        node: "n1".into(),
        check_id: "service:web".into(),
        status,
        output: output.into(),
    };
    replica.apply(report(Status::Passing, "200")).await.unwrap();
    assert_eq!(far.taken(), [], "what is known is not sent");
    replica.apply(report(Status::Critical, "500")).await.unwrap();
    assert_eq!(far.taken().len(), 1);
}

#[tokio::test]
async fn without_the_server_this_node_goes_on_and_the_server_hears_of_it_later() {
    let (dir, far) = (tempfile::tempdir().unwrap(), Far::start());
    let running = Running::start(dir.path(), &far);
    running.await_reach(true).await;
    let replica = &running.replica;
    replica.apply(register("old")).await.unwrap();
    replica.apply(set("a")).await.unwrap();
    far.up.send_replace(false);
    running.await_reach(false).await;

    replica.apply(register("new")).await.unwrap();
    replica.apply(beat("new", Status::Passing)).await.unwrap();
    replica.apply(remove("old")).await.unwrap();
    assert_eq!(services(&**replica), ["new passing"], "its own changes are in force");
    replica.read(&mut |state| assert!(state.key("a").is_some(), "what was known stays"));
    let refused = replica.apply(set("b")).await.unwrap_err();
    assert!(matches!(refused, BackendError::NoLeader), "{refused}");
    assert!(matches!(replica.catch_up().await, Err(BackendError::NoLeader)));
    assert_eq!(far.services(), ["old critical"]);

    far.catalog.apply_now(set("meanwhile")).unwrap();
    far.up.send_replace(true);
    running.await_equal(&far).await;
    assert_eq!(far.services(), ["new passing"]);
    replica.catch_up().await.unwrap();
}

#[tokio::test]
async fn what_waits_for_the_server_survives_a_kill() {
    let (dir, far) = (tempfile::tempdir().unwrap(), Far::start());
    let running = Running::start(dir.path(), &far);
    running.await_reach(true).await;
    running.replica.apply(register("web")).await.unwrap();
    far.up.send_replace(false);
    running.await_reach(false).await;
    running.replica.apply(beat("web", Status::Passing)).await.unwrap();
    running.replica.apply(register("late")).await.unwrap();
    running.kill().await;

    let running = Running::start(dir.path(), &far);
    assert_eq!(services(&*running.replica), ["late critical", "web passing"]);
    running.replica.apply(beat("late", Status::Warning)).await.unwrap();
    far.up.send_replace(true);
    running.await_equal(&far).await;
    assert_eq!(far.services(), ["late warning", "web passing"]);
    running.kill().await;
    far.taken();
    let running = Running::start(dir.path(), &far);
    running.await_reach(true).await;
    assert_eq!(far.taken(), [], "what the server has is not told twice");
}

#[tokio::test]
async fn another_history_of_the_server_replaces_everything_and_wakes_who_waits() {
    let (dir, far) = (tempfile::tempdir().unwrap(), Far::start());
    for key in ["a", "b", "c"] {
        far.catalog.apply_now(set(key)).unwrap();
    }
    let running = Running::start(dir.path(), &far);
    running.await_equal(&far).await;
    let mut changes = running.replica.changes();
    let high = *changes.borrow_and_update();
    running.kill().await;

    let fresh = Far::start();
    *fresh.epoch.lock().unwrap() = "second".to_owned();
    let running = Running::start(dir.path(), &fresh);
    running.await_equal(&fresh).await;
    assert!(*running.replica.changes().borrow() < high);
    running.replica.read(&mut |state| assert!(state.key("a").is_none()));
}

#[tokio::test]
async fn the_journal_is_bounded_and_results_replace_each_other() {
    let (dir, far) = (tempfile::tempdir().unwrap(), Far::start());
    let running = Running::start(dir.path(), &far);
    running.await_reach(true).await;
    running.replica.apply(register("web")).await.unwrap();
    far.up.send_replace(false);
    running.await_reach(false).await;
    far.taken();
    for _ in 0..20 {
        for status in [Status::Passing, Status::Warning, Status::Critical] {
            running.replica.apply(beat("web", status)).await.unwrap();
        }
    }
    running.replica.lock().journal.iter().for_each(|(_, command)| assert!(command.about() == Some("n1")));
    far.up.send_replace(true);
    running.await_equal(&far).await;
    let taken = far.taken();
    assert!(taken.len() <= 2, "{taken:?}");
    assert_eq!(taken.last(), Some(&beat("web", Status::Critical)));

    let full = (0..JOURNAL_MAX as u64).map(|number| (number, register("web")));
    far.up.send_replace(false);
    running.await_reach(false).await;
    running.replica.lock().journal.extend(full);
    let refused = running.replica.apply(register("more")).await.unwrap_err();
    assert!(matches!(refused, BackendError::NoLeader), "{refused}");
}

#[tokio::test]
async fn without_the_server_a_check_that_nobody_speaks_for_runs_out() {
    let (dir, far) = (tempfile::tempdir().unwrap(), Far::start());
    let running = Running::start(dir.path(), &far);
    running.await_reach(true).await;
    let replica = &running.replica;
    for (id, ttl) in [("short", Nanos::secs(1)), ("long", Nanos::hours(1))] {
        replica.apply(register_for(id, ttl)).await.unwrap();
        replica.apply(beat(id, Status::Passing)).await.unwrap();
    }
    far.up.send_replace(false);
    running.await_reach(false).await;
    let ran_out = async {
        let mut changes = replica.changes();
        while services(&**replica) != ["long passing", "short critical"] {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ran_out).await.expect("it runs out");
    replica.read(&mut |state| assert_eq!(state.check_on("n1", "service:short").unwrap().output, TTL_EXPIRED));

    far.up.send_replace(true);
    running.await_equal(&far).await;
    assert_eq!(far.services(), ["long passing", "short critical"], "the server hears of it");
    running.await_reach(true).await;
    replica.apply(beat("short", Status::Passing)).await.unwrap();
    assert_eq!(far.services(), ["long passing", "short passing"]);
}
