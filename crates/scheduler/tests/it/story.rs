//! The story language: one step per line, what came of it in lines that start with `>`.
//!
//! Allocations are called `#1`, `#2` … in the order of their placement. After each step the cluster runs until nothing more
//! happens at that moment: clients end what is stopped, deployments and drains are looked at, due evaluations run.

use std::collections::BTreeMap;

use baton_model::eval::{EvalStatus, trigger};
use baton_model::node::{Eligibility, NodeStatus};
use baton_model::{AllocClientStatus, Evaluation, Job};
use baton_scheduler::{Snapshot, deployment, drain, explain};

use crate::job_text;
use crate::world::World;

/// More rounds than this at one moment means that the cluster does not come to rest.
const ROUNDS_MAX: usize = 20;

pub(crate) struct Story {
    pub(crate) world: World,
    draft: Option<Job>,
    pub(crate) numbers: BTreeMap<String, usize>,
    pub(crate) out: Vec<String>,
    /// Everything so far, shown when a property does not hold.
    log: Vec<String>,
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.log.join("\n"), self.out.join("\n"));
        }
    }
}

/// Runs the steps of a story; the lines with what came of each, in place of the old ones.
pub(crate) fn tell(text: &str) -> String {
    let mut story = Story::new();
    let mut told = String::new();
    for line in text.lines().filter(|line| !line.starts_with('>')) {
        told.push_str(line);
        told.push('\n');
        let step = line.trim();
        if step.is_empty() || step.starts_with("# ") {
            continue;
        }
        story.step(step, line.starts_with("  "));
        for said in &story.out {
            told.push_str("> ");
            told.push_str(said);
            told.push('\n');
        }
    }
    told
}

