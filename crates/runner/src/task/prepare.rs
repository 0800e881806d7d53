//! Before a task's program runs: directories, payload, artifacts, templates; then the start itself.

use std::path::Path;

use base64::Engine as _;
use baton_keeper::protocol::{LogSpec, STANDBY_VARIABLE, StartSpec};
use baton_model::task::{Artifact, TaskRunState, event};
use baton_scheduler::restart::TaskExit;
use tokio::sync::mpsc;

use super::env::TaskEnv;
use super::{Command, Ended, Runner, driver, events, not_running};
use crate::alloc::dir::{self, below};
use crate::artifact;
use crate::keeper::KeeperCallError;
use crate::template::{self, Progress};

/// A start that makes no sense to repeat.
const FATAL: Ended = Ended::Exit(TaskExit::StartFailed { recoverable: false });
const AGAIN: Ended = Ended::Exit(TaskExit::StartFailed { recoverable: true });

impl Runner {
    /// Prepares while listening: a kill ends it at once.
    pub(super) async fn prepare_or_command(&mut self, inbox: &mut mpsc::Receiver<Command>) -> Result<(), Ended> {
        loop {
            let command = tokio::select! {
                done = self.prepare() => return done,
                command = inbox.recv() => command,
            };
            match command {
                None => return Err(Ended::Abandoned),
                Some(Command::Kill { reason }) => {
                    self.killed(reason);
                    return Err(Ended::Killed);
                }
                Some(Command::Restart { .. } | Command::Unhealthy { .. }) => {}
                Some(Command::Signal { done, .. }) => not_running(done),
                Some(Command::Update(setup)) => self.update(*setup),
                Some(Command::Note(event)) => self.event(event),
            }
        }
    }

    /// May be dropped at any await and called again.
    async fn prepare(&mut self) -> Result<(), Ended> {
        if let Err(error) = driver::program(&self.setup.task, &self.env()) {
            self.event(events::failure(event::DRIVER_FAILURE, error));
            return Err(FATAL);
        }
        if let Err(reason) = self.registrations(&self.setup.task.services) {
            self.event(events::failure(event::SETUP_FAILURE, reason));
            return Err(FATAL);
        }
        if !self.snapshot().prepared {
            self.event(events::new(event::SETUP, "Building Task Directory"));
            if let Err(error) = self.build() {
                self.event(events::failure(event::SETUP_FAILURE, error));
                return Err(FATAL);
            }
            self.artifacts().await?;
            self.change(|snapshot| snapshot.prepared = true);
        }
        self.templates().await
    }

