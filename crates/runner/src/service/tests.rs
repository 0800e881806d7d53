//! What is written to a catalog, and when; the clock is paused, and no check asks anything outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_consul::wire::Status;
use baton_model::Nanos;
use tokio::sync::mpsc;

use shelf::Shelf;

use super::definition::{CHECK_PREFIX, Wanted};
use super::{Catalog, CheckKind, CheckSpec, Known, Registration, Report, Reports, SERVICE_PREFIX, Services};

#[path = "../../tests/it/shelf.rs"]
mod shelf;

impl Shelf {
    fn count(&self, what: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| call.what == what).count()
    }

    fn removed_checks(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.what == "deregister_check").map(|call| call.id.clone()).collect()
    }

    fn edit(&self, edit: impl FnOnce(&mut Known)) {
        self.services.send_modify(|all| edit(all.values_mut().next().unwrap()));
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
fn start(shelf: &Arc<Shelf>, registration: Registration) -> (Services, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let services =
        Services::start(Some(shelf.clone()), false, dir.path().join("owned"), std::collections::BTreeSet::new());
    set(&services, registration);
    (services, dir)
}

fn set(services: &Services, registration: Registration) {
    let (commands, _inbox) = mpsc::channel(1);
    services.set("t".into(), vec![Wanted { registration, restart: commands.downgrade() }]);
}

#[tokio::test(start_paused = true)]
async fn every_run_of_a_check_with_a_time_to_live_is_told() {
    let shelf = Arc::new(Shelf { is_agent: true, ..Shelf::default() });
    let (_services, _dir) = start(&shelf, web());
    tokio::time::sleep(Duration::from_secs(51)).await;
    assert!((9..=12).contains(&shelf.count("report")), "{:?}", shelf.calls);
    assert_eq!(shelf.count("register"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_differs_in_the_catalog_is_repaired() {
    let shelf = Arc::new(Shelf { is_agent: true, ..Shelf::default() });
    // One run only: what is told after it is told by the comparison.
    let quiet = CheckSpec { interval: Nanos::hours(9), ..check() };
    let (_services, _dir) = start(&shelf, Registration { checks: vec![quiet], ..web() });
    let turn = Duration::from_secs(31);
    tokio::time::sleep(turn).await;
    assert_eq!(shelf.count("register"), 1, "{:?}", shelf.calls);
    let right = shelf.services.borrow().clone();
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
        shelf.edit(damage);
        assert_ne!(*shelf.services.borrow(), right);
        tokio::time::sleep(turn).await;
        assert_eq!(*shelf.services.borrow(), right, "damage {number}");
    }
    let foreign = |known: &mut Known| {
        known.checks.insert("operators".into(), Status::Passing);
    };
    shelf.edit(foreign);
    tokio::time::sleep(turn).await;
    assert!(!shelf.removed_checks().contains(&"operators".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_the_job_no_longer_has_leaves_at_once() {
    let shelf = Arc::new(Shelf { is_agent: true, ..Shelf::default() });
    let (services, _dir) = start(&shelf, web());
    tokio::time::sleep(Duration::from_millis(10)).await;
    set(&services, Registration { checks: Vec::new(), ..web() });
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(shelf.removed_checks(), [check().id]);
    assert_eq!(shelf.count("deregister"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_draining_service_is_marked_before_it_leaves() {
    let shelf = Arc::new(Shelf { is_agent: true, ..Shelf::default() });
    let (services, _dir) = start(&shelf, web());
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(services.drain(&["t".into()]).await);
    let known = shelf.services.borrow().values().next().unwrap().clone();
    assert_eq!(known.service.meta["baton-draining"], "true");
    assert!(known.checks.keys().any(|id| id.contains("draining")));
    services.remove("t").await;
    assert!(shelf.services.borrow().is_empty());
    assert!(!services.drain(&["t".into()]).await, "nothing is left to mark");
}
