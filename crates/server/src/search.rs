//! Finding things by the beginning of their names.

use std::collections::BTreeMap;

use crate::state::State;

/// Matches told per kind.
pub const MATCHES_MAX: usize = 20;

/// The kinds that can be searched, as the API names them.
pub const CONTEXTS: [&str; 5] = ["jobs", "allocs", "nodes", "evals", "deployment"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub matches: BTreeMap<String, Vec<String>>,
    /// Kinds with more matches than told.
    pub truncations: BTreeMap<String, bool>,
}

/// Ids (and, with `fuzzy`, names) that begin with (or hold) `text`. `context` is one of [`CONTEXTS`] or `all`.
pub fn search(state: &State, text: &str, context: &str, fuzzy: bool) -> Found {
    let mut found = Found::default();
    let hit = |name: &str| if fuzzy { name.contains(text) } else { name.starts_with(text) };
    for kind in CONTEXTS.into_iter().filter(|kind| context.is_empty() || context == "all" || context == *kind) {
        let mut ids: Vec<String> = match kind {
            "jobs" => state.jobs().filter(|job| hit(&job.id)).map(|job| job.id.clone()).collect(),
            "allocs" => state
                .allocs()
                .filter(|alloc| hit(&alloc.id) || fuzzy && hit(&alloc.name))
                .map(|alloc| alloc.id.clone())
                .collect(),
            "nodes" => state
                .nodes()
                .filter(|node| hit(&node.id) || fuzzy && hit(&node.name))
                .map(|node| node.id.clone())
                .collect(),
            "evals" => state.evals().filter(|eval| hit(&eval.id)).map(|eval| eval.id.clone()).collect(),
            _ => state.deployments().filter(|one| hit(&one.id)).map(|one| one.id.clone()).collect(),
        };
        found.truncations.insert(kind.to_owned(), ids.len() > MATCHES_MAX);
        ids.truncate(MATCHES_MAX);
        found.matches.insert(kind.to_owned(), ids);
    }
    found
}
