//! The order of tasks within an allocation.

use baton_model::AllocClientStatus::{Complete, Failed, Running};
use baton_model::task::Lifecycle;
use baton_model::{JobType, Task};

use crate::world::{World, alloc, kinds, shell};

fn hook(name: &str, hook: &str, sidecar: bool, script: &str) -> Task {
    Task { lifecycle: Some(Lifecycle { hook: hook.into(), sidecar }), ..shell(name, script) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_run_around_the_main_task() {
    let world = World::new().await;
    let line = |name: &str| format!("echo {name} >> ../alloc/data/order");
    let tasks = vec![
        hook("bye", "poststop", false, &line("bye")),
        shell("main", &format!("{}; trap 'exit 0' INT; while :; do sleep 0.02; done", line("main"))),
        hook("init", "prestart", false, &format!("sleep 0.1; {}", line("init"))),
        hook("side", "prestart", true, "exec sleep 600"),
        hook("tell", "poststart", false, &line("tell")),
    ];
    world.server.want(alloc("a1", JobType::Service, tasks));
    let order = world.dir.path().join("alloc/a1/alloc/data/order");
    crate::world::eventually("all are begun", || async {
        std::fs::read_to_string(&order).is_ok_and(|text| text == "init\nmain\ntell\n")
    })
    .await;
    assert_eq!(world.server.until_status("a1", Running).await.task_states["side"].restarts, 0);
    world.server.stop("a1");
    let ended = world.server.until_status("a1", Complete).await;
    assert_eq!(std::fs::read_to_string(&order).unwrap(), "init\nmain\ntell\nbye\n");
    assert!(ended.task_states.values().all(|state| !state.finished_at.is_never()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_hook_keeps_the_main_task_from_starting() {
    let world = World::new().await;
    let mut init = hook("init", "prestart", false, "exit 1");
    init.restart_policy = Some(Default::default());
    world.server.want(alloc("a1", JobType::Service, vec![init, shell("main", "echo never")]));
    let ended = world.server.until_status("a1", Failed).await;
    assert!(ended.task_states["main"].started_at.is_never());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leaders_end_and_a_siblings_failure_take_the_others_along() {
    let world = World::new().await;
    let leader = Task { leader: true, ..shell("leader", "exit 0") };
    world.server.want(alloc("led", JobType::Batch, vec![leader, shell("other", "exec sleep 600")]));
    let ended = world.server.until_status("led", Complete).await;
    assert!(kinds(&ended.task_states["other"]).contains(&"Leader Task Dead"));

    let mut bad = shell("bad", "exit 1");
    bad.restart_policy = Some(Default::default());
    world.server.want(alloc("sib", JobType::Service, vec![bad, shell("other", "exec sleep 600")]));
    world
        .server
        .until("sib", "the sibling was killed", |alloc| {
            alloc.client_status == Failed && kinds(&alloc.task_states["other"]).contains(&"Sibling Task Failed")
        })
        .await;
}
