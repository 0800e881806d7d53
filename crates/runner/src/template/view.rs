//! One rendering's view of the outside: the hub's answers, the task's environment and files.

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
}

impl Source for View<'_> {
    fn fetch(&self, dependency: &Dependency) -> Answer {
        match dependency {
            Dependency::File { path } => match file::read(self.dir, path) {
                Ok(text) => Answer::Found(Data::Text(text)),
                Err(reason) if file::place(self.dir, path).is_err() => Answer::Error(reason),
                // It may come: another task or a hook writes it.
                Err(_) => Answer::NotYet,
            },
            other => self.hub.get(other, self.claim),
        }
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
