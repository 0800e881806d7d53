//! Validation, rule by rule: a fragment, the words of its message, and where they point.

use baton_jobspec::{Cron, error_text, validate};
use baton_model::Timestamp;
use jiff::tz::TimeZone;

use crate::{job_with_group, job_with_task, messages, read};

#[track_caller]
fn breaks(text: &str, expected: &str) {
    let parsed = read(text).unwrap_or_else(|found| panic!("{}", messages(&found)));
    let problems = parsed.problems();
    assert!(
        problems.iter().any(|problem| problem.compact().contains(expected)),
        "{expected}:\n{}",
        messages(&problems)
    );
    assert!(problems.iter().all(|problem| problem.line > 0), "{}", messages(&problems));
}

#[track_caller]
fn holds(text: &str) {
    let parsed = read(text).unwrap_or_else(|found| panic!("{}", messages(&found)));
    let problems = parsed.problems();
    assert!(problems.is_empty(), "{text}\n{}", messages(&problems));
}

#[test]
fn of_jobs() {
    let job = |head: &str| job_with_task("").replacen("job \"j\" {", head, 1);
    breaks(&job("job \"a b\" {"), "Job ID contains a space");
    breaks(&job("job \"j\" {\n priority = 101"), "2:13: Job priority must be between [1, 100]");
    breaks(&job("job \"j\" {\n datacenters = [\"\"]"), "Job datacenter must be non-empty string");
    breaks("job \"j\" {\n}\n", "Missing job task groups");
    breaks("job \"j\" {\n group \"g\" {\n}\n}\n", "Missing tasks for task group");
    breaks(&job("job \"j\" {\n type = \"batch\"\n update {}"), "Job type \"batch\" does not allow update block");
    breaks(&job("job \"j\" {\n type = \"batch\"\n migrate {}"), "Job type \"batch\" does not allow migrate block");
    breaks(
        &job("job \"j\" {\n type = \"system\"\n reschedule {}"),
        "System or sysbatch jobs should not have a reschedule policy",
    );
    breaks(
        &job("job \"j\" {\n type = \"system\"\n spread {\n attribute = \"${node.class}\"\n }"),
        "System jobs may not have a spread block",
    );
    breaks(
        &job("job \"j\" {\n type = \"system\"\n affinity {\n attribute = \"${node.class}\"\n value = \"a\"\n }"),
        "System jobs may not have an affinity block",
    );
    let found = read(&job("job \"j\" {\n type = \"cron\"")).expect_err("no such type");
    assert!(messages(&found).contains("2:9: Invalid job type: \"cron\""), "{}", messages(&found));
    holds(&job("job \"a/b\" {\n priority = 100"));
}

#[test]
fn of_periodic_and_parameterized_jobs() {
    let job = |head: &str| job_with_task("").replacen("job \"j\" {", &format!("job \"j\" {{\n{head}"), 1);
    breaks(&job("periodic {\n cron = \"@daily\"\n }"), "Periodic can only be used with \"batch\" or \"sysbatch\"");
    for (block, expected) in [
        ("cron = \"@daily\"\n crons = [\"@daily\"]", "Only cron or crons may be used"),
        ("", "Must specify a spec"),
        ("cron = \"* * *\"", "Invalid cron spec"),
        ("cron = \"61 * * * *\"", "Invalid cron spec"),
        ("crons = [\"@daily\", \"@sometimes\"]", "Invalid cron spec \"@sometimes\""),
        ("cron = \"@daily\"\n time_zone = \"Mars/Base\"", "Invalid time zone \"Mars/Base\""),
    ] {
        breaks(&job(&format!("type = \"batch\"\n periodic {{\n {block}\n }}")), expected);
    }
    holds(&job("type = \"batch\"\n periodic {\n enabled = false\n }"));
    breaks(&job("parameterized {}"), "Parameterized job can only be used with");
    breaks(&job("type = \"batch\"\n parameterized {\n payload = \"maybe\"\n }"), "Unknown payload requirement");
    breaks(
        &job("type = \"batch\"\n parameterized {\n meta_required = [\"a\"]\n meta_optional = [\"a\"]\n }"),
        "exist in both: [a]",
    );
}

