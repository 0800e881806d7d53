//! Random histories of a cluster, one command after the other.
//!
//! Every command is one transaction. After any of them the server may crash and start again from what the store has, every
//! plan is judged by the plan checker, and in the end, when nothing bad happens any more, everything must be where the
//! registered jobs want it.

mod cluster;
mod jobs;
mod rules;

use cluster::Cluster;

/// Things that happen in one history.
const STEPS: usize = 160;

fn history(seed: u64) {
    let mut cluster = Cluster::new(seed);
    for _ in 0..STEPS {
        cluster.step();
    }
    cluster.calm_down();
    rules::at_rest(&cluster);
}

/// `BATON_SEED` repeats one history, `BATON_HISTORIES` plays more of them.
#[test]
fn random_histories_end_where_the_jobs_want_it() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("BATON_SEED") {
        Some(seed) => history(seed),
        None => (0..number("BATON_HISTORIES").unwrap_or(6)).for_each(history),
    }
}
