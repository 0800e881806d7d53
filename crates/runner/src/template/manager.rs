//! Renders the templates of one task, first all of them, then what changes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use baton_model::Nanos;
use baton_model::task::{ChangeScript, Template as Wanted, TemplateWait};
use baton_template::{Delimiters, Dependency, RenderOptions, Template, missing_message, parse_env_file, render};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::file;
use super::hub::Hub;
use super::view::View;
use crate::alloc::dir::TaskDir;
use crate::task::env::TaskEnv;

/// How long data may be missing before an event says so.
const MISSING_NOTICE: Duration = Duration::from_secs(1);
/// Between two looks at files that templates read.
const FILE_LOOK: Duration = Duration::from_secs(2);
/// `wait.max` where only `wait.min` is said, in multiples of it, as in consul-template.
const WAIT_MAX_FACTOR: u32 = 4;
/// Changes that wait for the task.
const CHANGES_MAX: usize = 16;

/// A task's templates and what they are rendered with.
pub(crate) struct TemplateTask {
    pub(crate) templates: Vec<Wanted>,
    pub(crate) dir: TaskDir,
    pub(crate) env: TaskEnv,
    pub(crate) namespace: String,
    /// Pause between a change and its rendering, unless a template's `wait` says otherwise.
    pub(crate) wait: Duration,
    /// The task runs already: a difference in the first rendering is a change.
    pub(crate) running: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    /// For what, once it has lasted.
    Waiting(Option<String>),
    /// All are written; the variables of `env = true` templates.
    Ready(Vec<(String, String)>),
    Failed(String),
}

/// What one pass asks of the task: a restart, or each signal once and the scripts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Change {
    /// Why a rendering failed while the task runs, once each.
    pub(crate) problem: Option<String>,
    pub(crate) restart: bool,
    pub(crate) signals: BTreeSet<String>,
    pub(crate) scripts: Vec<ChangeScript>,
    pub(crate) env: Vec<(String, String)>,
}

pub(crate) struct Manager {
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) changes: mpsc::Receiver<Change>,
    replace: watch::Sender<Vec<Wanted>>,
    worker: AbortHandle,
}

impl Manager {
    pub(crate) fn start(hub: &Hub, task: TemplateTask) -> Self {
        let (report, progress) = watch::channel(Progress::Waiting(None));
        let (tell, changes) = mpsc::channel(CHANGES_MAX);
        let (replace, replaced) = watch::channel(task.templates.clone());
        let claim = Claim::new(hub.clone());
        let worker = Worker { claim, task, report, tell, replaced, ready: false, parts: Vec::new() };
        let worker = tokio::spawn(worker.run()).abort_handle();
        Self { progress, changes, replace, worker }
    }