    fn build(&self) -> Result<(), String> {
        let text =
            |path: &Path, error: std::io::Error| format!("failed to build task directory {}: {error}", path.display());
        let user = &self.setup.task.user;
        self.dir.build(user).map_err(|error| text(&self.dir.root, error))?;
        let state = self.state_dir();
        // Certificates may lie there: the task's alone.
        let made = std::fs::create_dir_all(&state)
            .and_then(|()| std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)))
            .and_then(|()| dir::give(&state, user));
        made.map_err(|error| text(&state, error))?;
        let payload = self.setup.task.dispatch_payload.as_ref().filter(|payload| !payload.file.is_empty());
        if let (Some(payload), Some(data)) = (payload, &self.setup.job.payload) {
            let path = below(&self.dir.local, &self.dir.local, &payload.file)
                .ok_or_else(|| format!("dispatch payload {:?} escapes the task's directory", payload.file))?;
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(data)
                .map_err(|error| format!("the dispatch payload is not base64: {error}"))?;
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|error| text(parent, error))?;
            }
            std::fs::write(&path, bytes).map_err(|error| text(&path, error))?;
        }
        Ok(())
    }

    async fn artifacts(&mut self) -> Result<(), Ended> {
        if self.setup.task.artifacts.is_empty() {
            return Ok(());
        }
        self.event(events::new(event::DOWNLOADING_ARTIFACTS, "Client is downloading artifacts"));
        let env = self.env();
        for wanted in &self.setup.task.artifacts {
            if let Err(error) = artifact::fetch(&interpolated(wanted, &env), &self.dir.root, &self.dir.alloc).await {
                self.event(events::failure(event::ARTIFACT_FAILED, error.to_string()));
                return Err(if error.recoverable() { AGAIN } else { FATAL });
            }
        }
        Ok(())
    }

    /// Waits until every template is rendered.
    pub(super) async fn templates(&mut self) -> Result<(), Ended> {
        if self.setup.task.templates.is_empty() {
            return Ok(());
        }
        if self.templates.is_none() {
            self.templates = Some(template::Manager::start(&self.shared.hub, self.template_task(false)));
        }
        let Some(manager) = &self.templates else { return Ok(()) };
        let mut progress = manager.progress.clone();
        loop {
            let now = progress.borrow_and_update().clone();
            match now {
                Progress::Ready(vars) => {
                    self.rendered_env = vars;
                    return Ok(());
                }
                Progress::Waiting(None) => {}
                Progress::Waiting(Some(missing)) => self.event(events::new(event::TEMPLATE, missing)),
                Progress::Failed(reason) => {
                    self.templates = None;
                    self.event(events::failure(event::SETUP_FAILURE, format!("Template failed: {reason}")));
                    return Err(FATAL);
                }
            }
            if progress.changed().await.is_err() {
                return Err(FATAL);
            }
        }
    }

    /// `running`: rendered before the agent's restart, so the first rendering is a change already.
    pub(super) fn template_task(&self, running: bool) -> template::TemplateTask {
        template::TemplateTask {
            templates: self.setup.task.templates.clone(),
            dir: self.dir.clone(),
            env: self.env(),
            namespace: self.setup.job.namespace.clone(),
            wait: self.shared.config.template_wait,
            running,
        }
    }

    pub(super) async fn start(&mut self) -> Result<(), Ended> {
        let env = self.env();
        let program = driver::program(&self.setup.task, &env).map_err(|error| {
            self.event(events::failure(event::DRIVER_FAILURE, error));
            FATAL
        })?;
        let incarnation = self.snapshot().incarnation + 1;
        self.change(|snapshot| {
            snapshot.incarnation = incarnation;
            snapshot.ready = false;
        });
        let mut vars = env.vars;
        vars.retain(|name, _| !program.denied_env.contains(name));
        if self.inherit.is_some() {
            vars.insert(STANDBY_VARIABLE.to_owned(), "1".to_owned());
        }
        let logs = &self.setup.task.log_config;
        let work_dir = program.work_dir.map(|dir| self.dir.root.join(dir));
        let spec = StartSpec {
            key: self.key.clone(),
            incarnation,
            program: program.command,
            args: program.args,
            env: vars,
            cwd: work_dir.unwrap_or_else(|| self.dir.root.clone()),
            user: self.setup.task.user.clone(),
            logs: LogSpec {
                dir: self.dir.logs.clone(),
                name: self.setup.task.name.clone(),
                max_files: u32::try_from(logs.max_files).unwrap_or(1).max(1),
                max_bytes: u64::try_from(logs.max_file_size_mb).unwrap_or(1).max(1) << 20,
                disabled: logs.disabled,
            },
            inherit_from: self.inherit.as_ref().map(|inherit| inherit.from.clone()),
            oom_score_adj: program.oom_score_adj,
            handover_timeout_ms: None,
        };
        match self.shared.keeper.start(spec).await {
            Ok(info) => {
                self.change(|snapshot| {
                    snapshot.state.state = TaskRunState::Running;
                    snapshot.state.failed = false;
                    snapshot.state.started_at = events::now();
                });
                self.event(events::new(event::STARTED, "Task started by client"));
                self.output_lost = info.output_lost;
                Ok(())
            }
            Err(error) => {
                let recoverable = matches!(error, KeeperCallError::Silent(_));
                self.event(events::failure(event::DRIVER_FAILURE, error.to_string()));
                let text = error.to_string();
                let hopeless = text.contains("unknown user") || text.contains("needs a keeper that runs as root");
                // Nomad counts a program that cannot be executed as recoverable: the file may be on its way.
                Err(if recoverable || !hopeless { AGAIN } else { FATAL })
            }
        }
    }
}

fn interpolated(artifact: &Artifact, env: &TaskEnv) -> Artifact {
    let map = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(key, value)| (key.clone(), env.replace(value))).collect()
    };
    Artifact {
        getter_source: env.replace(&artifact.getter_source),
        getter_options: map(&artifact.getter_options),
        getter_headers: map(&artifact.getter_headers),
        relative_dest: env.replace(&artifact.relative_dest),
        ..artifact.clone()
    }
}
