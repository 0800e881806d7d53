//! `cargo xtask test`: what must hold before a change lands.

use anyhow::Result;
use clap::Args;

use crate::{layers, peers, run};

#[derive(Debug, Args)]
pub struct Test {
    /// Longer stories too: more seeds, longer loads
    #[arg(long)]
    long: bool,
    /// Skip format, lints and layers
    #[arg(long)]
    tests_only: bool,
}

impl Test {
    pub fn run(self) -> Result<()> {
        if !self.tests_only {
            run::run(run::cargo().args(["fmt", "--all", "--check"]))?;
            layers::check()?;
            run::run(run::cargo().args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ]))?;
        }
        let left_out = peers::fetch()?;
        peers::report(&left_out);
        let mut tests = run::cargo();
        tests.args(["test", "--workspace", "--locked", "--no-fail-fast"]).env("BATON_PEERS_DIR", peers::dir());
        if self.long {
            tests.env("BATON_TEST_LONG", "1").env("PROPTEST_CASES", "4096");
        }
        run::run(&mut tests)?;
        // The README's first command: `cargo run` has to know which program is meant.
        run::run(run::cargo().args(["run", "--locked", "--quiet", "--", "version"]))?;
        peers::report(&left_out);
        Ok(())
    }
}