    /// The job's templates changed in place.
    pub(crate) fn replace(&self, templates: Vec<Wanted>) {
        self.replace.send_replace(templates);
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

/// The right to data in the hub, given back at the end.
struct Claim {
    hub: Hub,
    id: u64,
}

impl Claim {
    fn new(hub: Hub) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { hub, id: NEXT.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.hub.release(self.id, &BTreeSet::new());
    }
}

struct Worker {
    claim: Claim,
    task: TemplateTask,
    report: watch::Sender<Progress>,
    tell: mpsc::Sender<Change>,
    replaced: watch::Receiver<Vec<Wanted>>,
    ready: bool,
    parts: Vec<Part>,
}

struct Part {
    wanted: Wanted,
    place: PathBuf,
    template: Template,
    /// What stands in the file.
    text: Option<String>,
    /// What was asked for at the last rendering, and the versions of the answers; `None` before the first.
    seen: Option<BTreeMap<Dependency, u64>>,
    missing: Vec<Dependency>,
    /// Rendered and not written yet.
    fresh: Option<String>,
}

/// One pass over all templates.
#[derive(Default)]
struct Pass {
    dependencies: BTreeSet<Dependency>,
    missing: Vec<Dependency>,
    changed: Vec<usize>,
}

impl Worker {
    async fn run(mut self) {
        let mut hub_changes = self.claim.hub.changes();
        if let Err(reason) = self.compile() {
            self.report.send_replace(Progress::Failed(reason));
            return;
        }
        let mut said_missing = false;
        let mut trouble = None;
        loop {
            hub_changes.borrow_and_update();
            let pass = match self.pass() {
                Ok(pass) => {
                    trouble = None;
                    pass
                }
                Err(reason) if !self.ready => {
                    self.report.send_replace(Progress::Failed(reason));
                    return;
                }
                Err(reason) => {
                    tracing::warn!(task = %self.task.dir.root.display(), %reason, "a template failed; its last rendering stays");
                    if trouble.as_ref() != Some(&reason) {
                        trouble = Some(reason.clone());
                        let env = self.env().unwrap_or_default();
                        let _ = self.tell.send(Change { problem: Some(reason), env, ..Change::default() }).await;
                    }
                    Pass { dependencies: self.known(), ..Pass::default() }
                }
            };
            self.claim.hub.release(self.claim.id, &pass.dependencies);
            if pass.missing.is_empty() || self.ready {
                self.act(&pass).await;
            } else if said_missing {
                self.report.send_replace(Progress::Waiting(Some(missing_message(&pass.missing))));
            }
            let files = pass.dependencies.iter().any(|dependency| matches!(dependency, Dependency::File { .. }));
            let waiting = !self.ready;
            tokio::select! {
                _ = hub_changes.changed() => if self.ready { self.settle(&mut hub_changes).await },
                changed = self.replaced.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.task.templates = self.replaced.borrow_and_update().clone();
                    if let Err(reason) = self.compile() {
                        tracing::warn!(task = %self.task.dir.root.display(), %reason, "changed templates are refused; the old ones stay");
                    }
                }
                () = tokio::time::sleep(FILE_LOOK), if files => {}
                () = tokio::time::sleep(MISSING_NOTICE), if waiting && !said_missing => said_missing = true,
            }
        }
    }

    /// Reads the templates; on an error the old ones stay. Known texts are kept by destination.
    fn compile(&mut self) -> Result<(), String> {
        let mut parts = Vec::new();
        for wanted in &self.task.templates {
            let place = file::place(&self.task.dir, &self.task.env.replace(&wanted.dest_path))?;
            let (name, text) = if wanted.source_path.is_empty() {
                (wanted.dest_path.clone(), wanted.embedded_tmpl.clone())
            } else {
                let path = self.task.env.replace(&wanted.source_path);
                (path.clone(), file::read(&self.task.dir, &path)?)
            };
            let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
            let marks = Delimiters { left: or(&wanted.left_delim, "{{"), right: or(&wanted.right_delim, "}}") };
            let template = Template::parse(&name, &text, &marks).map_err(|error| error.to_string())?;
            let text = self.parts.iter().find(|part| part.place == place).and_then(|part| part.text.clone());
            parts.push(Part {
                wanted: wanted.clone(),
                place,
                template,
                text,
                seen: None,
                missing: Vec::new(),
                fresh: None,
            });
        }
        self.parts = parts;
        Ok(())
    }

    /// Renders what depends on something that moved; files are written once nothing is missing the first time.
    fn pass(&mut self) -> Result<Pass, String> {
        let view = View {
            hub: &self.claim.hub,
            claim: self.claim.id,
            env: &self.task.env,
            dir: &self.task.dir,
            seen: RefCell::default(),
        };
        let mut pass = Pass::default();
        for part in &mut self.parts {
            if part.wanted.once && part.text.is_some() {
                continue;
            }
            let moved =
                |seen: &BTreeMap<Dependency, u64>| seen.iter().any(|(what, version)| view.look(what).1 != *version);
            if part.seen.as_ref().is_none_or(moved) {
                let options = RenderOptions {
                    error_on_missing_key: part.wanted.err_missing_key,
                    env: self.task.env.vars.clone(),
                    namespace: Some(self.task.namespace.clone()),
                };
                let rendered = render(&part.template, &view, &options);
                part.seen = Some(view.seen.take());
                let rendered = rendered.map_err(|error| error.to_string())?;
                part.missing = rendered.missing;
                part.fresh = rendered.text;
            }
            pass.dependencies.extend(part.seen.iter().flatten().map(|(dependency, _)| dependency.clone()));
            pass.missing.extend(part.missing.iter().cloned());
        }
        if !self.ready && !pass.missing.is_empty() {
            return Ok(pass);
        }
        for (number, part) in self.parts.iter_mut().enumerate() {
            let Some(text) = part.fresh.take_if(|text| part.text.as_ref() != Some(text)) else { continue };
            match file::write(&self.task.dir, &part.place, &text, &part.wanted) {
                Ok(differs) => {
                    part.text = Some(text);
                    if differs {
                        pass.changed.push(number);
                    }
                }
                Err(error) => {
                    part.fresh = Some(text);
                    return Err(format!("cannot write {}: {error}", part.place.display()));
                }
            }
        }
        Ok(pass)
    }

    async fn act(&mut self, pass: &Pass) {
        let env = match self.env() {
            Ok(env) => env,
            Err(reason) if !self.ready => {
                self.report.send_replace(Progress::Failed(reason));
                return;
            }
            Err(reason) => {
                tracing::warn!(%reason, "an environment template is refused; the old variables stay");
                return;
            }
        };
        let first = !std::mem::replace(&mut self.ready, true);
        // A restarted task reads its variables from here.
        self.report.send_replace(Progress::Ready(env.clone()));
        let mut change = Change { env, ..Change::default() };
        let mut splay = Duration::ZERO;
        for wanted in pass.changed.iter().filter_map(|number| Some(&self.parts.get(*number)?.wanted)) {
            if first && !self.task.running {
                let scripts = wanted.change_script.iter().filter(|script| script.run_on_first_render);
                change.scripts.extend(scripts.cloned());
                continue;
            }
            match wanted.change_mode.as_str() {
                "noop" => continue,
                "signal" if wanted.change_signal.is_empty() => drop(change.signals.insert("SIGHUP".to_owned())),
                "signal" => drop(change.signals.insert(wanted.change_signal.clone())),
                "script" => change.scripts.extend(wanted.change_script.clone()),
                _ => change.restart = true,
            }
            splay = splay.max(wanted.splay.to_std());
        }
        if change.restart || !change.signals.is_empty() || !change.scripts.is_empty() {
            tokio::time::sleep(splay.mul_f64(rand::random())).await;
            // The receiver's end is the end of the task, and of this worker.
            let _ = self.tell.send(change).await;
        }
    }

    fn env(&self) -> Result<Vec<(String, String)>, String> {
        let mut vars = Vec::new();
        for part in self.parts.iter().filter(|part| part.wanted.envvars) {
            let Some(text) = &part.text else { continue };
            let parsed = parse_env_file(text);
            vars.extend(parsed.map_err(|error| format!("{}: {error}", part.wanted.dest_path))?);
        }
        Ok(vars)
    }

    /// Waits until what the templates depend on has been still for `wait.min`, at most `wait.max` from the first change.
    async fn settle(&self, hub_changes: &mut watch::Receiver<u64>) {
        let waits = || self.parts.iter().filter_map(|part| part.wanted.wait.as_ref());
        let longest = |pick: fn(&TemplateWait) -> Option<Nanos>| waits().filter_map(pick).map(Nanos::to_std).max();
        let least = longest(|wait| wait.min).unwrap_or(self.task.wait);
        let most = longest(|wait| wait.max).unwrap_or(least * WAIT_MAX_FACTOR).max(least);
        let began = Instant::now();
        let mut seen = self.versions();
        let mut still_since = began;
        loop {
            let due = (still_since + least).min(began + most);
            tokio::select! {
                () = sleep_until(due) => return,
                _ = hub_changes.changed() => {
                    let now = self.versions();
                    if now != seen {
                        (seen, still_since) = (now, Instant::now());
                    }
                }
            }
        }
    }

    /// Of everything that was asked for at the last rendering.
    fn versions(&self) -> Vec<u64> {
        let seen = self.parts.iter().filter_map(|part| part.seen.as_ref()).flat_map(BTreeMap::keys);
        let watched = seen.filter(|what| !matches!(what, Dependency::File { .. }));
        watched.map(|what| self.claim.hub.get(what, self.claim.id).1).collect()
    }

    /// After a failed pass nothing is given up: the data may mend it.
    fn known(&self) -> BTreeSet<Dependency> {
        self.parts.iter().filter_map(|part| part.seen.as_ref()).flat_map(BTreeMap::keys).cloned().collect()
    }
}
