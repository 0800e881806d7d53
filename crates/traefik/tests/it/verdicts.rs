//! What Traefik 3.7 said to many files, and what is said here.
//!
//! Each line of the golden file is a JSON list: `s` (static) or `d` (dynamic) with the ending, whether Traefik takes it
//! without an error in its log, and the text. Deliberate differences are not among them: `docs/compat/traefik.md`.

use baton_routing::Implemented;
use baton_traefik::check::{check_dynamic, check_static};
use baton_traefik::dynamic::Context;

const VERDICTS: &str = include_str!("golden/verdicts.jsonl");

#[test]
fn files_are_judged_as_traefik_judges_them() {
    let mut wrong = Vec::new();
    for line in VERDICTS.lines() {
        let (name, accepted, text): (String, bool, String) = serde_json::from_str(line).unwrap();
        let verdict = match name.starts_with('s') {
            true => check_static(text.as_bytes(), &name),
            false => check_dynamic(text.as_bytes(), &name, &Context::default(), &Implemented::ALL),
        };
        if verdict.is_good() != accepted {
            let found: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
            wrong.push(format!("{name} {text:?}: accepted {accepted}, but {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {}", wrong.len(), VERDICTS.lines().count(), wrong.join("\n"));
}
