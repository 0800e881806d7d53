//! What virtual nodes must look like for the given jobs to fit: literal datacenters and `=` constraints on `${meta.*}`.

use std::collections::BTreeMap;

use baton_model::Job;
use baton_model::job::Constraint;

/// The datacenter where nothing asks for one.
const DEFAULT_DATACENTER: &str = "dc1";

/// What was found; several values of one thing are dealt to the nodes in turn.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    datacenters: Vec<String>,
    meta: BTreeMap<String, Vec<String>>,
}

/// One node's share of the wishes.
#[derive(Debug, PartialEq, Eq)]
pub struct NodeShape {
    pub datacenter: String,
    pub meta: BTreeMap<String, String>,
}

impl Wishes {
    /// Collects from all jobs. A job that accepts a datacenter already chosen adds none.
    pub fn of(jobs: &[Job]) -> Self {
        let mut wishes = Self::default();
        for job in jobs {
            let literal: Vec<&String> = job.datacenters.iter().filter(|name| !name.contains(['*', '?', '['])).collect();
            let served =
                literal.len() < job.datacenters.len() || literal.iter().any(|name| wishes.datacenters.contains(name));
            if let Some(first) = literal.first().filter(|_| !served) {
                wishes.datacenters.push((*first).clone());
            }
            for constraint in constraints(job) {
                wishes.add(constraint);
            }
        }
        wishes
    }

    fn add(&mut self, constraint: &Constraint) {
        let name = constraint.l_target.strip_prefix("${meta.").and_then(|rest| rest.strip_suffix('}'));
        let Some(name) = name.filter(|_| matches!(constraint.operand.as_str(), "=" | "==" | "is" | "")) else { return };
        let values = self.meta.entry(name.to_owned()).or_default();
        if !constraint.r_target.contains("${") && !values.contains(&constraint.r_target) {
            values.push(constraint.r_target.clone());
        }
    }

    /// What node number `index` (from 0) gets.
    pub fn node(&self, index: usize) -> NodeShape {
        let pick = |values: &[String]| values.get(index % values.len().max(1)).cloned();
        let meta = self.meta.iter().filter_map(|(name, values)| Some((name.clone(), pick(values)?))).collect();
        NodeShape { datacenter: pick(&self.datacenters).unwrap_or_else(|| DEFAULT_DATACENTER.to_owned()), meta }
    }
}

fn constraints(job: &Job) -> impl Iterator<Item = &Constraint> {
    let groups = job
        .task_groups
        .iter()
        .flat_map(|group| group.constraints.iter().chain(group.tasks.iter().flat_map(|task| &task.constraints)));
    job.constraints.iter().chain(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_model::TaskGroup;

    fn job(datacenters: &[&str], meta: &[(&str, &str, &str)]) -> Job {
        let constraints = meta.iter().map(|(name, operand, value)| Constraint {
            l_target: format!("${{meta.{name}}}"),
            r_target: (*value).to_owned(),
            operand: (*operand).to_owned(),
        });
        let group = TaskGroup { constraints: constraints.collect(), ..TaskGroup::default() };
        Job {
            datacenters: datacenters.iter().map(|name| (*name).to_owned()).collect(),
            task_groups: vec![group],
            ..Job::default()
        }
    }

    #[test]
    fn nothing_asked_gives_the_default() {
        let node = Wishes::of(&[job(&["*"], &[])]).node(0);
        assert_eq!(node, NodeShape { datacenter: "dc1".to_owned(), meta: BTreeMap::new() });
    }

    #[test]
    fn literal_datacenters_and_equal_constraints_count() {
        let wishes = Wishes::of(&[
            job(&["bi-sbg"], &[("client_type", "=", "edge"), ("rack", "!=", "r1")]),
            job(&["other", "bi-sbg"], &[]),
        ]);
        for index in 0..2 {
            let node = wishes.node(index);
            assert_eq!(node.datacenter, "bi-sbg");
            assert_eq!(node.meta, BTreeMap::from([("client_type".to_owned(), "edge".to_owned())]));
        }
    }

    #[test]
    fn different_wishes_are_dealt_in_turn() {
        let wishes = Wishes::of(&[job(&["a"], &[("t", "=", "x")]), job(&["b"], &[("t", "=", "y")])]);
        let nodes: Vec<_> =
            (0..3).map(|index| (wishes.node(index).datacenter, wishes.node(index).meta["t"].clone())).collect();
        let expected = [("a", "x"), ("b", "y"), ("a", "x")];
        assert_eq!(nodes, expected.map(|(datacenter, meta)| (datacenter.to_owned(), meta.to_owned())));
    }
}
