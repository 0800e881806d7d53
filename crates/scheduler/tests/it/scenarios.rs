//! Every story in `tests/scenarios` ends as it is written. `ACCEPT=1` writes what happens now.

use std::fs;
use std::path::Path;

use crate::story::tell;

#[test]
fn stories_end_as_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let accept = std::env::var_os("ACCEPT").is_some();
    let mut wrong = Vec::new();
    let mut files: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let written = fs::read_to_string(&file).unwrap();
        let told = tell(&written);
        if told == written {
            continue;
        }
        if accept {
            fs::write(&file, told).unwrap();
        } else {
            let differing = written.lines().zip(told.lines()).enumerate().find(|(_, (a, b))| a != b);
            wrong.push(match differing {
                Some((number, (a, b))) => format!("{}:{}\n  written: {a}\n  told:    {b}", file.display(), number + 1),
                None => format!("{}: one ends before the other", file.display()),
            });
        }
    }
    assert!(wrong.is_empty(), "run with ACCEPT=1 if these are right:\n{}", wrong.join("\n"));
}
