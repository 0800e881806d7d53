//! Registration, checks, health, restarts by checks.

use std::net::TcpListener;

use baton_consul::wire::Status;
use baton_model::AllocClientStatus::{Complete, Failed, Running};
use baton_model::job::MigrateStrategy;
use baton_model::service::{CheckRestart, Service, ServiceCheck};
use baton_model::{Allocation, JobType, Nanos};
use baton_runner::service::{Known, Registration};

use crate::world::{LIMIT, World, alloc, edit_group, kinds, shell};

fn service(port: u16, check: &str) -> Service {
    let checks = vec![ServiceCheck {
        name: "c".into(),
        check_type: check.into(),
        interval: Nanos::millis(50),
        timeout: Nanos::secs(2),
        ..ServiceCheck::default()
    }];
    Service {
        name: "web".into(),
        address: String::new(),
        port_label: port.to_string(),
        on_update: "require_healthy".into(),
        checks: if check.is_empty() { Vec::new() } else { checks },
        ..Service::default()
    }
}

fn with_network(mut wanted: Allocation) -> Allocation {
    wanted.allocated_resources.shared.networks =
        vec![baton_model::resources::NetworkResource { ip: "127.0.0.1".into(), ..Default::default() }];
    edit_group(&mut wanted, |group| {
        group.migrate = Some(MigrateStrategy {
            max_parallel: 1,
            health_check: "checks".into(),
            min_healthy_time: Nanos::millis(100),
            healthy_deadline: Nanos::secs(60),
        });
    });
    wanted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_critical_until_its_check_passes_and_gone_before_the_task_ends() {
    let world = World::new().await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut task = shell("t", "trap 'sleep 0.2; exit 0' INT; while :; do sleep 0.02; done");
    task.services = vec![service(port, "tcp")];
    world.server.want(with_network(alloc("a1", JobType::Service, vec![task])));
    world
        .catalog
        .until("it is registered, critical", |all| {
            all.values().any(|known| {
                known.service.name == "web" && known.checks.values().all(|status| *status == Status::Critical)
            })
        })
        .await;
    assert_eq!(world.server.until_status("a1", Running).await.deployment_status, None);
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    world
        .catalog
        .until("it passes", |all| {
            all.values().all(|known| known.checks.values().all(|status| *status == Status::Passing))
        })
        .await;
    world.server.until("a1", "healthy", |alloc| alloc.deployment_health() == Some(true)).await;
    drop(listener);
    world
        .catalog
        .until("it fails again", |all| {
            all.values().any(|known| known.checks.values().any(|status| *status == Status::Critical))
        })
        .await;

    world.server.stop("a1");
    world.catalog.until("it is taken out", |all| all.is_empty()).await;
    assert_eq!(world.server.reported("a1").unwrap().client_status, Running, "out of the catalog before the end");
    world.server.until_status("a1", Complete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_register_once_their_tasks_run_and_leftovers_are_removed() {
    let mut world = World::without_client();
    let id = "_nomad-task-dead-t-web-".to_owned();
    let left = Known { service: Registration { id: id.clone(), ..Registration::default() }, ..Known::default() };
    world.catalog.services.send_modify(|all| drop(all.insert(id, left)));
    world.start().await;
    world.catalog.until("the leftover is gone", |all| all.is_empty()).await;
    let mut wanted = with_network(alloc("a1", JobType::Service, vec![shell("t", "exec sleep 600")]));
    edit_group(&mut wanted, |group| group.services = vec![service(80, "")]);
    world.server.want(wanted);
    world.catalog.until("the group's service is there", |all| all.contains_key("_nomad-task-a1-group-g-web-80")).await;
    // Lost by the catalog, it comes back with the next comparison: at a restart of the agent at once.
    world.kill_agent();
    world.catalog.services.send_modify(|all| all.clear());
    world.start().await;
    world.catalog.until("it is there again", |all| all.contains_key("_nomad-task-a1-group-g-web-80")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_stays_unhealthy_restarts_the_task() {
    let world = World::new().await;
    let mut task = shell("t", "echo up; exec sleep 600");
    let mut web = service(1, "script");
    web.checks[0].command = "/bin/sh".into();
    web.checks[0].args = vec!["-c".into(), "exit 2".into()];
    web.checks[0].check_restart = Some(CheckRestart { limit: 2, grace: Nanos::ZERO, ignore_warnings: false });
    task.services = vec![web];
    world.server.want(with_network(alloc("a1", JobType::Service, vec![task])));
    let state = world.server.until("a1", "restarted", |alloc| alloc.task_states["t"].restarts == 1).await;
    assert!(kinds(&state.task_states["t"]).contains(&"Restart Signaled"));
    world.logs_until("a1", "t", |text| text == "up\nup\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_checks_makes_a_running_task_healthy() {
    let world = World::new().await;
    let mut task = shell("t", "exec sleep 600");
    task.services = vec![service(80, "")];
    world.server.want(with_network(alloc("a1", JobType::Service, vec![task])));
    world.server.until("a1", "healthy", |alloc| alloc.deployment_health() == Some(true)).await;
    assert!(world.catalog.statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_service_is_marked_then_taken_out_and_only_then_signalled() {
    let world = World::new().await;
    let mut task = shell("t", "trap 'echo signalled; exit 0' INT; echo up; while :; do sleep 0.02; done");
    task.services = vec![service(80, "")];
    world.server.want(with_network(alloc("a1", JobType::Service, vec![task])));
    world.logs_until("a1", "t", |text| text == "up\n").await;
    world.catalog.until("it is registered", |all| all.len() == 1).await;
    let mut services = world.catalog.services.subscribe();
    world.server.stop("a1");
    let marked = |known: &Known| {
        known.service.meta.get("baton-draining").is_some_and(|mark| mark == "true")
            && known.checks.values().any(|status| *status == Status::Critical)
    };
    let seen = tokio::time::timeout(LIMIT, services.wait_for(|all| all.values().all(marked))).await.unwrap();
    assert_eq!(seen.unwrap().len(), 1, "marked before it is taken out");
    assert_eq!(world.logs("a1", "t").await, "up\n", "marked before the signal");
    tokio::time::timeout(LIMIT, services.wait_for(|all| all.is_empty())).await.unwrap().unwrap();
    world.server.until_status("a1", Complete).await;
    assert_eq!(world.logs("a1", "t").await, "up\nsignalled\n");
    let events = &world.server.reported("a1").unwrap().task_states["t"].events;
    assert!(events.iter().any(|event| event.kind == "Killed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistyped_port_label_fails_the_task_and_says_so() {
    let world = World::new().await;
    let mut task = shell("t", "exec sleep 600");
    task.services = vec![Service { port_label: "htpp".into(), ..service(80, "") }];
    world.server.want(with_network(alloc("a1", JobType::Service, vec![task])));
    let ended = world.server.until_status("a1", Failed).await;
    let text = format!("{:?}", ended.task_states["t"].events);
    assert!(text.contains("no port has the label") && text.contains("htpp"), "{text}");
    assert!(world.catalog.services.borrow().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_agent_takes_no_running_service_out_of_the_catalog() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut world = World::new().await;
    let mut task = shell("t", "exec sleep 600");
    task.services = vec![service(listener.local_addr().unwrap().port(), "tcp")];
    world.server.want(with_network(alloc("a1", JobType::Service, vec![task])));
    world
        .catalog
        .until("it passes", |all| {
            all.values().any(|known| known.checks.values().any(|status| *status == Status::Passing))
        })
        .await;
    world.kill_agent();
    world.catalog.calls.lock().unwrap().clear();
    let fewest = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(usize::MAX));
    let (mut services, seen) = (world.catalog.services.subscribe(), fewest.clone());
    tokio::spawn(async move {
        while services.changed().await.is_ok() {
            seen.fetch_min(services.borrow_and_update().len(), std::sync::atomic::Ordering::Relaxed);
        }
    });
    world.start().await;
    world.server.until_status("a1", Running).await;
    // A further check has run, and been told or not.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(world.catalog.statuses().iter().all(|status| *status == Status::Passing));
    assert_eq!(world.catalog.services.borrow().len(), 1);
    assert!(fewest.load(std::sync::atomic::Ordering::Relaxed) >= 1);
}
