//! Drivers: how a task's configuration becomes a program.

use std::path::PathBuf;

use baton_model::Task;
use serde::Deserialize;
use serde_json::Value;

use super::env::TaskEnv;

/// What the keeper is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    pub command: String,
    pub args: Vec<String>,
    /// Relative to the task's directory; `None` is that directory.
    pub work_dir: Option<PathBuf>,
    pub denied_env: Vec<String>,
    pub oom_score_adj: Option<i32>,
}

/// The driver's signal for "please end" where the job names none.
pub const DEFAULT_KILL_SIGNAL: &str = "SIGINT";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExec {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    work_dir: Option<String>,
    #[serde(default)]
    denied_envvars: Vec<String>,
    oom_score_adj: Option<i32>,
    /// Accepted for compatibility; tasks always get a cgroup of their own.
    #[serde(rename = "cgroup_v2_override")]
    _cgroup_v2: Option<String>,
    #[serde(rename = "cgroup_v1_override")]
    _cgroup_v1: Option<Value>,
}

/// Reads the driver's configuration with every text interpolated.
pub fn program(task: &Task, env: &TaskEnv) -> Result<Program, String> {
    match task.driver.as_str() {
        "raw_exec" => {}
        other => return Err(format!("driver {other:?} is not available on this node: use \"raw_exec\"")),
    }
    let config = interpolate(&Value::Object(task.config.clone()), env);
    let config: RawExec =
        serde_json::from_value(config).map_err(|error| format!("bad configuration of driver \"raw_exec\": {error}"))?;
    if config.command.trim().is_empty() {
        return Err("bad configuration of driver \"raw_exec\": command is empty".to_owned());
    }
    Ok(Program {
        command: config.command,
        args: config.args,
        work_dir: config.work_dir.map(PathBuf::from),
        denied_env: config.denied_envvars,
        oom_score_adj: config.oom_score_adj,
    })
}

/// The number of `SIGHUP`, `HUP` or `1`.
pub fn signal(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse::<i32>() {
        return nix::sys::signal::Signal::try_from(number).ok().map(|signal| signal as i32);
    }
    let name = name.to_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    name.parse::<nix::sys::signal::Signal>().ok().map(|signal| signal as i32)
}

fn interpolate(value: &Value, env: &TaskEnv) -> Value {
    match value {
        Value::String(text) => Value::String(env.replace(text)),
        Value::Array(list) => Value::Array(list.iter().map(|value| interpolate(value, env)).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), interpolate(value, env))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(driver: &str, config: Value) -> Task {
        let Value::Object(config) = config else { unreachable!("tests give objects") };
        Task { driver: driver.into(), config, ..Task::default() }
    }

    #[test]
    fn reads_and_interpolates_raw_exec() {
        let mut env = TaskEnv::default();
        env.extend([("P".to_owned(), "80".to_owned())]);
        let program = program(&task("raw_exec", json!({"command": "/bin/x", "args": ["-p", "${P}"]})), &env).unwrap();
        assert_eq!((program.command.as_str(), program.args), ("/bin/x", vec!["-p".to_owned(), "80".to_owned()]));
    }

    #[test]
    fn refuses_by_name() {
        let env = TaskEnv::default();
        for (task, part) in [
            (task("docker", json!({})), "\"docker\" is not available"),
            (task("raw_exec", json!({})), "missing field `command`"),
            (task("raw_exec", json!({"command": "x", "comand": 1})), "unknown field `comand`"),
            (task("raw_exec", json!({"command": " "})), "command is empty"),
        ] {
            let error = program(&task, &env).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn knows_signals_in_every_spelling() {
        assert_eq!(
            [signal("SIGHUP"), signal("hup"), signal("1"), signal("SIGNOPE")],
            [Some(1), Some(1), Some(1), None]
        );
    }
}