#[test]
fn of_groups() {
    for (content, expected) in [
        ("count = -1", "Task group count can't be negative"),
        ("shutdown_delay = \"-1s\"", "ShutdownDelay must be a positive value"),
        ("max_run_duration = \"1h\"", "does not allow max_run_duration"),
        ("ephemeral_disk {\n size = 5\n }", "minimum DiskMB value is 10"),
        ("task \"t\" {\n driver = \"x\"\n }", "redefines 't' from task 1"),
        (
            "task \"u\" {\n driver = \"x\"\n leader = true\n }\n task \"v\" {\n driver = \"x\"\n leader = true\n }",
            "Only one task may be marked as leader",
        ),
        ("scaling {\n max = -1\n }", "maximum count must be specified"),
        ("scaling {\n min = 3\n max = 2\n }", "maximum count must not be less than minimum count"),
        ("count = 5\n scaling {\n max = 2\n }", "must not be greater than maximum count"),
        ("disconnect {\n reconcile = \"dice\"\n }", "reconcile option is invalid"),
        (
            "disconnect {\n lost_after = \"1h\"\n stop_on_client_after = \"1m\"\n }",
            "both lost_after and stop_on_client_after",
        ),
        ("volume \"v\" {\n type = \"tape\"\n source = \"s\"\n }", "volume has unrecognized type tape"),
        ("volume \"v\" {\n type = \"host\"\n }", "volume has an empty source"),
    ] {
        breaks(&job_with_group(content), expected);
    }
    breaks(&job_with_task("lifecycle {\n hook = \"prestart\"\n }"), "must have at least one main task");
    let system = job_with_group("count = 2").replacen("{", "{\n type = \"system\"", 1);
    breaks(&system, "Count cannot exceed 1 with system scheduler");
    let twice = "job \"j\" {\n group \"g\" {\n task \"t\" {\n driver = \"x\"\n }\n }\n group \"g\" {\n task \"t\" {\n driver = \"x\"\n }\n }\n}";
    breaks(twice, "7:2: Job task group 2 redefines 'g' from group 1");
}

#[test]
fn of_restart_and_reschedule() {
    for (block, expected) in [
        ("restart {\n mode = \"retry\"\n }", "Unsupported restart mode: \"retry\""),
        ("restart {\n mode = \"delay\"\n attempts = 0\n }", "is ambiguous"),
        ("restart {\n interval = \"4s\"\n attempts = 0\n }", "Interval can not be less than 5s (got 4s)"),
        (
            "restart {\n attempts = 10\n interval = \"1m\"\n }",
            "Nomad can't restart the TaskGroup 10 times in an interval of 1m0s",
        ),
        ("reschedule {\n attempts = 5\n interval = \"1h\"\n }", "If Attempts >0, Unlimited cannot also be set to true"),
        ("reschedule {\n delay = \"1s\"\n }", "Delay cannot be less than 5s (got 1s)"),
        ("reschedule {\n delay_function = \"linear\"\n }", "Invalid delay function \"linear\""),
        ("reschedule {\n max_delay = \"10s\"\n }", "Max Delay cannot be less than Delay 30s (got 10s)"),
        (
            "reschedule {\n unlimited = false\n attempts = 1\n interval = \"10s\"\n }",
            "Interval cannot be less than 15s",
        ),
        (
            "reschedule {\n unlimited = false\n attempts = 10\n interval = \"1m\"\n delay = \"30s\"\n delay_function = \"constant\"\n }",
            "can only make 2 attempts in 1m0s",
        ),
        (
            "reschedule {\n unlimited = false\n attempts = 5\n interval = \"2m\"\n }",
            "can only make 2 attempts in 2m0s with initial delay 30s, delay function \"exponential\"",
        ),
        (
            "reschedule {\n unlimited = false\n attempts = 6\n interval = \"1m\"\n delay_function = \"fibonacci\"\n }",
            "delay function \"fibonacci\"",
        ),
    ] {
        breaks(&job_with_group(block), expected);
    }
    holds(&job_with_group("restart {\n attempts = 0\n }\n reschedule {\n attempts = 0\n unlimited = false\n }"));
    holds(&job_with_group(
        "reschedule {\n attempts = 5\n interval = \"1h\"\n delay = \"30s\"\n delay_function = \"constant\"\n unlimited = false\n }",
    ));
}

