//! Every target on its seeds and on mutations of them: a few seconds always, minutes with `cargo xtask test --long`.

use std::time::{SystemTime, UNIX_EPOCH};

use baton_fuzz::{TARGETS, exercise, target};

/// Mutations of each target on every run, from a fixed seed.
const CASES: usize = 1500;
/// As many in a long run, from a seed of its own.
const CASES_LONG: usize = 200_000;

fn go(name: &str) {
    let target = target(name);
    exercise(target, 1, CASES);
    if std::env::var_os("BATON_TEST_LONG").is_some() {
        let given = std::env::var("BATON_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
        let seed = given.unwrap_or_else(now);
        eprintln!("{name}: BATON_FUZZ_SEED={seed}");
        exercise(target, seed, CASES_LONG);
    }
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                go(stringify!($name));
            }
        )*

        #[test]
        fn none_is_left_out() {
            let tested = [$(stringify!($name)),*];
            let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(known, tested);
            // cargo-fuzz has one binary for each.
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/fuzz_targets");
            for name in known {
                let path = format!("{folder}/{name}.rs");
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
                assert!(text.contains(&format!("{name:?}")), "{path}");
            }
        }
    };
}

targets!(
    h1_request,
    h1_response,
    h1_chunked,
    path,
    rule,
    dynamic_yaml,
    dynamic_toml,
    static_yaml,
    static_toml,
    flags,
    tags,
    job_hcl,
    job_json,
    job_template,
    file_template,
    consul_json,
    keeper_frames,
    notify,
);
