//! Targets for fuzzing: one function per parser that reads what strangers wrote.
//!
//! Each takes any bytes and panics only when something is broken: the parser itself, or a promise about what it returns. The same
//! functions are run in two ways: by [`exercise`] with mutations drawn from a seed, on every test run, and by cargo-fuzz
//! (folder `fuzz/`), which follows the coverage. Invariant: a target depends on its input only – no files, no clock, no
//! sockets.

mod config;
mod http;
mod jobs;
mod mutate;
mod wire;

pub use mutate::exercise;

/// Input longer than this is cut: what counts is the grammar, not the size.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;

/// A parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of the binary in `fuzz/`.
    pub name: &'static str,
    /// Runs it on one input.
    pub run: fn(&[u8]),
    /// Input that is worth changing.
    pub seeds: &'static [&'static str],
    /// Pieces that mean something to the grammar.
    pub words: &'static [&'static str],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    http::REQUEST,
    http::RESPONSE,
    http::CHUNKED,
    http::PATH,
    config::RULE,
    config::DYNAMIC_YAML,
    config::DYNAMIC_TOML,
    config::STATIC_YAML,
    config::STATIC_TOML,
    config::FLAGS,
    config::TAGS,
    jobs::JOB_HCL,
    jobs::JOB_JSON,
    jobs::JOB_TEMPLATE,
    jobs::FILE_TEMPLATE,
    wire::CONSUL,
    wire::KEEPER,
    wire::NOTIFY,
];

/// The target of a name.
///
/// # Panics
/// When there is none.
pub fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target is called {name}"))
}

/// Runs a target on input from outside.
pub fn run(name: &str, input: &[u8]) {
    (target(name).run)(&input[..input.len().min(INPUT_BYTES_MAX)]);
}