#[test]
fn of_update_and_migrate() {
    for (block, expected) in [
        ("update {\n health_check = \"hope\"\n }", "Invalid health check given: \"hope\""),
        ("update {\n max_parallel = -1\n }", "Max parallel can not be less than zero"),
        ("update {\n canary = -1\n }", "Canary count can not be less than zero"),
        ("update {\n auto_promote = true\n }", "Auto Promote requires a Canary count greater than zero"),
        ("update {\n min_healthy_time = \"5m\"\n }", "Minimum healthy time must be less than healthy deadline"),
        ("update {\n healthy_deadline = \"10m\"\n }", "Healthy deadline must be less than progress deadline"),
        ("update {\n healthy_deadline = \"0s\"\n }", "Healthy deadline must be greater than zero"),
        ("update {\n stagger = \"0s\"\n }", "Stagger must be greater than zero"),
        ("update {\n progress_deadline = \"-1s\"\n }", "Progress deadline must be zero or greater"),
        ("migrate {\n health_check = \"manual\"\n }", "Invalid health check given"),
        ("migrate {\n max_parallel = -1\n }", "MaxParallel must be >= 0"),
        ("migrate {\n min_healthy_time = \"6m\"\n }", "MinHealthyTime must be less than HealthyDeadline"),
    ] {
        breaks(&job_with_group(block), expected);
    }
    holds(&job_with_group("update {\n progress_deadline = \"0s\"\n healthy_deadline = \"1h\"\n max_parallel = 0\n }"));
    let slow = "job \"j\" {\n group \"g\" {\n update {\n healthy_deadline = \"1m\"\n progress_deadline = \"2m\"\n }\n task \"t\" {\n driver = \"x\"\n kill_timeout = \"3m\"\n }\n }\n}";
    breaks(slow, "9:17: KillTimout (3m0s) longer than the group's ProgressDeadline (2m0s)");
}

