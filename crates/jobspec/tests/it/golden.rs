//! Whole files: each `golden/NAME.nomad` gives exactly `golden/NAME.out`. `UPDATE_GOLDEN=1` writes what is given now.

use std::fmt::Write as _;
use std::path::Path;

use baton_jobspec::{Inputs, add_implicit_constraints, canonicalize_for_server};

use crate::{canonical, read_with};

fn outcome(text: &str) -> String {
    let mut out = String::new();
    match read_with(text, Inputs { strict: true, ..Inputs::default() }) {
        Err(diagnostics) => {
            diagnostics.iter().for_each(|diagnostic| writeln!(out, "{}", diagnostic.compact()).unwrap())
        }
        Ok(parsed) => {
            for problem in parsed.problems() {
                writeln!(out, "error: {}", problem.compact()).unwrap();
            }
            for warning in parsed.warnings() {
                writeln!(out, "warning: {}", warning.compact()).unwrap();
            }
            for problem in parsed.unsupported() {
                writeln!(out, "unsupported: {}", problem.compact()).unwrap();
            }
            writeln!(out, "{}", serde_json::to_string_pretty(&canonical(&parsed)).unwrap()).unwrap();
            let mut registered = parsed.job.clone();
            canonicalize_for_server(&mut registered);
            add_implicit_constraints(&mut registered);
            for group in &registered.task_groups {
                for constraint in group.constraints.iter().chain(group.tasks.iter().flat_map(|task| &task.constraints))
                {
                    writeln!(out, "constraint: {constraint}").unwrap();
                }
            }
        }
    }
    out
}

#[test]
fn files_give_what_is_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "nomad") {
            continue;
        }
        count += 1;
        let got = outcome(&std::fs::read_to_string(&path).unwrap());
        let recorded = path.with_extension("out");
        if update {
            std::fs::write(&recorded, &got).unwrap();
        } else if std::fs::read_to_string(&recorded).unwrap_or_default() != got {
            wrong.push(format!("{}:\n{got}", path.display()));
        }
    }
    assert!(count >= 10, "only {count} files in {}", folder.display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
