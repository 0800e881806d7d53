//! kill -9 of a writing process: what it acknowledged is there, whatever the moment.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use baton_store::{Batch, RedbStore, Store, Table};

/// Set for the child: the directory it writes to.
const CHILD_DIR: &str = "BATON_STORE_CRASH_DIR";

/// The writer. Run by [`acknowledged_writes_survive_kill`] in a process of its own; by itself it has nothing to do.
#[test]
fn writer() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let store = RedbStore::open(Path::new(&dir)).unwrap();
    let first = store.scan(Table::Jobs).unwrap().len() as u64;
    let mut out = std::io::stdout().lock();
    for number in first.. {
        let mut batch = Batch::new();
        // Two tables in one transaction: both or neither.
        batch.put_bytes(Table::Jobs, number.to_be_bytes(), vec![b'x'; 300]);
        batch.put_bytes(Table::Evals, number.to_be_bytes(), number.to_string().into_bytes());
        store.commit(&batch).unwrap();
        writeln!(out, "ack {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn acknowledged_writes_survive_kill() {
    const ROUNDS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let mut newest = None;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::writer", "--nocapture", "--test-threads=1"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment differs by round: in the middle of whatever follows that many acknowledgements.
        let wanted = 1 + round * 7 % 23;
        let mut seen = 0;
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while seen < wanted {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the writer ended by itself");
            if let Some((_, number)) = line.split_once("ack ") {
                newest = Some(number.trim().parse::<u64>().unwrap());
                seen += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it acknowledged before it died counts, too.
        for line in output.lines().map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("ack ").and_then(|number| number.parse().ok()) {
                newest = Some(number);
            }
        }
        let store = RedbStore::open(dir.path()).unwrap();
        let jobs = store.scan(Table::Jobs).unwrap();
        let evals = store.scan(Table::Evals).unwrap();
        let count = newest.unwrap() + 1;
        assert!(jobs.len() as u64 >= count, "round {round}: {count} acknowledged, {} there", jobs.len());
        assert_eq!(jobs.len(), evals.len(), "round {round}: half a transaction");
        for (number, (key, row)) in evals.iter().enumerate() {
            assert_eq!(key, &(number as u64).to_be_bytes());
            assert_eq!(row, number.to_string().as_bytes());
        }
    }
}