#[test]
fn of_constraints_affinities_and_spreads() {
    for (block, expected) in [
        ("constraint {\n attribute = \"${meta.x}\"\n }", "Operator \"=\" requires an RTarget"),
        ("constraint {\n value = \"x\"\n }", "no attribute provided but is required by operator"),
        (
            "constraint {\n attribute = \"${meta.x}\"\n operator = \"~\"\n value = \"x\"\n }",
            "Unknown constraint type \"~\"",
        ),
        ("constraint {\n attribute = \"${env.X}\"\n value = \"x\"\n }", "unsupported attribute \"${env.X}\""),
        ("constraint {\n attribute = \"$meta.x}\"\n value = \"x\"\n }", "is missing an opening brace"),
        ("constraint {\n attribute = \"$${meta.x\"\n value = \"x\"\n }", "is missing a closing brace"),
        ("constraint {\n attribute = \"${meta.x}\"\n regexp = \"(\"\n }", "Regular expression failed to compile"),
        ("constraint {\n attribute = \"${meta.x}\"\n version = \"new\"\n }", "Version constraint is invalid"),
        ("constraint {\n attribute = \"${meta.x}\"\n semver = \"~> 1.2\"\n }", "Semver constraint is invalid"),
        (
            "constraint {\n attribute = \"${meta.x}\"\n operator = \"set_contains\"\n }",
            "Set contains constraint requires an RTarget",
        ),
        (
            "constraint {\n operator = \"distinct_property\"\n attribute = \"${meta.x}\"\n value = \"0\"\n }",
            "allowed count of 1 or greater",
        ),
        (
            "constraint {\n operator = \"is_set\"\n attribute = \"${meta.x}\"\n value = \"x\"\n }",
            "does not support an RTarget",
        ),
        ("affinity {\n attribute = \"${meta.x}\"\n value = \"a\"\n weight = 0\n }", "Affinity weight cannot be zero"),
        ("affinity {\n attribute = \"${meta.x}\"\n value = \"a\"\n weight = 101\n }", "within the range [-100,100]"),
        ("affinity {\n attribute = \"${meta.x}\"\n operator = \"is_set\"\n }", "Unknown affinity operator"),
        ("spread {}", "Missing spread attribute"),
        ("spread {\n attribute = \"${meta.x}\"\n weight = 0\n }", "must have a positive weight"),
        (
            "spread {\n attribute = \"${meta.x}\"\n target \"a\" {\n percent = 60\n }\n target \"b\" {\n percent = 50\n }\n }",
            "Sum of spread target percentages",
        ),
        ("spread {\n attribute = \"${meta.x}\"\n target \"a\" {}\n target \"a\" {}\n }", "already defined"),
    ] {
        breaks(&job_with_group(block), expected);
    }
    for good in ["version = \">= 1.2, < 2\"", "version = \"~> 1\"", "semver = \"> 1.0.0-rc.1\"", "regexp = \"^a|b$\""] {
        holds(&job_with_group(&format!("constraint {{\n attribute = \"${{attr.x}}\"\n {good}\n }}")));
    }
    breaks(
        &job_with_task("constraint {\n distinct_hosts = true\n }"),
        "disallowed Operand at task level: distinct_hosts",
    );
}

#[test]
fn of_networks() {
    for (network, expected) in [
        (
            "port \"a\" {\n static = 80\n }\n port \"b\" {\n static = 80\n }",
            "Static port 80 already reserved by taskgroup network:a",
        ),
        ("port \"a\" {}\n port \"a\" {}", "Port label a already in use by taskgroup network"),
        ("port \"a\" {\n static = 70000\n }", "cannot be greater than 65535"),
        ("port \"a\" {\n to = -2\n }", "cannot be mapped to negative value -2"),
        ("port \"a\" {\n to = 70000\n }", "greater than 65535"),
        ("mode = \"bridge\"\n port \"a\" {\n ignore_collision = true\n }", "collision may not be ignored"),
        ("hostname = \"a..b\"", "Hostname is not a valid DNS name"),
    ] {
        breaks(&job_with_group(&format!("network {{\n {network}\n }}")), expected);
    }
    holds(&job_with_group(
        "network {\n port \"a\" {\n static = 80\n host_network = \"x\"\n }\n port \"b\" {\n static = 80\n }\n }",
    ));
    let both = job_with_group("network {\n port \"a\" {\n static = 80\n }\n }").replace(
        "driver = \"raw_exec\"",
        "driver = \"raw_exec\"\n resources {\n network {\n port \"b\" {\n static = 80\n }\n }\n }",
    );
    breaks(&both, "Static port 80 already reserved by taskgroup network:a");
}

