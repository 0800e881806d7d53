//! Templates before the start and while the task runs; artifacts.

use baton_model::AllocClientStatus::{Failed, Running};
use baton_model::task::{Artifact, Template};
use baton_model::{JobType, Nanos};

use crate::world::{World, alloc, edit_group, eventually, shell};

fn template(text: &str, dest: &str, mode: &str) -> Template {
    Template {
        embedded_tmpl: text.into(),
        dest_path: dest.into(),
        change_mode: mode.into(),
        change_signal: "SIGHUP".into(),
        perms: "0644".into(),
        left_delim: "{{".into(),
        right_delim: "}}".into(),
        ..Template::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_task_waits_for_its_keys_and_is_signalled_when_they_change() {
    let world = World::new().await;
    let mut task = shell("t", "trap 'cat local/f' HUP; cat local/f; while :; do sleep 0.02; done");
    task.templates = vec![template("{{ key \"k\" }} {{ env \"NOMAD_TASK_NAME\" }}\n", "local/f", "signal")];
    world.server.want(alloc("a1", JobType::Service, vec![task]));
    world
        .server
        .until("a1", "the event says what is missing", |alloc| {
            alloc.task_states["t"].events.iter().any(|event| event.display_message == "Missing: kv.block(k)")
        })
        .await;
    world.data.set("k", "one");
    world.logs_until("a1", "t", |text| text == "one t\n").await;
    world.data.set("k", "two");
    world.logs_until("a1", "t", |text| text == "one t\ntwo t\n").await;
    let state = world.server.reported("a1").unwrap();
    assert_eq!(state.task_states["t"].restarts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_template_restarts_the_task_with_new_values() {
    let world = World::new().await;
    world.data.set("k", "one");
    let mut task = shell("t", "echo $GREETING; exec sleep 600");
    task.templates = vec![Template { envvars: true, ..template("GREETING={{ key \"k\" }}", "local/env", "restart") }];
    world.server.want(alloc("a1", JobType::Service, vec![task]));
    world.logs_until("a1", "t", |text| text == "one\n").await;
    world.data.set("k", "two");
    world.logs_until("a1", "t", |text| text == "one\ntwo\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_template_reads_renders_only_that_one() {
    let world = World::new().await;
    world.data.set("k", "one");
    let mut task = shell("t", "echo up; trap 'cat local/f' HUP; while :; do sleep 0.02; done");
    task.templates = vec![
        template("{{ timestamp \"unix\" }} {{ key \"still\" }}\n", "local/time", "restart"),
        template("{{ key \"k\" }}\n", "local/f", "signal"),
    ];
    world.data.set("still", "x");
    world.server.want(alloc("a1", JobType::Service, vec![task]));
    world.logs_until("a1", "t", |text| text == "up\n").await;
    let time = std::fs::read_to_string(world.task_dir("a1", "t").join("local/time")).unwrap();
    // The clock shows another second: rendered again, the file would differ.
    eventually("the second passes", || async { !time.starts_with(&jiff::Timestamp::now().as_second().to_string()) })
        .await;
    world.data.set("k", "two");
    world.logs_until("a1", "t", |text| text == "up\ntwo\n").await;
    assert_eq!(std::fs::read_to_string(world.task_dir("a1", "t").join("local/time")).unwrap(), time);
    assert_eq!(world.server.reported("a1").unwrap().task_states["t"].restarts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_edited_in_place_is_rendered_into_the_running_task() {
    let world = World::new().await;
    let mut task = shell("t", "trap 'cat local/f' HUP; cat local/f; while :; do sleep 0.02; done");
    task.templates = vec![template("one\n", "local/f", "signal")];
    world.server.want(alloc("a1", JobType::Service, vec![task]));
    world.logs_until("a1", "t", |text| text == "one\n").await;
    world.server.change("a1", |alloc| {
        edit_group(alloc, |group| group.tasks[0].templates[0].embedded_tmpl = "two\n".into());
    });
    world.logs_until("a1", "t", |text| text == "one\ntwo\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_agent_acts_on_what_changed_meanwhile() {
    let mut world = World::new().await;
    world.data.set("k", "one");
    let mut task = shell("t", "trap 'cat local/f' HUP; cat local/f; while :; do sleep 0.02; done");
    task.templates = vec![template("{{ key \"k\" }}\n", "local/f", "signal")];
    world.server.want(alloc("a1", JobType::Service, vec![task]));
    world.logs_until("a1", "t", |text| text == "one\n").await;
    world.kill_agent();
    world.data.set("k", "two");
    world.start().await;
    world.logs_until("a1", "t", |text| text == "one\ntwo\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_template_and_a_wrong_checksum_fail_the_task_and_say_why() {
    let world = World::new().await;
    let mut task = shell("t", "true");
    task.templates = vec![template("{{ nonsense }}", "local/f", "noop")];
    world.server.want(alloc("tpl", JobType::Service, vec![task]));
    let ended = world.server.until_status("tpl", Failed).await;
    let text = format!("{:?}", ended.task_states["t"].events);
    assert!(text.contains("Template failed: ") && text.contains("nonsense"), "{text}");

    let source = world.dir.path().join("thing");
    std::fs::write(&source, "content").unwrap();
    let mut task = shell("t", "true");
    task.artifacts = vec![Artifact {
        getter_source: source.display().to_string(),
        getter_options: [("checksum".to_owned(), format!("sha256:{}", "0".repeat(64)))].into(),
        getter_mode: "file".into(),
        relative_dest: "local/thing".into(),
        ..Artifact::default()
    }];
    world.server.want(alloc("art", JobType::Service, vec![task]));
    let ended = world.server.until_status("art", Failed).await;
    let text = format!("{:?}", ended.task_states["t"].events);
    assert!(text.contains("Failed Artifact Download") && text.contains("checksum"), "{text}");
    assert!(!world.task_dir("art", "t").join("local/thing").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rendering_that_fails_later_leaves_the_file_and_the_task_and_says_why() {
    let world = World::new().await;
    world.data.set("k", "{\"n\": 1}");
    let mut task = shell("t", "trap 'cat local/f' HUP; cat local/f; while :; do sleep 0.02; done");
    task.templates = vec![template("{{ with key \"k\" | parseJSON }}{{ .n }}{{ end }}\n", "local/f", "signal")];
    world.server.want(alloc("a1", JobType::Service, vec![task]));
    world.logs_until("a1", "t", |text| text == "1\n").await;
    world.data.set("k", "{broken");
    let failed = |alloc: &baton_model::Allocation| {
        alloc.task_states["t"].events.iter().any(|event| event.display_message.starts_with("Template failed: "))
    };
    let state = world.server.until("a1", "the event says why", failed).await;
    assert_eq!((state.client_status, state.task_states["t"].restarts), (Running, 0));
    assert_eq!(std::fs::read_to_string(world.task_dir("a1", "t").join("local/f")).unwrap(), "1\n");
    world.data.set("k", "{\"n\": 2}");
    world.logs_until("a1", "t", |text| text == "1\n2\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_renders_anew_where_the_job_asks_for_it() {
    let world = World::new().await;
    for (id, anew, last) in [("plain", false, "spoilt\n"), ("anew", true, "text\n")] {
        let mut task =
            shell("t", "cat local/f; echo spoilt > local/f; [ -e ran ] && exec sleep 600; touch ran; exit 1");
        task.templates = vec![template("text\n", "local/f", "noop")];
        let mut wanted = alloc(id, JobType::Service, vec![task]);
        edit_group(&mut wanted, |group| group.restart_policy.render_templates = anew);
        world.server.want(wanted);
        world.logs_until(id, "t", |text| text == format!("text\n{last}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_in_a_row_are_rendered_once_they_are_over_or_have_lasted_too_long() {
    let world = World::new().await;
    world.data.set("k", "0");
    let mut task = shell("t", "trap 'cat local/f' HUP; cat local/f; while :; do sleep 0.01; done");
    let wait = baton_model::task::TemplateWait { min: Some(Nanos::millis(400)), max: Some(Nanos::millis(1200)) };
    task.templates = vec![Template { wait: Some(wait), ..template("{{ key \"k\" }}\n", "local/f", "signal") }];
    world.server.want(alloc("a1", JobType::Service, vec![task]));
    world.logs_until("a1", "t", |text| text == "0\n").await;
    for number in 1..=3 {
        world.data.set("k", &number.to_string());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(world.logs_until("a1", "t", |text| text.lines().count() > 1).await, "0\n3\n");
    // Never still for as long as it should be: the longest wait decides.
    let began = std::time::Instant::now();
    let mut number = 3;
    while world.logs("a1", "t").await.lines().count() < 3 {
        number += 1;
        world.data.set("k", &number.to_string());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(began.elapsed() < crate::world::LIMIT);
    }
    assert!(began.elapsed() >= std::time::Duration::from_millis(1100), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_script_runs_in_the_tasks_place() {
    let world = World::new().await;
    world.data.set("k", "one");
    let mut task = shell("t", "exec sleep 600");
    task.templates = vec![Template {
        change_script: Some(baton_model::task::ChangeScript {
            command: "/bin/sh".into(),
            args: vec!["-c".into(), "cp local/f local/copy".into()],
            timeout: Nanos::secs(5),
            ..Default::default()
        }),
        ..template("{{ key \"k\" }}", "local/f", "script")
    }];
    world.server.want(alloc("a1", JobType::Service, vec![task]));
    world.server.until_status("a1", Running).await;
    world.data.set("k", "two");
    let copy = world.task_dir("a1", "t").join("local/copy");
    eventually("the script ran", || async { std::fs::read_to_string(&copy).is_ok_and(|text| text == "two") }).await;
}