impl Story {
    pub(crate) fn new() -> Self {
        Self { world: World::new(), draft: None, numbers: BTreeMap::new(), out: Vec::new(), log: Vec::new() }
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// The numbers of the allocations that are wanted and not over.
    pub(crate) fn live(&self) -> Vec<usize> {
        let live = self.world.allocs.iter().filter(|alloc| !alloc.terminal());
        live.map(|alloc| self.numbers[&alloc.id]).collect()
    }

    /// Evaluates every job once more without committing: nothing may be left to do.
    pub(crate) fn assert_at_rest(&mut self) {
        let jobs: Vec<String> = self.world.jobs.iter().map(|job| job.id.clone()).collect();
        for job in jobs {
            let eval = self.world.evaluation(&job, trigger::JOB_REGISTER);
            let plan = self.world.plan(&eval);
            let waits = plan.follow_ups.iter().any(|eval| eval.status != EvalStatus::Blocked);
            if !plan.is_no_op() || waits {
                self.say_plan(&plan);
                panic!("not at rest, see the last lines of the story");
            }
        }
    }

    pub(crate) fn step(&mut self, step: &str, indented: bool) {
        self.log.append(&mut self.out);
        self.log.push(step.to_owned());
        let words: Vec<&str> = step.split_whitespace().collect();
        let rest = step.split_once(' ').map_or("", |(_, rest)| rest.trim());
        if indented {
            job_text::edit(self.draft.as_mut().expect("a job first"), step);
            return;
        }
        let job_id = self.draft.as_ref().map(|job| job.id.clone()).unwrap_or_default();
        match words[0] {
            "node" => {
                let number = self.world.nodes.len() + 1;
                self.world.nodes.push(job_text::node(rest, number));
                let system = self.world.system_jobs();
                self.evaluate_all(system.iter(), trigger::NODE_UPDATE);
                self.unblock();
            }
            "job" => {
                self.draft = Some(job_text::job(rest));
                return;
            }
            "edit" => {
                job_text::edit(self.draft.as_mut().expect("a job first"), rest);
                return;
            }
            "register" => {
                let job = self.draft.clone().expect("a job first");
                self.world.register(job);
                self.evaluate(&job_id, trigger::JOB_REGISTER);
            }
            "plan" => return self.dry_run(&job_id),
            "stop-job" => {
                let job = self.world.job(&job_id).expect("a registered job").clone();
                self.world.register(Job { stop: true, ..job });
                self.evaluate(&job_id, trigger::JOB_DEREGISTER);
            }
            "evaluate" => self.evaluate(&job_id, trigger::JOB_REGISTER),
            "running" => self.each(rest, |world, id| world.set_running(id)),
            "healthy" => self.each(rest, |world, id| {
                world.set_running(id);
                world.set_health(id, true);
            }),
            "unhealthy" => self.each(rest, |world, id| {
                world.set_running(id);
                world.set_health(id, false);
            }),
            "fail" => {
                self.each(rest, |world, id| world.end(id, AllocClientStatus::Failed));
                self.evaluate(&job_id, trigger::ALLOC_FAILURE);
            }
            "complete" => {
                self.each(rest, |world, id| world.end(id, AllocClientStatus::Complete));
                self.evaluate(&job_id, trigger::ALLOC_FAILURE);
            }
            "announce" => self.each(rest, |world, id| {
                world.set_running(id);
                world.alloc_mut(id).handover = true;
            }),
            "announce-reload" => self.each(rest, |world, id| world.alloc_mut(id).reload_full = true),
            "cannot-succeed" => {
                self.each(rest, |world, id| {
                    world.end(id, AllocClientStatus::Failed);
                    world.alloc_mut(id).client_description = "succession failed: address in use".to_owned();
                });
                self.evaluate(&job_id, trigger::ALLOC_FAILURE);
            }
            "holds" => {
                // It changes the order of updates that are under way.
                self.world.holds.insert(format!("n-{rest}"));
                if self.world.job(&job_id).is_some() {
                    self.evaluate(&job_id, trigger::NODE_UPDATE);
                }
            }
            "drain" => {
                let deadline = words.get(2).map_or("1h", |word| word.trim_start_matches("deadline="));
                self.preview(words[1]);
                self.world.drain_node(words[1], job_text::duration(deadline));
                let jobs = self.world.jobs_on(&format!("n-{}", words[1]));
                self.evaluate_all(jobs.iter(), trigger::NODE_DRAIN);
            }
            "undrain" => {
                let node = self.world.node_mut(rest);
                node.drain_strategy = None;
                node.scheduling_eligibility = Eligibility::Eligible;
                self.node_back(rest);
            }
            "down" => self.node_status(rest, NodeStatus::Down),
            "silent" => self.node_status(rest, NodeStatus::Disconnected),
            "up" => {
                self.world.node_mut(rest).status = NodeStatus::Ready;
                self.node_back(rest);
            }
            "promote" => self.promote(&job_id),
            "fail-deployment" => self.fail_deployment(&job_id),
            "tick" => self.world.now = self.world.now.plus(job_text::duration(rest)),
            "migrate" => {
                self.each(rest, |world, id| world.alloc_mut(id).desired_transition.migrate = Some(true));
                self.evaluate(&job_id, trigger::ALLOC_STOP);
            }
            "force-reschedule" => {
                self.each(rest, |world, id| world.alloc_mut(id).desired_transition.force_reschedule = Some(true));
                self.evaluate(&job_id, trigger::JOB_REGISTER);
            }
            "why" => return self.why(&job_id),
            "show" => return self.show(),
            other => panic!("unknown step {other:?}"),
        }
        self.come_to_rest();
    }

    fn each(&mut self, names: &str, act: impl Fn(&mut World, &str)) {
        for name in names.split_whitespace() {
            let number: usize = name.trim_start_matches('#').parse().expect("#N");
            let id = self.numbers.iter().find(|(_, n)| **n == number).map(|(id, _)| id.clone());
            act(&mut self.world, &id.unwrap_or_else(|| panic!("no allocation {name}")));
        }
    }

    fn node_status(&mut self, name: &str, status: NodeStatus) {
        self.world.node_mut(name).status = status;
        let jobs = self.world.jobs_on(&format!("n-{name}"));
        self.evaluate_all(jobs.iter(), trigger::NODE_UPDATE);
    }

    fn node_back(&mut self, name: &str) {
        let mut jobs = self.world.jobs_on(&format!("n-{name}"));
        jobs.append(&mut self.world.system_jobs());
        self.evaluate_all(jobs.iter(), trigger::NODE_UPDATE);
        self.unblock();
    }

    fn evaluate(&mut self, job_id: &str, why: &str) {
        let eval = self.world.evaluation(job_id, why);
        self.run(&eval);
    }

    fn evaluate_all<'j>(&mut self, jobs: impl Iterator<Item = &'j String>, why: &str) {
        for job in jobs {
            self.evaluate(job, why);
        }
    }

    fn unblock(&mut self) {
        for eval in self.world.take_blocked() {
            self.run(&Evaluation { status: EvalStatus::Pending, ..eval });
        }
    }