#[test]
fn of_services_and_checks() {
    let service = |content: &str| {
        job_with_group(&format!("network {{\n port \"p\" {{}}\n }}\n service {{\n port = \"p\"\n {content}\n }}"))
    };
    let check = |content: &str| {
        service(&format!(
            "check {{\n type = \"http\"\n path = \"/\"\n interval = \"5s\"\n timeout = \"1s\"\n {content}\n }}"
        ))
    };
    for (content, expected) in [
        ("name = \"a_b\"", "Service name must be valid per RFC 1123"),
        ("name = \"a.b\"", "Service name must be valid per RFC 1123"),
        ("address_mode = \"maybe\"", "Service address_mode must be"),
        ("address_mode = \"host\"\n address = \"10.0.0.1\"", "must be \"auto\" if address is set"),
        ("on_update = \"never\"", "Service on_update must be"),
        ("provider = \"etcd\"", "Service provider must be"),
        ("address_mode = \"driver\"", "only services defined in a \"task\" block"),
        ("check {\n type = \"tcp\"\n timeout = \"1s\"\n }", "missing required value interval"),
        ("check {\n type = \"tcp\"\n interval = \"1s\"\n }", "missing required value timeout"),
        (
            "check {\n type = \"tcp\"\n interval = \"500ms\"\n timeout = \"1s\"\n }",
            "interval (500ms) cannot be lower than 1s",
        ),
        ("check {\n type = \"icmp\"\n interval = \"1s\"\n timeout = \"1s\"\n }", "invalid check type (\"icmp\")"),
        ("check {\n type = \"http\"\n interval = \"1s\"\n timeout = \"1s\"\n }", "http type must have http path"),
        (
            "check {\n type = \"http\"\n path = \"http://a/\"\n interval = \"1s\"\n timeout = \"1s\"\n }",
            "must have relative http path",
        ),
        (
            "check {\n type = \"script\"\n interval = \"1s\"\n timeout = \"1s\"\n }",
            "script type must have a valid script path",
        ),
        (
            "check {\n type = \"script\"\n command = \"x\"\n interval = \"1s\"\n timeout = \"1s\"\n }",
            "must specify task parameter",
        ),
    ] {
        breaks(&service(content), expected);
    }
    for (content, expected) in [
        ("initial_status = \"ok\"", "invalid initial check state (ok)"),
        ("address_mode = \"auto\"", "auto only valid for services"),
        (
            "on_update = \"ignore\"\n check_restart {\n limit = 1\n }",
            "on_update value \"ignore\" is not compatible with check_restart",
        ),
        (
            "on_update = \"ignore_warnings\"\n check_restart {\n limit = 1\n }",
            "not supported with check_restart ignore_warnings",
        ),
        ("check_restart {\n limit = -1\n }", "limit must be greater than or equal to 0"),
        ("success_before_passing = -1", "must be non-negative"),
        ("task = \"nobody\"", "refers to non-existent task nobody"),
    ] {
        breaks(&check(content), expected);
    }
    breaks(
        &job_with_group("service {\n check {\n type = \"tcp\"\n interval = \"1s\"\n timeout = \"1s\"\n }\n }"),
        "requires a port but neither check nor service",
    );
    breaks(
        &service("provider = \"nomad\"\n check {\n type = \"grpc\"\n interval = \"1s\"\n timeout = \"1s\"\n }"),
        "must be one of tcp, http",
    );
    breaks(
        &job_with_group("service {\n name = \"s\"\n }\n service {\n name = \"s\"\n }"),
        "Services are not unique: group->s",
    );
    breaks(
        &job_with_group("service {\n name = \"s\"\n }\n service {\n name = \"u\"\n provider = \"nomad\"\n }"),
        "Multiple service providers used",
    );
    holds(&service("name = \"s-${NOMAD_ALLOC_ID}\""));
}

