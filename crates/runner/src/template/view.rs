//! One rendering's view of the outside: the hub's answers, the task's environment and files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use baton_template::{Answer, Data, Dependency, Interface, Source};

use super::hub::Hub;
use super::{file, interfaces};
use crate::alloc::dir::TaskDir;
use crate::task::env::TaskEnv;

pub(super) struct View<'a> {
    pub(super) hub: &'a Hub,
    pub(super) claim: u64,
    pub(super) env: &'a TaskEnv,
    pub(super) dir: &'a TaskDir,
    /// The version of each answer that was given.
    pub(super) seen: RefCell<BTreeMap<Dependency, u64>>,
}

impl View<'_> {
    /// The answer, and a number that differs when the answer does.
    pub(super) fn look(&self, dependency: &Dependency) -> (Answer, u64) {
        let Dependency::File { path } = dependency else { return self.hub.get(dependency, self.claim) };
        match file::read(self.dir, path) {
            Ok(text) => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                (Answer::Found(Data::Text(text)), hasher.finish())
            }
            Err(reason) if file::place(self.dir, path).is_err() => (Answer::Error(reason), 1),
            // It may come: another task or a hook writes it.
            Err(_) => (Answer::NotYet, 0),
        }
    }
}

impl Source for View<'_> {
    fn fetch(&self, dependency: &Dependency) -> Answer {
        let (answer, version) = self.look(dependency);
        self.seen.borrow_mut().insert(dependency.clone(), version);
        answer
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.env.get(name).map(str::to_owned)
    }

    fn interfaces(&self) -> Vec<Interface> {
        interfaces::interfaces()
    }
}
