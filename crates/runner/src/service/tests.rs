//! What is written to a catalog, and when; the clock is paused, and no check asks anything outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_consul::wire::Status;
use baton_model::Nanos;
use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc;

use super::definition::{CHECK_PREFIX, Wanted};
use super::{Catalog, CheckKind, CheckSpec, Known, Registration, Report, Reports, SERVICE_PREFIX, Services};

/// A catalog that expects results of script checks before their time to live is over.
#[derive(Default)]
struct Book {
    known: Mutex<BTreeMap<String, Known>>,
    calls: Mutex<Vec<String>>,
}

impl Book {
    fn call(&self, what: &str, id: &str) {
        self.calls.lock().unwrap().push(format!("{what} {id}"));
    }

    fn count(&self, call: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|made| made.starts_with(call)).count()
    }

    fn edit(&self, edit: impl FnOnce(&mut Known)) {
        edit(self.known.lock().unwrap().values_mut().next().unwrap());
    }
}

impl Catalog for Book {
    fn register<'a>(&'a self, service: &'a Registration, reports: &'a Reports) -> BoxFuture<'a, Result<(), String>> {
        let status = |check: &CheckSpec| reports.get(&check.id).map_or(Status::Critical, |report| report.status);
        let checks = service.checks.iter().map(|check| (check.id.clone(), status(check))).collect();
        let bare = Registration { checks: Vec::new(), ..service.clone() };
        self.known.lock().unwrap().insert(service.id.clone(), Known { service: bare, checks });
        self.call("register", &service.id);
        async { Ok(()) }.boxed()
    }

    fn deregister<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), String>> {
        self.known.lock().unwrap().remove(id);
        self.call("deregister", id);
        async { Ok(()) }.boxed()
    }

    fn report<'a>(
        &'a self,
        service: &'a Registration,
        check: &'a CheckSpec,
        report: &'a Report,
    ) -> BoxFuture<'a, Result<(), String>> {
        if let Some(known) = self.known.lock().unwrap().get_mut(&service.id) {
            known.checks.insert(check.id.clone(), report.status);
        }
        self.call("report", &check.id);
        async { Ok(()) }.boxed()
    }

    fn deregister_check<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), String>> {
        self.known.lock().unwrap().values_mut().for_each(|known| {
            known.checks.remove(id);
        });
        self.call("deregister_check", id);
        async { Ok(()) }.boxed()
    }

    fn registered(&self) -> BoxFuture<'_, Result<BTreeMap<String, Known>, String>> {
        async { Ok(self.known.lock().unwrap().clone()) }.boxed()
    }

    fn is_exclusive(&self) -> bool {
        false
    }

    fn runs_checks(&self) -> bool {
        true
    }

    fn reports(&self) -> BoxFuture<'_, Result<Reports, String>> {
        async { Ok(Reports::new()) }.boxed()
    }

    fn in_flight<'a>(&'a self, _ids: &'a [String]) -> BoxFuture<'a, Result<u64, String>> {
        async { Ok(0) }.boxed()
    }
}

fn check() -> CheckSpec {
    let kind = CheckKind::Script {
        command: "unused".into(),
        args: Vec::new(),
        env: BTreeMap::new(),
        dir: "/".into(),
        user: String::new(),
    };
    CheckSpec { id: format!("{CHECK_PREFIX}c"), kind, interval: Nanos::secs(5), ..CheckSpec::default() }
}

fn web() -> Registration {
    Registration {
        id: format!("{SERVICE_PREFIX}a-t-web-"),
        name: "web".into(),
        tags: vec!["one".into()],
        port: 80,
        checks: vec![check()],
        ..Registration::default()
    }
}

/// Script checks are switched off: each gives the same result without a process.
fn start(book: &Arc<Book>, registration: Registration) -> (Services, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let services =
        Services::start(Some(book.clone()), false, dir.path().join("owned"), std::collections::BTreeSet::new());
    set(&services, registration);
    (services, dir)
}

fn set(services: &Services, registration: Registration) {
    let (commands, _inbox) = mpsc::channel(1);
    services.set("t".into(), vec![Wanted { registration, restart: commands.downgrade() }]);
}

#[tokio::test(start_paused = true)]
async fn every_run_of_a_check_with_a_time_to_live_is_told() {
    let book = Arc::new(Book::default());
    let (_services, _dir) = start(&book, web());
    tokio::time::sleep(Duration::from_secs(51)).await;
    assert!((9..=12).contains(&book.count("report")), "{:?}", book.calls);
    assert_eq!(book.count("register"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_differs_in_the_catalog_is_repaired() {
    let book = Arc::new(Book::default());
    // One run only: what is told after it is told by the comparison.
    let quiet = CheckSpec { interval: Nanos::hours(9), ..check() };
    let (_services, _dir) = start(&book, Registration { checks: vec![quiet], ..web() });
    let turn = Duration::from_secs(31);
    tokio::time::sleep(turn).await;
    assert_eq!(book.count("register"), 1, "{:?}", book.calls);
    let right = book.known.lock().unwrap().clone();
    let damages: [fn(&mut Known); 6] = [
        |known| known.service.tags.push("two".into()),
        |known| known.service.port = 81,
        |known| drop(known.service.meta.insert("k".into(), "v".into())),
        |known| known.checks.clear(),
        |known| known.checks.values_mut().for_each(|status| *status = Status::Passing),
        |known| {
            known.checks.insert(format!("{CHECK_PREFIX}old"), Status::Passing);
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        book.edit(damage);
        assert_ne!(*book.known.lock().unwrap(), right);
        tokio::time::sleep(turn).await;
        assert_eq!(*book.known.lock().unwrap(), right, "damage {number}");
    }
    let foreign = |known: &mut Known| {
        known.checks.insert("operators".into(), Status::Passing);
    };
    book.edit(foreign);
    tokio::time::sleep(turn).await;
    assert_eq!(book.count("deregister_check operators"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_the_job_no_longer_has_leaves_at_once() {
    let book = Arc::new(Book::default());
    let (services, _dir) = start(&book, web());
    tokio::time::sleep(Duration::from_millis(10)).await;
    set(&services, Registration { checks: Vec::new(), ..web() });
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(book.count(&format!("deregister_check {}", check().id)), 1);
    assert_eq!(book.count("deregister _"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_draining_service_is_marked_before_it_leaves() {
    let book = Arc::new(Book::default());
    let (services, _dir) = start(&book, web());
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(services.drain(&["t".into()]).await);
    let known = book.known.lock().unwrap().values().next().unwrap().clone();
    assert_eq!(known.service.meta["baton-draining"], "true");
    assert!(known.checks.keys().any(|id| id.contains("draining")));
    services.remove("t").await;
    assert!(book.known.lock().unwrap().is_empty());
    assert!(!services.drain(&["t".into()]).await, "nothing is left to mark");
}