#[test]
fn of_task_services() {
    let check = |port: &str, more: &str| {
        job_with_task(&format!(
            "service {{\n name = \"s\"\n {port}\n check {{\n type = \"tcp\"\n interval = \"1s\"\n timeout = \"1s\"\n {more}\n }}\n }}"
        ))
    };
    breaks(&check("", ""), "is missing a port");
    breaks(&check("port = \"none\"", ""), "port label \"none\" referenced by services s does not exist");
    breaks(&check("port = \"8080\"", ""), "cannot use a numeric port 8080 without setting address_mode=\"driver\"");
    holds(&check("address_mode = \"driver\"\n port = \"8080\"", "address_mode = \"driver\""));
    breaks(&job_with_task("service {\n address_mode = \"alloc\"\n }"), "only services defined in a \"group\" block");
    breaks(&job_with_task("service {\n connect {}\n }"), "cannot have \"connect\" block");
    let unnamed = "check {\n type = \"tcp\"\n port = \"p\"\n interval = \"1s\"\n timeout = \"1s\"\n }\n";
    breaks(
        &job_with_task(&format!("service {{\n name = \"s\"\n {unnamed}{unnamed} }}")),
        "check \"service: \\\"s\\\" check\" is duplicate",
    );
}

#[test]
fn of_tasks() {
    for (content, expected) in [
        ("kill_timeout = \"-1s\"", "KillTimeout must be a positive value"),
        ("shutdown_delay = \"-1s\"", "ShutdownDelay must be a positive value"),
        ("resources {\n cpu = 100\n cores = 1\n }", "Task can only ask for 'cpu' or 'cores'"),
        ("resources {\n cpu = 0\n }", "minimum CPU value is 1; got 0"),
        ("resources {\n memory = 5\n }", "minimum MemoryMB value is 10; got 5"),
        ("resources {\n memory = 100\n memory_max = 50\n }", "should be larger than MemoryMB"),
        ("logs {\n max_files = 31\n }", "log storage (310 MB) must be less than requested disk capacity (300 MB)"),
        ("logs {\n max_files = 0\n }", "minimum number of files is 1"),
        ("lifecycle {\n hook = \"never\"\n }", "invalid hook: never"),
        (
            "volume_mount {\n volume = \"none\"\n destination = \"/x\"\n }",
            "Volume Mount (0) references undefined volume none",
        ),
        ("action \"a b\" {\n command = \"x\"\n }", "invalid name \"a b\""),
        ("artifact {}", "source must be specified"),
        ("artifact {\n source = \"x\"\n mode = \"tree\"\n }", "invalid artifact mode \"tree\""),
        ("artifact {\n source = \"x\"\n destination = \"../../../x\"\n }", "destination escapes allocation directory"),
        ("artifact {\n source = \"x\"\n options {\n checksum = \"sha256:ab\"\n }\n }", "invalid sha256 checksum"),
        ("artifact {\n source = \"x\"\n options {\n checksum = \"crc:ab\"\n }\n }", "unsupported checksum type: crc"),
    ] {
        breaks(&job_with_task(content), expected);
    }
    holds(&job_with_task("resources {\n disk = 50\n }"));
    breaks(&job_with_task("").replace("driver = \"raw_exec\"", ""), "Missing task driver");
    breaks(&job_with_task("").replace("task \"t\"", "task \"alloc\""), "Task cannot be named \"alloc\"");
    breaks(&job_with_task("").replace("task \"t\"", "task \"a/b\""), "Task name cannot include slashes");
}

#[test]
fn of_templates() {
    let template = |content: &str| job_with_task(&format!("template {{\n destination = \"local/x\"\n {content}\n }}"));
    for (content, expected) in [
        ("", "Must specify a source path or have an embedded template"),
        ("data = \"x\"\n change_mode = \"signal\"\n env = true", "cannot use signals with env var templates"),
        ("data = \"x\"\n change_mode = \"script\"", "must specify change script configuration value"),
        ("data = \"x\"\n change_mode = \"reboot\"", "Invalid change mode"),
        ("data = \"x\"\n splay = \"-1s\"", "Must specify positive splay value"),
        ("data = \"x\"\n perms = \"rw\"", "Failed to parse \"rw\" as octal"),
        ("data = \"x\"\n wait {\n min = \"2s\"\n max = \"1s\"\n }", "wait min 2s is greater than max 1s"),
    ] {
        breaks(&template(content), expected);
    }
    breaks(&job_with_task("template {\n data = \"x\"\n }"), "Must specify a destination");
    breaks(
        &job_with_task("template {\n data = \"x\"\n destination = \"../../x\"\n }"),
        "destination escapes allocation directory",
    );
    holds(&job_with_task("template {\n data = \"x\"\n destination = \"../alloc/x\"\n }"));
    let twice = "template {\n data = \"x\"\n destination = \"local/x\"\n }\n";
    breaks(&job_with_task(&twice.repeat(2)), "Template 2 has same destination as 1");
}

