//! Death of the agent and of the keeper.

use baton_model::AllocClientStatus::{Complete, Failed, Running};
use baton_model::JobType;

use crate::world::{World, alloc, eventually, pid_file, shell};

const COUNTER: &str =
    "echo $$ > pid; i=0; while [ $i -lt 4000 ]; do echo $i; i=$((i+1)); done; echo end; exec sleep 600";

fn assert_no_gap(text: &str) {
    for (expected, line) in text.lines().take_while(|line| *line != "end").enumerate() {
        assert_eq!(line, expected.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_agent_takes_up_the_same_process() {
    let mut world = World::new().await;
    world.server.want(alloc("a1", JobType::Service, vec![shell("t", COUNTER)]));
    world.logs_until("a1", "t", |text| text.lines().count() > 10).await;
    let pid_path = world.task_dir("a1", "t").join("pid");
    let pid = pid_file(&pid_path);
    world.kill_agent();
    world.start().await;
    let text = world.logs_until("a1", "t", |text| text.ends_with("end\n")).await;
    assert_no_gap(&text);
    assert_eq!(pid_file(&pid_path), pid);
    let state = world.server.until_status("a1", Running).await;
    assert_eq!(state.task_states["t"].restarts, 0);
    world.server.stop("a1");
    world.server.until_status("a1", Complete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_while_the_agent_was_away_has_its_exit_code() {
    let mut world = World::new().await;
    world.server.want(alloc(
        "a1",
        JobType::Batch,
        vec![shell("t", "echo up; while [ ! -e go ]; do sleep 0.01; done; exit 4")],
    ));
    world.logs_until("a1", "t", |text| text == "up\n").await;
    world.kill_agent();
    std::fs::write(world.task_dir("a1", "t").join("go"), "").unwrap();
    world.start().await;
    let ended = world.server.until_status("a1", Failed).await;
    assert!(ended.task_states["t"].events.iter().any(|event| event.exit_code == 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_keeper_is_started_again_and_the_task_goes_on() {
    let world = World::new().await;
    world.server.want(alloc("a1", JobType::Service, vec![shell("t", COUNTER)]));
    world.logs_until("a1", "t", |text| text.lines().count() > 10).await;
    let pid_path = world.task_dir("a1", "t").join("pid");
    let pid = pid_file(&pid_path).unwrap();
    let keeper = baton_keeper::Client::connect(&world.dir.path().join("keeper/keeper.sock")).unwrap().keeper_pid;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(keeper), nix::sys::signal::Signal::SIGKILL).unwrap();
    let text = world.logs_until("a1", "t", |text| text.ends_with("end\n")).await;
    assert_no_gap(&text);
    assert_eq!(pid_file(&pid_path), Some(pid));
    world.server.stop("a1");
    world.server.until_status("a1", Complete).await;
    eventually("the process is gone", || async { baton_net::pid::ProcessId::of(pid).is_err() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_agent_on_the_same_directory_is_refused() {
    let world = World::new().await;
    let Err(error) = baton_runner::Client::start(world.config()).await else { panic!("it started") };
    assert!(error.to_string().contains("another agent uses"), "{error}");
}
