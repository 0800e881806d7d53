//! A catalog in memory, for unit and integration tests. Whoever includes it has the crate's names in scope.

use std::collections::BTreeMap;
use std::sync::Mutex;

use baton_consul::wire::Status;
use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::watch;

use super::{Catalog, CheckSpec, Known, Registration, Report, Reports};

/// By id.
pub(crate) type Shelved = BTreeMap<String, Known>;

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) what: &'static str,
    pub(crate) id: String,
    /// What it says of checks.
    pub(crate) statuses: Vec<Status>,
}

#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) services: watch::Sender<Shelved>,
    pub(crate) calls: Mutex<Vec<Call>>,
    /// As a Consul's agent: others register there too, and results of checks are expected before their time to live is over.
    pub(crate) is_agent: bool,
}

impl Shelf {
    fn write(&self, what: &'static str, id: &str, statuses: Vec<Status>, change: impl FnOnce(&mut Shelved)) {
        self.calls.lock().unwrap().push(Call { what, id: id.to_owned(), statuses });
        self.services.send_modify(change);
    }
}

impl Catalog for Shelf {
    fn register<'a>(&'a self, service: &'a Registration, reports: &'a Reports) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let status = |check: &CheckSpec| reports.get(&check.id).map_or(Status::Critical, |report| report.status);
            let checks: BTreeMap<String, Status> =
                service.checks.iter().map(|check| (check.id.clone(), status(check))).collect();
            let bare = Registration { checks: Vec::new(), ..service.clone() };
            self.write("register", &service.id, checks.values().copied().collect(), |all| {
                all.insert(service.id.clone(), Known { service: bare, checks });
            });
            Ok(())
        }
        .boxed()
    }

    fn deregister<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), String>> {
        async move {
            self.write("deregister", id, Vec::new(), |all| drop(all.remove(id)));
            Ok(())
        }
        .boxed()
    }

    fn report<'a>(
        &'a self,
        service: &'a Registration,
        check: &'a CheckSpec,
        report: &'a Report,
    ) -> BoxFuture<'a, Result<(), String>> {
        async move {
            self.write("report", &check.id, vec![report.status], |all| {
                if let Some(known) = all.get_mut(&service.id) {
                    known.checks.insert(check.id.clone(), report.status);
                }
            });
            Ok(())
        }
        .boxed()
    }

    fn deregister_check<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), String>> {
        async move {
            self.write("deregister_check", id, Vec::new(), |all| {
                all.values_mut().for_each(|known| {
                    known.checks.remove(id);
                });
            });
            Ok(())
        }
        .boxed()
    }

    fn registered(&self) -> BoxFuture<'_, Result<BTreeMap<String, Known>, String>> {
        async { Ok(self.services.borrow().clone()) }.boxed()
    }

    fn is_exclusive(&self) -> bool {
        !self.is_agent
    }

    fn runs_checks(&self) -> bool {
        self.is_agent
    }

    fn reports(&self) -> BoxFuture<'_, Result<Reports, String>> {
        async { Ok(Reports::new()) }.boxed()
    }

    fn in_flight<'a>(&'a self, _ids: &'a [String]) -> BoxFuture<'a, Result<Option<u64>, String>> {
        async { Ok(Some(0)) }.boxed()
    }
}