#[test]
fn warnings_do_not_refuse() {
    for (text, expected) in [
        (job_with_task("resources {\n network {\n mbits = 1\n }\n }"), "task network resources have been deprecated"),
        (
            job_with_task("service {\n name = \"s\"\n }"),
            "task \"t\" in group \"g\" defines services, but has no shutdown_delay set",
        ),
        (
            job_with_group("service {\n name = \"s\"\n }"),
            "neither the group nor any of its tasks have shutdown_delay set",
        ),
        (
            job_with_group("service {\n name = \"s\"\n task = \"t\"\n }"),
            "references task \"t\" in a service definition",
        ),
        (job_with_group("count = 2\n update {\n max_parallel = 3\n }"), "greater than task group count (3 > 2)"),
        (job_with_group("network {\n mbits = 5\n }"), "mbits has been deprecated"),
        (job_with_group("max_client_disconnect = \"1h\""), "MaxClientDisconnect is deprecated"),
        (
            job_with_task("").replacen('{', "{\n type = \"batch\"\n periodic {\n cron = \"@daily\"\n }", 1),
            "cron is deprecated",
        ),
    ] {
        let parsed = read(&text).unwrap();
        assert!(parsed.problems().is_empty(), "{}", messages(&parsed.problems()));
        assert!(
            parsed.warnings().iter().any(|warning| warning.summary.contains(expected) && warning.line > 0),
            "{expected}: {}",
            messages(&parsed.warnings())
        );
    }
}

#[test]
fn a_server_answers_with_a_list() {
    let parsed = read(&job_with_task("kill_timeout = \"-1s\"\n resources {\n cpu = 0\n }")).unwrap();
    let errors = validate(&parsed.job).errors;
    assert_eq!(
        error_text(&errors),
        "2 errors occurred:\n\t* Task group g validation failed: Task t validation failed: KillTimeout must be a positive value\n\t* Task group g validation failed: Task t validation failed: minimum CPU value is 1; got 0\n\n"
    );
    assert_eq!(errors[0].path, "TaskGroups[0].Tasks[0].KillTimeout");
}

#[test]
fn schedules_give_the_next_time() {
    let at = |text: &str| Timestamp(i64::try_from(text.parse::<jiff::Timestamp>().unwrap().as_nanosecond()).unwrap());
    let paris = TimeZone::get("Europe/Paris").unwrap();
    for (spec, after, zone, expected) in [
        ("*/15 * * * *", "2026-01-01T00:00:00Z", &TimeZone::UTC, Some("2026-01-01T00:15:00Z")),
        ("0 3 * * *", "2026-01-01T03:00:00Z", &TimeZone::UTC, Some("2026-01-02T03:00:00Z")),
        ("15 3 * * *", "2026-07-01T00:00:00Z", &paris, Some("2026-07-01T01:15:00Z")),
        ("@weekly", "2026-01-01T00:00:00Z", &TimeZone::UTC, Some("2026-01-04T00:00:00Z")),
        ("30 0 0 1 jan * 2030", "2026-01-01T00:00:00Z", &TimeZone::UTC, Some("2030-01-01T00:00:30Z")),
        ("0 0 L * *", "2026-02-01T00:00:00Z", &TimeZone::UTC, Some("2026-02-28T00:00:00Z")),
        ("0 0 15W * *", "2026-02-01T00:00:00Z", &TimeZone::UTC, Some("2026-02-16T00:00:00Z")),
        ("0 0 * * fri#2", "2026-01-01T00:00:00Z", &TimeZone::UTC, Some("2026-01-09T00:00:00Z")),
        ("0 0 * * 5L", "2026-01-01T00:00:00Z", &TimeZone::UTC, Some("2026-01-30T00:00:00Z")),
        ("0 0 13 * fri", "2026-01-10T00:00:00Z", &TimeZone::UTC, Some("2026-01-13T00:00:00Z")),
        ("0 0 * * 7", "2026-01-01T00:00:00Z", &TimeZone::UTC, Some("2026-01-04T00:00:00Z")),
        ("30 2 * * *", "2026-03-29T00:00:00Z", &paris, Some("2026-03-30T00:30:00Z")),
        ("0 0 31 2 *", "2026-01-01T00:00:00Z", &TimeZone::UTC, None),
    ] {
        let cron: Cron = spec.parse().unwrap();
        assert_eq!(cron.next(at(after), zone), expected.map(at), "{spec}");
    }
    for bad in [
        "",
        "* * * *",
        "* * * * * * * *",
        "60 * * * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "* * * foo *",
        "* * 32W * *",
        "* * * * 5#6",
    ] {
        assert!(bad.parse::<Cron>().is_err(), "{bad}");
    }
}

