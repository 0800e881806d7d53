//! Canonical values for what was not written, by job type.

use baton_jobspec::{canonicalize, canonicalize_for_server};
use serde_json::{Value, json};

use crate::{canonical, job_with_group, job_with_task, messages, read};

fn minimal(kind: &str) -> Value {
    let text = job_with_task("").replacen("job \"j\" {", &format!("job \"j\" {{\n  type = \"{kind}\""), 1);
    canonical(&read(&text).unwrap_or_else(|found| panic!("{}", messages(&found))))
}

fn subset(job: &Value, path: &str, expected: &Value) {
    assert_eq!(job.pointer(path).unwrap_or(&Value::Null), expected, "{path}");
}

const SECOND: i64 = 1_000_000_000;

#[test]
fn of_a_service() {
    let job = minimal("service");
    subset(&job, "/Region", &json!("global"));
    subset(&job, "/Namespace", &json!("default"));
    subset(&job, "/NodePool", &json!("default"));
    subset(&job, "/Priority", &json!(50));
    subset(&job, "/Datacenters", &json!(["*"]));
    let group = "/TaskGroups/0";
    subset(&job, &format!("{group}/Count"), &json!(1));
    subset(&job, &format!("{group}/EphemeralDisk"), &json!({"SizeMB": 300, "Sticky": false, "Migrate": false}));
    subset(
        &job,
        &format!("{group}/RestartPolicy"),
        &json!({"Attempts": 2, "Interval": 1800 * SECOND, "Delay": 15 * SECOND, "Mode": "fail", "RenderTemplates": false}),
    );
    subset(
        &job,
        &format!("{group}/ReschedulePolicy"),
        &json!({"Attempts": 0, "Interval": 0, "Delay": 30 * SECOND, "DelayFunction": "exponential",
                "MaxDelay": 3600 * SECOND, "Unlimited": true}),
    );
    subset(
        &job,
        &format!("{group}/Update"),
        &json!({"Stagger": 30 * SECOND, "MaxParallel": 1, "HealthCheck": "checks", "MinHealthyTime": 10 * SECOND,
                "HealthyDeadline": 300 * SECOND, "ProgressDeadline": 600 * SECOND, "AutoRevert": false,
                "AutoPromote": false, "Canary": 0}),
    );
    subset(
        &job,
        &format!("{group}/Migrate"),
        &json!({"MaxParallel": 1, "HealthCheck": "checks", "MinHealthyTime": 10 * SECOND, "HealthyDeadline": 300 * SECOND}),
    );
    let task = format!("{group}/Tasks/0");
    subset(&job, &format!("{task}/KillTimeout"), &json!(5 * SECOND));
    subset(&job, &format!("{task}/LogConfig"), &json!({"MaxFiles": 10, "MaxFileSizeMB": 10, "Disabled": false}));
    subset(&job, &format!("{task}/Resources/CPU"), &json!(100));
    subset(&job, &format!("{task}/Resources/MemoryMB"), &json!(300));
    subset(&job, &format!("{task}/RestartPolicy/Attempts"), &json!(2));
}

#[test]
fn of_the_other_types() {
    let batch = minimal("batch");
    subset(&batch, "/TaskGroups/0/Update", &Value::Null);
    subset(&batch, "/TaskGroups/0/Migrate", &Value::Null);
    subset(&batch, "/TaskGroups/0/RestartPolicy/Attempts", &json!(3));
    subset(&batch, "/TaskGroups/0/ReschedulePolicy/Delay", &json!(5 * SECOND));
    let system = minimal("system");
    subset(&system, "/TaskGroups/0/Update/MaxParallel", &json!(1));
    subset(&system, "/TaskGroups/0/ReschedulePolicy", &Value::Null);
    subset(&system, "/TaskGroups/0/Migrate", &Value::Null);
    let sysbatch = minimal("sysbatch");
    subset(&sysbatch, "/TaskGroups/0/Update", &Value::Null);
    subset(&sysbatch, "/TaskGroups/0/RestartPolicy/Interval", &json!(86_400 * SECOND));
}

#[test]
fn policies_merge_field_by_field() {
    let text = r#"
job "j" {
  update { max_parallel = 3 }
  reschedule { delay = "45s" }
  group "g" {
    update { canary = 1 }
    restart { attempts = 7 }
    task "t" {
      driver = "raw_exec"
      restart { delay = "1s" }
    }
  }
}"#;
    let job = canonical(&read(text).unwrap());
    subset(&job, "/TaskGroups/0/Update/MaxParallel", &json!(3));
    subset(&job, "/TaskGroups/0/Update/Canary", &json!(1));
    subset(&job, "/TaskGroups/0/ReschedulePolicy/Delay", &json!(45 * SECOND));
    subset(&job, "/TaskGroups/0/Tasks/0/RestartPolicy/Attempts", &json!(7));
    subset(&job, "/TaskGroups/0/Tasks/0/RestartPolicy/Delay", &json!(SECOND));
    subset(&job, "/TaskGroups/0/RestartPolicy/Delay", &json!(15 * SECOND));
}

