//! From assigned to ended: start, report, restart, stop.

use baton_model::AllocClientStatus::{Complete, Failed, Running};
use baton_model::task::TaskRunState;
use baton_model::{JobType, Nanos};
use baton_runner::Shutdown;

use crate::world::{World, alloc, edit_group, eventually, kinds, shell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_runs_until_it_is_stopped_and_leaves_nothing() {
    let mut world = World::new().await;
    let script = "echo \"$NOMAD_ALLOC_ID $NOMAD_TASK_NAME $PWD $BATON_BIND_ADDRESS\"; trap 'echo bye; exit 0' INT; \
                  while :; do sleep 0.02; done";
    world.server.want(alloc("a1", JobType::Service, vec![shell("t", script)]));
    world.server.until_status("a1", Running).await;
    let text = world.logs_until("a1", "t", |text| text.ends_with('\n')).await;
    assert_eq!(text, format!("a1 t {} 127.0.0.11\n", world.task_dir("a1", "t").display()));

    world.server.stop("a1");
    let ended = world.server.until_status("a1", Complete).await;
    let state = &ended.task_states["t"];
    assert_eq!((state.state, state.failed), (TaskRunState::Dead, false));
    assert_eq!(kinds(state), ["Received", "Task Setup", "Started", "Killing", "Terminated", "Killed"]);
    assert!(world.logs("a1", "t").await.ends_with("bye\n"));
    assert_eq!(ended.client_description, "All tasks have completed");

    world.server.forget("a1");
    let dir = world.dir.path().join("alloc/a1");
    eventually("the directory is gone", || async { !dir.exists() }).await;
    world.kill_agent();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_job_completes_and_a_failing_one_is_restarted_by_its_policy() {
    let world = World::new().await;
    world.server.want(alloc("good", JobType::Batch, vec![shell("t", "exit 0")]));
    world.server.until_status("good", Complete).await;

    world.server.want(alloc("bad", JobType::Batch, vec![shell("t", "echo try; exit 3")]));
    let ended = world.server.until_status("bad", Failed).await;
    let state = &ended.task_states["t"];
    assert_eq!(state.restarts, 1);
    assert_eq!(world.logs("bad", "t").await, "try\ntry\n");
    let last = state.events.last().unwrap();
    assert_eq!(last.kind, "Not Restarting");
    assert!(last.display_message.starts_with("Exceeded allowed attempts 1 in interval 5m0s"), "{last:?}");
    assert!(state.events.iter().any(|event| event.display_message == "Exit Code: 3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_run_says_why() {
    let world = World::new().await;
    let mut docker = shell("t", "");
    docker.driver = "docker".into();
    world.server.want(alloc("docker", JobType::Service, vec![docker]));
    let ended = world.server.until_status("docker", Failed).await;
    let text = format!("{:?}", ended.task_states["t"].events);
    assert!(text.contains("driver \\\"docker\\\" is not available"), "{text}");

    let mut missing = alloc("missing", JobType::Service, vec![shell("t", "")]);
    edit_group(&mut missing, |group| {
        group.tasks[0].config.insert("command".into(), "/no/such".into());
        group.restart_policy.attempts = 0;
    });
    world.server.want(missing);
    let ended = world.server.until_status("missing", Failed).await;
    let text = format!("{:?}", ended.task_states["t"].events);
    assert!(text.contains("/no/such: No such file"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_restarts_and_signals() {
    let world = World::new().await;
    let script = "echo up; trap 'echo usr1' USR1; while :; do sleep 0.02; done";
    world.server.want(alloc("a1", JobType::Service, vec![shell("t", script)]));
    world.logs_until("a1", "t", |text| text == "up\n").await;
    world.client().signal("a1", Some("t"), "SIGUSR1").await.unwrap();
    world.logs_until("a1", "t", |text| text == "up\nusr1\n").await;
    world.client().restart("a1", None).await.unwrap();
    world.logs_until("a1", "t", |text| text == "up\nusr1\nup\n").await;
    let state = world.server.until("a1", "restarted", |alloc| alloc.task_states["t"].restarts == 1).await;
    assert!(kinds(&state.task_states["t"]).contains(&"Restart Signaled"));
    assert!(world.client().signal("a1", Some("t"), "SIGNOPE").await.is_err());
    assert!(world.client().restart("a1", Some("other")).await.is_err());
    assert!(world.client().restart("a2", None).await.is_err());
    if cfg!(target_os = "linux") {
        assert!(world.client().stats("a1").unwrap()["t"].memory_bytes > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_on_the_same_node_waits_for_the_old_one() {
    let world = World::new().await;
    let stubborn = "trap 'sleep 0.3; touch ../../ended; exit 0' INT; echo up; while :; do sleep 0.02; done";
    world.server.want(alloc("old", JobType::Service, vec![shell("t", stubborn)]));
    world.logs_until("old", "t", |text| text == "up\n").await;
    world.server.stop("old");
    let script = "[ -e ../../ended ] && echo waited; exec sleep 600";
    let mut new = alloc("new", JobType::Service, vec![shell("t", script)]);
    new.previous_allocation = "old".into();
    world.server.want(new);
    world.logs_until("new", "t", |text| text == "waited\n").await;
    world.server.until_status("old", Complete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ending_everything_ends_everything() {
    let mut world = World::new().await;
    let mut wanted = alloc("a1", JobType::Service, vec![shell("t", "echo $$ > pid; exec sleep 600")]);
    edit_group(&mut wanted, |group| group.tasks[0].kill_timeout = Nanos::millis(200));
    world.server.want(wanted);
    let pid_path = world.task_dir("a1", "t").join("pid");
    eventually("the task is up", || async { crate::world::pid_file(&pid_path).is_some() }).await;
    let pid = crate::world::pid_file(&pid_path).unwrap();
    world.client.take().unwrap().shutdown(Shutdown::StopAll).await;
    assert!(baton_net::pid::ProcessId::of(pid).is_err());
    assert_eq!(world.server.reported("a1").unwrap().client_status, Complete);
}