#[test]
fn semver_constraints_may_be_short() {
    let constraint = |operator: &str, value: &str| {
        format!(
            "constraint {{\n attribute = \"${{attr.nomad.version}}\"\n operator = \"{operator}\"\n value = \"{value}\"\n }}"
        )
    };
    for value in [">= 1.2", "1", ">= 1.2, < 2.0", "v1.2.3-beta.1+x", "!= 1.2.3.4"] {
        let parsed = read(&job_with_group(&constraint("semver", value))).unwrap();
        assert!(parsed.problems().is_empty(), "{value}: {}", messages(&parsed.problems()));
    }
    for value in [">= 1.x", "~> 1.0", ">= 1.0beta1", "latest", ""] {
        let parsed = read(&job_with_group(&constraint("semver", value))).unwrap();
        assert!(!parsed.problems().is_empty(), "{value}");
    }
    assert!(read(&job_with_group(&constraint("version", "~> 1.0beta1"))).unwrap().problems().is_empty());
}

#[test]
fn what_is_left_out_is_refused_by_name() {
    let told = |text: &str| messages(&read(text).unwrap().unsupported());
    assert!(told("job \"j\" {\n namespace = \"prod\"\n}\n").contains("2:14: namespace \"prod\" is not supported"));
    assert_eq!(told("job \"j\" {\n namespace = \"default\"\n}\n"), "");
    let volume = job_with_group("volume \"v\" {\n type = \"host\"\n source = \"s\"\n }");
    assert!(told(&volume).contains("host volumes are not supported"), "{}", told(&volume));
    let exec = "job \"j\" {\n group \"g\" {\n task \"t\" {\n driver = \"exec\"\n }\n }\n}\n";
    assert!(told(exec).contains("4:11: driver \"exec\" is not supported: use raw_exec"), "{}", told(exec));
    for (source, getter) in [
        ("git::https://a.test/b", "git"),
        ("github.com/a/b", "git"),
        ("git@a.test:b/c", "git"),
        ("s3::https://a.test/b", "s3"),
        ("ssh://a.test/b", "ssh"),
    ] {
        let told = told(&job_with_task(&format!("artifact {{\n source = \"{source}\"\n }}")));
        assert!(told.contains(&format!("artifacts by {getter} are not supported")), "{source}: {told}");
    }
    for source in
        ["https://a.test/b?x=::", "http://[::1]/x", "file:///x", "/x", "${meta.mirror}://x", "${meta.mirror}/x"]
    {
        let text = job_with_task(&format!("artifact {{\n source = \"{source}\"\n }}"));
        assert_eq!(told(&text), "", "{source}");
    }
}
