//! Everything without root: the tests may run as root, this `baton dev` does not.

use std::fs;

use baton_testkit::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::procs;
use crate::world::{EDGE, LIMIT, WHOAMI, World, say};

fn world() -> Option<World> {
    let world = World::prepare().of_nobody();
    if world.is_none() {
        eprintln!("skipped: needs root, and a binary that everybody may run");
    }
    world
}

#[test]
fn a_user_without_rights_serves_the_edge_job_and_leaves_nothing() {
    let Some(world) = world() else { return };
    // The repository may be out of that user's reach.
    let files = [(EDGE, "edge.nomad"), (WHOAMI, "whoami.nomad")].map(|(from, name)| {
        let file = world.file(name, &fs::read_to_string(from).unwrap());
        std::os::unix::fs::chown(&file, Some(65534), Some(65534)).unwrap();
        file
    });
    let mut world = world.and_start(&[&files[0], &files[1]]);
    for node in [11, 12] {
        world.await_backends(node, 2);
    }
    world.await_deployed("edge");
    let before = world.pids_of("edge");
    for pid in before.values().flatten() {
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(fs::metadata(format!("/proc/{pid}")).unwrap().uid(), 65534);
    }
    let keeper = world.keeper("edge-1").expect("a keeper");
    kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
    eventually("another keeper", LIMIT, || match world.keeper("edge-1") {
        Some(next) if next != keeper && procs::is_alive(next) => Ok(()),
        other => Err(other),
    });
    assert_eq!(world.pids_of("edge"), before);
    for node in [11, 12] {
        world.await_backends(node, 2);
    }
    let alloc = world.await_running("edge", 2).remove(0);
    assert!(!world.cli(&["alloc", "logs", "-stderr", &alloc.id]).ok().is_empty());
    world.dev().signal(Signal::SIGINT);
    assert!(world.dev().wait(LIMIT).success(), "{}", world.log());
    assert_eq!(world.processes(), Vec::<i32>::new());
}

#[test]
fn a_data_directory_of_somebody_else_is_refused_clearly() {
    let Some(world) = world() else { return };
    let theirs = tempfile::tempdir().unwrap();
    let data = theirs.path().display().to_string();
    let mut command = world.command(&["--api-addr=127.0.0.1:0", "--catalog-addr=127.0.0.1:0", "--data-dir", &data]);
    let said = say(&mut command);
    assert_eq!(said.code, 1);
    assert!(said.err.contains(&data) && said.err.contains("ermission denied"), "{}", said.err);
    assert_eq!(fs::read_dir(theirs.path()).unwrap().count(), 0);
}
