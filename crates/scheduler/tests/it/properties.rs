//! Random clusters and random histories. Each plan on the way is checked by the plan checker and made twice; here it is that
//! the cluster comes to rest after each event, stays there, and ends where the job wants it.

use std::collections::BTreeMap;

use baton_model::deployment::DeploymentStatus;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseResult};

use crate::story::Story;

/// Rounds of "everything becomes healthy" after which a roll-out must be over.
const ROUNDS_MAX: usize = 40;

#[derive(Clone, Debug)]
enum Event {
    /// Something happens to one of the live allocations.
    Alloc(&'static str, usize),
    /// Something happens to a node.
    Node(&'static str, usize),
    Edit(String),
    Tick(u32),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let to_alloc = prop_oneof![
        5 => Just("healthy"),
        2 => Just("running"),
        1 => Just("unhealthy"),
        2 => Just("fail"),
        1 => Just("complete"),
        2 => Just("announce"),
        1 => Just("cannot-succeed"),
    ];
    let to_node =
        prop_oneof![1 => Just("down"), 3 => Just("up"), 1 => Just("drain"), 2 => Just("undrain"), 1 => Just("holds")];
    let edit = prop_oneof![
        3 => (0..9u8).prop_map(|value| format!("env V={value}")),
        2 => (0..6u8).prop_map(|count| format!("count {count}")),
        1 => Just("service tag".to_owned()),
        1 => (1..4u8).prop_map(|value| format!("template {value}")),
        1 => prop_oneof![Just(100), Just(900)].prop_map(|memory| format!("memory {memory}")),
    ];
    let event = prop_oneof![
        8 => (to_alloc, 0..8usize).prop_map(|(what, which)| Event::Alloc(what, which)),
        3 => (to_node, 0..5usize).prop_map(|(what, which)| Event::Node(what, which)),
        3 => edit.prop_map(Event::Edit),
        3 => prop_oneof![Just(1), Just(40), Just(700)].prop_map(Event::Tick),
    ];
    prop::collection::vec(event, 1..25)
}

#[derive(Clone, Debug)]
struct Setting {
    nodes: Vec<u32>,
    job: Vec<String>,
    head: &'static str,
}

fn settings() -> impl Strategy<Value = Setting> {
    let nodes = prop::collection::vec(prop_oneof![Just(700u32), Just(2000), Just(8000)], 1..5);
    let options = (
        0..6u8,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop::option::of((1..4u8, 0..3u8, any::<bool>(), any::<bool>())),
        prop::option::of(any::<bool>()),
    );
    let head = prop_oneof![5 => Just("web service"), 1 => Just("web batch"), 2 => Just("web system")];
    (nodes, head, options).prop_map(|(nodes, head, (count, distinct, fixed, dynamic, update, unlimited))| {
        let system = head.ends_with("system");
        let mut job = vec![format!("group g count={}", if system { 1 } else { count })];
        job.extend(distinct.then(|| "constraint distinct_hosts".to_owned()));
        job.extend(fixed.then(|| "static http 8080".to_owned()));
        job.extend(dynamic.then(|| "port admin".to_owned()));
        if let Some((parallel, canary, promote, revert)) = update.filter(|_| !head.ends_with("batch")) {
            let canary = if system { canary * 50 } else { canary };
            job.push(format!(
                "update max_parallel={parallel} canary={canary} auto_promote={} auto_revert={revert}",
                promote && canary > 0
            ));
        }
        if let Some(unlimited) = unlimited.filter(|_| !system) {
            job.push(format!("reschedule unlimited={unlimited} attempts=2 interval=1h delay=30s function=constant"));
        }
        Setting { nodes, job, head }
    })
}

fn play(setting: &Setting, events: &[Event]) -> Story {
    let mut story = Story::new();
    for (index, memory) in setting.nodes.iter().enumerate() {
        story.step(&format!("node n{index} memory={memory} ports=20000-20009"), false);
    }
    story.step(&format!("job {}", setting.head), false);
    for line in &setting.job {
        story.step(line, true);
    }
    story.step("register", false);
    story.assert_at_rest();
    for event in events {
        let node = |which: &usize| which % setting.nodes.len();
        match event {
            Event::Alloc(what, which) => {
                let live = story.live();
                let Some(number) = live.get(which % live.len().max(1)) else { continue };
                story.step(&format!("{what} #{number}"), false);
            }
            Event::Node(what, which) => story.step(&format!("{what} n{}", node(which)), false),
            Event::Edit(edit) if setting.head.ends_with("system") && edit.starts_with("count") => continue,
            Event::Edit(edit) => {
                story.step(&format!("edit {edit}"), false);
                story.step("register", false);
            }
            Event::Tick(secs) => story.step(&format!("tick {secs}s"), false),
        }
        story.assert_at_rest();
    }
    story
}

/// Lets everything that is placed become healthy until nothing changes.
fn calm_down(story: &mut Story) {
    for _ in 0..ROUNDS_MAX {
        let before = story.live();
        for number in &before {
            if story.live().contains(number) {
                story.step(&format!("healthy #{number}"), false);
            }
        }
        story.step("tick 40s", false);
        story.assert_at_rest();
        if story.live() == before {
            return;
        }
    }
    panic!("the roll-out does not end");
}

/// At rest with all nodes up, a service has what it asks for, of one version, unless a deployment was stopped on purpose or
/// there is no room.
fn ends_well(story: &Story) -> TestCaseResult {
    let world = story.world();
    let job = &world.jobs[0];
    let stuck = world.evals.iter().any(|eval| !eval.status.is_terminal());
    let held = world
        .deployments
        .last()
        .is_some_and(|deployment| deployment.status == DeploymentStatus::Failed || deployment.requires_promotion());
    if stuck || held || job.job_type != baton_model::JobType::Service {
        return Ok(());
    }
    let live: Vec<_> = world.allocs.iter().filter(|alloc| !alloc.server_terminal()).collect();
    let serving = live.iter().filter(|alloc| !alloc.client_terminal()).count();
    let given_up = live.iter().filter(|alloc| alloc.client_status == baton_model::AllocClientStatus::Failed).count();
    prop_assert!(serving + given_up >= job.task_groups[0].count as usize, "{serving} serve, {given_up} gave up");
    let mut versions: BTreeMap<u64, usize> = BTreeMap::new();
    for alloc in live.iter().filter(|alloc| !alloc.client_terminal()) {
        *versions.entry(alloc.job.as_ref().map_or(0, |job| job.version)).or_insert(0) += 1;
    }
    // Where a successor gave up, the old version goes on serving.
    prop_assert!(
        given_up > 0 || versions.keys().all(|version| *version == job.version),
        "{versions:?}, wanted {}",
        job.version
    );
    Ok(())
}

/// The same histories each time; `BATON_SEED` plays others, `BATON_HISTORIES` more of them.
fn config() -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    ProptestConfig {
        cases: number("BATON_HISTORIES").unwrap_or(100),
        rng_seed: RngSeed::Fixed(number("BATON_SEED").unwrap_or(1).into()),
        max_shrink_iters: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_history_comes_to_rest_and_ends_well(setting in settings(), events in events()) {
        let mut story = play(&setting, &events);
        for node in 0..setting.nodes.len() {
            story.step(&format!("up n{node}"), false);
            story.step(&format!("undrain n{node}"), false);
        }
        calm_down(&mut story);
        ends_well(&story)?;
    }
}
