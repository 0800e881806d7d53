//! The services of the group, which belong to no single task.

use super::Runner;
use super::lifecycle::Role;
use crate::service;
use crate::task::{self, events};
use baton_model::task::event;

impl Runner {
    pub(super) fn group_scope(&self) -> String {
        task::key(&self.alloc.id, "")
    }

    pub(super) async fn register_group(&self) {
        if self.group.services.is_empty() {
            return;
        }
        let mains = self.group.tasks.iter().filter(|task| Role::of(task) == Role::Main);
        let Some(first) = mains.clone().next() else { return };
        let dir = self.dir.task(&first.name);
        let env = task::env::TaskEnv::new(&self.shared.config, &self.alloc, &self.job, &self.group, first, &dir);
        let mut wanted = Vec::new();
        for one in &self.group.services {
            let named = if one.task_name.is_empty() { &first.name } else { &one.task_name };
            let Some(handle) = self.tasks.get(named) else { continue };
            let owner = service::Owner {
                alloc: &self.alloc,
                group: &self.group,
                task: None,
                env: &env,
                node: &self.shared.config.node,
                dir: &dir.root,
                restart: handle.commands.downgrade(),
            };
            match service::registrations(&owner, std::slice::from_ref(one)) {
                Ok(more) => wanted.extend(more),
                Err(reason) => {
                    self.kill(named, Some(events::failure(event::SETUP_FAILURE, reason))).await;
                    return;
                }
            }
        }
        self.shared.services.set(self.group_scope(), wanted);
    }
}