    fn run(&mut self, eval: &Evaluation) {
        let plan = self.world.plan(eval);
        self.world.commit(eval, &plan);
        self.say_plan(&plan);
    }

    fn dry_run(&mut self, job_id: &str) {
        let saved = self.world.jobs.clone();
        let versions = self.world.versions.len();
        self.world.register(self.draft.clone().expect("a job first"));
        let eval = self.world.register_evaluation(job_id);
        let plan = self.world.plan(&eval);
        for (group, desired) in &plan.desired {
            let json = serde_json::to_value(desired).expect("counters");
            let counters = json.as_object().into_iter().flatten().filter(|(_, count)| **count != 0);
            let counters: Vec<String> = counters.map(|(key, count)| format!("{key}={count}")).collect();
            self.out.push(format!("{group}: {}", counters.join(" ")));
        }
        self.world.jobs = saved;
        self.world.versions.truncate(versions);
    }

    /// Everything that happens by itself at this moment.
    fn come_to_rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut moved = self.world.settle_clients();
            let (mut jobs, words) = self.world.step_deployments();
            jobs.append(&mut self.world.proven_successions());
            moved |= !jobs.is_empty();
            self.out.extend(words);
            self.evaluate_all(jobs.iter(), trigger::DEPLOYMENT_WATCHER);
            let (jobs, step) = self.world.step_drains();
            moved |= !jobs.is_empty();
            self.say_drained(&step);
            self.evaluate_all(jobs.iter(), trigger::NODE_DRAIN);
            for eval in self.world.take_due() {
                moved = true;
                self.run(&eval);
            }
            if moved {
                self.unblock();
                continue;
            }
            self.say_drain(&step);
            return;
        }
        panic!("no rest after {ROUNDS_MAX} rounds: {:#?}", self.out);
    }

    fn promote(&mut self, job_id: &str) {
        let deployment = self.latest_deployment(job_id);
        match deployment::promote(&deployment, &self.world.allocs, None, self.world.now) {
            Err(reason) => self.out.push(format!("refused: {reason}")),
            Ok(step) => self.apply(step, job_id),
        }
    }

    fn fail_deployment(&mut self, job_id: &str) {
        let deployment = self.latest_deployment(job_id);
        let job = self.world.job(job_id).expect("a job").clone();
        let step = deployment::fail_by_user(&deployment, &job, None);
        self.apply(step, job_id);
    }

    fn apply(&mut self, step: deployment::DeploymentStep, job_id: &str) {
        let (mut jobs, mut words) = (std::collections::BTreeSet::new(), Vec::new());
        self.world.apply_deployment(step, job_id, None, &mut jobs, &mut words);
        self.out.append(&mut words);
        self.evaluate_all(jobs.iter(), trigger::DEPLOYMENT_WATCHER);
    }

    fn latest_deployment(&self, job_id: &str) -> baton_model::Deployment {
        self.world.deployments.iter().rev().find(|d| d.job_id == job_id).expect("a deployment").clone()
    }

    fn preview(&mut self, name: &str) {
        let objections = drain::preview(&self.world.drain_view(), &format!("n-{name}"), &self.world.config);
        for objection in objections {
            let word = if objection.replaceable { "warning" } else { "objection" };
            self.out.push(format!("{word}: {}", objection.text));
        }
    }

    fn why(&mut self, job_id: &str) {
        let job = self.world.job(job_id).cloned();
        let eval = Evaluation::default();
        let mut ids = String::new;
        let snapshot = Snapshot {
            job: job.as_ref(),
            job_id,
            allocs: &[],
            nodes: &self.world.nodes,
            node_allocs: &self.world.allocs,
            versions: &[],
            deployment: None,
            deployments: &[],
            eval: &eval,
            now: self.world.now,
            config: &self.world.config,
            holds: &self.world.holds,
            ids: &mut ids,
        };
        let group = &job.as_ref().expect("a job").task_groups[0].name;
        let opinions = explain::opinions(&snapshot, group);
        self.out.extend(opinions.iter().map(ToString::to_string));
    }

    fn show(&mut self) {
        for alloc in &self.world.allocs {
            let number = self.numbers[&alloc.id];
            let health = match alloc.deployment_health() {
                Some(true) => " healthy",
                Some(false) => " unhealthy",
                None => "",
            };
            self.out.push(format!(
                "#{number} {} {} on {} v{}{health}",
                alloc.name,
                alloc.client_status.as_str(),
                alloc.node_name,
                alloc.job.as_ref().map_or(0, |job| job.version),
            ));
        }
    }
}
