//! The indices in `job.group[index]`: the lowest free one is given, the highest is taken away first.

use std::collections::BTreeSet;

use baton_model::Allocation;

/// The indices in use in one group.
#[derive(Clone)]
pub(super) struct Names<'a> {
    job_id: &'a str,
    group: &'a str,
    used: BTreeSet<usize>,
    /// No index below is free.
    lowest: usize,
    /// Names that promoted canaries have taken over.
    promoted: BTreeSet<String>,
}

impl<'a> Names<'a> {
    pub(super) fn of<'b>(job_id: &'a str, group: &'a str, allocs: impl Iterator<Item = &'b Allocation>) -> Self {
        let used = allocs.filter_map(Allocation::index).collect();
        Self { job_id, group, used, lowest: 0, promoted: BTreeSet::new() }
    }

    /// The lowest free name, which is then in use.
    pub(super) fn next(&mut self) -> String {
        let index = (self.lowest..).find(|index| !self.used.contains(index)).unwrap_or_default();
        self.used.insert(index);
        self.lowest = index + 1;
        Allocation::make_name(self.job_id, self.group, index)
    }

    /// From now on these names belong to promoted canaries.
    pub(super) fn promote(&mut self, canaries: &[&Allocation]) {
        self.promoted = canaries.iter().map(|canary| canary.name.clone()).collect();
    }

    /// The name for what replaces `old`: its own, unless a promoted canary has it.
    pub(super) fn inherit(&mut self, old: &Allocation) -> String {
        if self.promoted.contains(&old.name) { self.next() } else { old.name.clone() }
    }

    /// Takes away the `count` highest names in use.
    pub(super) fn highest(&mut self, count: usize) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for _ in 0..count {
            let Some(index) = self.used.pop_last() else { break };
            self.lowest = self.lowest.min(index);
            names.insert(Allocation::make_name(self.job_id, self.group, index));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowest_given_highest_taken() {
        let allocs: Vec<Allocation> = [0, 2, 5]
            .map(|index| Allocation { name: Allocation::make_name("j", "g", index), ..Allocation::default() })
            .into();
        let mut names = Names::of("j", "g", allocs.iter());
        assert_eq!((names.next(), names.next()), ("j.g[1]".into(), "j.g[3]".into()));
        assert_eq!(names.highest(2), BTreeSet::from(["j.g[3]".to_owned(), "j.g[5]".to_owned()]));
    }
}
