//! `baton supervise`: the order of demote, proof, stop and promote, whatever happens in between.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use baton_testkit::{Process, eventually, peers};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::baton;

const LIMIT: Duration = Duration::from_secs(20);

/// A child that writes what it receives into the journal, and a supervisor that writes what it does.
struct Story {
    dir: TempDir,
}

impl Story {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn journal(&self) -> Vec<String> {
        fs::read_to_string(self.path("journal")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn await_journal(&self, line: &str) {
        eventually(&format!("{line:?} in the journal"), LIMIT, || {
            let journal = self.journal();
            if journal.iter().any(|seen| seen == line) { Ok(()) } else { Err(journal) }
        });
    }

    /// Notes `word` in the journal.
    fn note(&self, word: &str) -> String {
        format!("echo {word} >> {}", self.path("journal"))
    }

    fn child(&self, on_term: &str) -> String {
        format!(
            "trap '{term}; {on_term}' TERM; trap '{hup}' HUP; trap '{usr1}' USR1; {up}; while test -d {dir}; do sleep 0.05; done",
            term = self.note("term"),
            hup = self.note("hup"),
            usr1 = self.note("usr1"),
            up = self.note("up"),
            dir = self.dir.path().display(),
        )
    }

    fn supervise(&self, options: &[&str], child: &str) -> Process {
        let process = Process::start(
            baton()
                .arg("supervise")
                .args(["--demote", &self.note("demote"), "--promote", &self.note("promote")])
                .args(["--state-file", &self.path("demoted")])
                .args(options)
                .args(["--", "sh", "-c", child]),
        );
        self.await_journal("up");
        process
    }
}

#[test]
fn demotes_waits_for_proof_stops_and_promotes_in_this_order() {
    let story = Story::new();
    let proof = format!("{}; test -e {}", story.note("asked"), story.path("moved"));
    let mut process = story.supervise(&["--wait-until", &proof, "--limit", "1m"], &story.child("exit 7"));
    process.signal(Signal::SIGINT);
    story.await_journal("asked");
    assert!(!story.journal().contains(&"term".to_owned()), "no TERM before the proof");
    fs::write(story.path("moved"), "").unwrap();
    assert_eq!(process.wait(LIMIT).code(), Some(7));
    let mut journal = story.journal();
    journal.dedup();
    assert_eq!(journal, ["up", "demote", "asked", "term", "promote"]);
    assert!(!Path::new(&story.path("demoted")).exists());
}

#[test]
fn the_limit_ends_the_wait_with_a_warning() {
    let story = Story::new();
    let mut process = story.supervise(&["--wait-until", "false", "--limit", "300ms"], &story.child("exit 0"));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(LIMIT).code(), Some(0));
    assert!(process.output().contains("no proof that the address has moved"), "{}", process.output());
    assert_eq!(story.journal(), ["up", "demote", "term", "promote"]);
}

#[test]
fn a_budget_cuts_the_limit_and_says_so() {
    let story = Story::new();
    let options = ["--wait-until", "false", "--limit", "1h", "--budget", "400ms"];
    let mut process = story.supervise(&options, &story.child("exit 0"));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(LIMIT).code(), Some(0));
    assert!(process.output().contains("the budget leaves 300ms"), "{}", process.output());
}

#[test]
fn a_second_signal_means_now() {
    let story = Story::new();
    let mut process = story.supervise(&["--wait-until", "false", "--limit", "1h"], &story.child("exit 0"));
    process.signal(Signal::SIGTERM);
    story.await_journal("demote");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(LIMIT).code(), Some(0));
    assert_eq!(story.journal(), ["up", "demote", "term", "promote"]);
}

#[test]
fn other_signals_are_passed_on() {
    let story = Story::new();
    let mut process = story.supervise(&["--limit", "1h"], &story.child("exit 0"));
    process.signal(Signal::SIGHUP);
    story.await_journal("hup");
    process.signal(Signal::SIGUSR1);
    story.await_journal("usr1");
    process.signal(Signal::SIGTERM);
    story.await_journal("demote");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(LIMIT).code(), Some(0));
}

#[test]
fn a_child_that_dies_by_itself_ends_the_supervisor_with_its_status() {
    let story = Story::new();
    let mut process = story.supervise(&[], &format!("{}; kill -KILL $$", story.note("up")));
    assert_eq!(process.wait(LIMIT).code(), Some(128 + 9));
    assert_eq!(story.journal(), ["up"], "nothing was demoted, nothing is promoted");
}

#[test]
fn a_child_that_dies_while_demoted_is_followed_by_promote() {
    let story = Story::new();
    let options = ["--wait-until", "false", "--limit", "1h"];
    let child = format!("{}; while ! test -e {}; do sleep 0.05; done; exit 3", story.note("up"), story.path("die"));
    let mut process = story.supervise(&options, &child);
    process.signal(Signal::SIGTERM);
    story.await_journal("demote");
    let started = Instant::now();
    fs::write(story.path("die"), "").unwrap();
    assert_eq!(process.wait(LIMIT).code(), Some(3));
    assert!(started.elapsed() < LIMIT);
    assert_eq!(story.journal(), ["up", "demote", "promote"]);
}

#[test]
fn a_killed_supervisor_leaves_a_demotion_that_the_next_start_clears() {
    let story = Story::new();
    let options = ["--wait-until", "false", "--limit", "1h"];
    let mut process = story.supervise(&options, &story.child("exit 0"));
    process.signal(Signal::SIGTERM);
    story.await_journal("demote");
    process.signal(Signal::SIGKILL);
    process.wait(LIMIT);
    assert!(Path::new(&story.path("demoted")).exists());
    let mut next = story.supervise(&[], "exit 0");
    next.wait(LIMIT);
    assert_eq!(story.journal().last().map(String::as_str), Some("promote"));
    assert!(!Path::new(&story.path("demoted")).exists());
}

#[test]
fn a_command_that_cannot_run_is_told() {
    let mut process = Process::start(baton().args(["supervise", "--", "/does/not/exist"]));
    assert_eq!(process.wait(LIMIT).code(), Some(1));
    assert!(process.output().contains("cannot run \"/does/not/exist\""), "{}", process.output());
}

#[test]
fn real_traefik_stops_cleanly_under_it() {
    let Some(traefik) = peers::program("traefik") else { return };
    let story = Story::new();
    let port = baton_testkit::free_port();
    let mut process = Process::start(
        baton()
            .args(["supervise", "--demote", &story.note("demote"), "--promote", &story.note("promote")])
            .args(["--wait-until", "true", "--state-file", &story.path("demoted"), "--"])
            .arg(traefik)
            .args([&format!("--entryPoints.traefik.address=127.0.0.1:{port}"), "--ping=true"])
            .args(["--global.checkNewVersion=false", "--log.level=INFO"]),
    );
    eventually("ping", LIMIT, || std::net::TcpStream::connect(("127.0.0.1", port)));
    process.signal(Signal::SIGINT);
    assert_eq!(process.wait(LIMIT).code(), Some(0), "{}", process.output());
    assert_eq!(story.journal(), ["demote", "promote"]);
}
