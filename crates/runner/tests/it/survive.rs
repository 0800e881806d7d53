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
    if cfg!(target_os = "linux") {
        let entry = std::path::PathBuf::from(format!("/proc/{keeper}"));
        eventually("nothing is left of the killed keeper", || async { !entry.exists() }).await;
    }
    world.server.stop("a1");
    world.server.until_status("a1", Complete).await;
    eventually("the process is gone", || async { baton_net::pid::ProcessId::of(pid).is_err() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_and_damaged_states_of_what_is_wanted_cost_no_process() {
    let mut world = World::new().await;
    for id in ["cut", "lost", "stray"] {
        world.server.want(alloc(id, JobType::Service, vec![shell("t", "echo $$ > pid; exec sleep 600")]));
        world.server.until_status(id, Running).await;
    }
    let pid = |world: &World, id: &str| pid_file(&world.task_dir(id, "t").join("pid"));
    eventually("all have said their pid", || async {
        ["cut", "lost", "stray"].iter().all(|id| pid(&world, id).is_some())
    })
    .await;
    let before = ["cut", "lost", "stray"].map(|id| pid(&world, id).unwrap());
    world.kill_agent();
    let states = world.dir.path().join("client/allocs");
    std::fs::write(states.join("cut.json"), "{\"alloc\": {\"ID\": \"cu").unwrap();
    std::fs::remove_file(states.join("lost.json")).unwrap();
    std::fs::remove_file(states.join("stray.json")).unwrap();
    world.server.forget("stray");
    world.start().await;
    eventually("the stray is gone", || async { baton_net::pid::ProcessId::of(before[2]).is_err() }).await;
    for (at, id) in ["cut", "lost"].into_iter().enumerate() {
        let state = world.server.until(id, "it is taken up", |alloc| alloc.client_status == Running).await;
        assert_eq!((pid(&world, id), state.task_states["t"].restarts), (Some(before[at]), 0));
        assert!(baton_net::pid::ProcessId::of(before[at]).is_ok());
        world.server.stop(id);
        world.server.until_status(id, Complete).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_ended_allocations_than_are_kept_lose_their_directories_and_are_not_begun_again() {
    let mut world = World::without_client();
    let mut config = world.config();
    config.gc_max_allocs = 2;
    world.client = Some(baton_runner::Client::start(config).await.unwrap());
    let root = world.dir.path().join("alloc");
    for number in 0..6 {
        let id = format!("a{number}");
        world.server.want(alloc(&id, JobType::Batch, vec![shell("t", "echo ran >> ../../count")]));
        world.server.until_status(&id, Complete).await;
    }
    // The next one is what makes room, once the server has heard of the ends; the server still lists them all.
    let mut next = 0;
    loop {
        let id = format!("next{next}");
        world.server.want(alloc(&id, JobType::Batch, vec![shell("t", "exit 0")]));
        world.server.until_status(&id, Complete).await;
        let names = std::fs::read_dir(&root).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let names: Vec<String> = names.filter(|name| name != "count").collect();
        if names.len() <= 4 && names.contains(&id) && !names.contains(&"a0".to_owned()) {
            break;
        }
        next += 1;
        assert!(next < 50, "{names:?}");
    }
    assert_eq!(std::fs::read_to_string(root.join("count")).unwrap(), "ran\n".repeat(6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_agent_on_the_same_directory_is_refused() {
    let world = World::new().await;
    let Err(error) = baton_runner::Client::start(world.config()).await else { panic!("it started") };
    assert!(error.to_string().contains("another agent uses"), "{error}");
}