#[test]
fn of_small_blocks() {
    let text = job_with_task(
        r#"
      template {
        destination = "local/a"
        data        = "x"
        change_mode = "signal"
      }
      artifact {
        source = "https://example.org/files/a.tar.gz?x=/y"
        mode   = "file"
      }
      artifact { source = "https://example.org/b.zip" }
      affinity {
        attribute = "${meta.x}"
        value     = "y"
      }
      logs { enabled = false }
      resources { cores = 2 }"#,
    );
    let job = canonical(&read(&text).unwrap());
    let task = "/TaskGroups/0/Tasks/0";
    subset(&job, &format!("{task}/Templates/0/ChangeSignal"), &json!("SIGHUP"));
    subset(&job, &format!("{task}/Templates/0/Splay"), &json!(5 * SECOND));
    subset(&job, &format!("{task}/Templates/0/Perms"), &json!("0644"));
    subset(&job, &format!("{task}/Templates/0/LeftDelim"), &json!("{{"));
    subset(&job, &format!("{task}/Artifacts/0/RelativeDest"), &json!("local/a.tar.gz"));
    subset(&job, &format!("{task}/Artifacts/1/RelativeDest"), &json!("local/"));
    subset(&job, &format!("{task}/Affinities/0/Weight"), &json!(50));
    subset(&job, &format!("{task}/Affinities/0/Operand"), &json!("="));
    subset(&job, &format!("{task}/LogConfig/Disabled"), &json!(true));
    subset(&job, &format!("{task}/Resources/CPU"), &json!(0));
}

#[test]
fn services_inherit_and_are_named_by_the_server() {
    let text = job_with_group(
        r#"
    network {
      port "http" {}
    }
    service {
      name      = "${BASE}-${JOB}"
      port      = "http"
      on_update = "ignore_warnings"
      check_restart {
        limit           = 3
        ignore_warnings = true
      }
      check {
        type     = "http"
        path     = "/"
        interval = "5s"
        timeout  = "1s"
        check_restart { limit = 5 }
      }
    }
    service { port = "http" }"#,
    );
    let parsed = read(&text).unwrap();
    let services = &parsed.job.task_groups[0].services;
    let restart = services[0].checks[0].check_restart.as_ref().unwrap();
    assert_eq!((restart.limit, restart.ignore_warnings, restart.grace.0), (5, true, SECOND));
    assert_eq!(services[0].checks[0].on_update, "ignore_warnings");
    assert_eq!(services[1].name, "j-g");
    let mut job = parsed.job.clone();
    canonicalize_for_server(&mut job);
    assert_eq!(job.task_groups[0].services[0].name, "j-g-group-j");
    assert_eq!(job.task_groups[0].services[0].checks[0].name, "service: \"j-g-group-j\" check");
    assert_eq!(job.task_groups[0].networks[0].dynamic_ports[0].host_network, "default");
    let once = job.clone();
    canonicalize_for_server(&mut job);
    assert_eq!(job, once);
}

#[test]
fn api_json_may_be_partial_and_have_nulls() {
    let job = canonicalize(json!({
        "ID": "a", "Type": null, "Priority": 0, "Datacenters": null,
        "TaskGroups": [{"Name": "g", "Count": null, "Tasks": [
            {"Name": "t", "Driver": "raw_exec", "KillTimeout": "7s", "Config": {"x": null}, "Services": null}]}]
    }))
    .unwrap();
    assert_eq!((job.name.as_str(), job.priority, job.task_groups[0].count), ("a", 50, 1));
    assert_eq!(job.task_groups[0].tasks[0].kill_timeout.0, 7 * SECOND);
    assert_eq!(job.task_groups[0].tasks[0].config["x"], Value::Null);
}

#[test]
fn api_json_of_the_wrong_kind_is_named() {
    let problems = canonicalize(json!({"ID": "a", "TaskGroups": [{"Name": "g", "Tasks": [{"Name": 5}]}]})).unwrap_err();
    assert_eq!(problems[0].path, "TaskGroups[0].Tasks[0]");
    let problems = canonicalize(json!({"ID": "a", "Type": "cron"})).unwrap_err();
    assert!(problems[0].message.contains("Invalid job type"), "{}", problems[0]);
    let problems = canonicalize(json!({"ID": "a", "Update": {"Stagger": "5 days"}})).unwrap_err();
    assert_eq!(problems[0].path, "Update.Stagger");
    assert!(canonicalize(json!([])).is_err());
}

#[test]
fn a_canonical_job_stays_as_it_is() {
    for kind in ["service", "batch", "system", "sysbatch"] {
        let job = minimal(kind);
        let again = canonicalize(job.clone()).unwrap();
        assert_eq!(serde_json::to_value(again).unwrap(), job, "{kind}");
    }
}
