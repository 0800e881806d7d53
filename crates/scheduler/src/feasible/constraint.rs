//! One constraint on one node: the operators.

use std::cmp::Ordering;

use baton_model::Node;
use baton_model::job::Constraint;
use baton_model::regexp;
use regex::Regex;

use super::{target, version};

pub(crate) const DISTINCT_HOSTS: &str = "distinct_hosts";
pub(crate) const DISTINCT_PROPERTY: &str = "distinct_property";

/// Does the node satisfy the constraint? The two `distinct_…` operators are about other allocations and hold here.
pub(crate) fn holds(constraint: &Constraint, node: &Node) -> bool {
    compare(&constraint.operand, &constraint.l_target, &constraint.r_target, node)
}

/// The same for an affinity's three parts.
pub(crate) fn compare(operand: &str, left: &str, right: &str, node: &Node) -> bool {
    let left = target::resolve(left, node);
    let right = target::resolve(right, node);
    match operand {
        DISTINCT_HOSTS | DISTINCT_PROPERTY => return true,
        "is_set" => return left.is_some(),
        "is_not_set" => return left.is_none(),
        "!=" | "not" => return left != right,
        _ => {}
    }
    let (Some(left), Some(right)) = (left, right) else { return false };
    match operand {
        "" | "=" | "==" | "is" => left == right,
        "<" => order(&left, &right).is_lt(),
        "<=" => order(&left, &right).is_le(),
        ">" => order(&left, &right).is_gt(),
        ">=" => order(&left, &right).is_ge(),
        "version" => version::lenient(&left, &right),
        "semver" => version::strict(&left, &right),
        "regexp" => regexp::from_go(&right)
            .ok()
            .and_then(|right| Regex::new(&right).ok())
            .is_some_and(|regex| regex.is_match(&left)),
        "set_contains" | "set_contains_all" => items(&right).all(|wanted| items(&left).any(|item| item == wanted)),
        "set_contains_any" => items(&right).any(|wanted| items(&left).any(|item| item == wanted)),
        _ => false,
    }
}

/// Whether a `distinct_hosts` constraint is switched on: only a plain "false" switches it off.
pub(crate) fn distinct_hosts_on(constraint: &Constraint) -> bool {
    constraint.operand == DISTINCT_HOSTS
        && !matches!(constraint.r_target.as_str(), "false" | "False" | "FALSE" | "f" | "F" | "0")
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// As integers, else as decimals, else as text.
fn order(left: &str, right: &str) -> Ordering {
    if let (Ok(left), Ok(right)) = (left.parse::<i64>(), right.parse::<i64>()) {
        return left.cmp(&right);
    }
    if let (Ok(left), Ok(right)) = (left.parse::<f64>(), right.parse::<f64>())
        && let Some(order) = left.partial_cmp(&right)
    {
        return order;
    }
    left.cmp(right)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn node() -> Node {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        Node {
            id: "n1".into(),
            name: "edge-1".into(),
            datacenter: "bi-sbg".into(),
            node_class: "edge".into(),
            attributes: map(&[
                ("cpu.numcores", "10"),
                ("load", "2.5"),
                ("consul.version", "1.8.7"),
                ("os.signals", "SIGHUP, SIGINT,SIGTERM"),
            ]),
            meta: map(&[("client_type", "edge"), ("rack", "r1")]),
            ..Node::default()
        }
    }

    #[test]
    fn operators() {
        for (left, operand, right, expected) in [
            ("${meta.client_type}", "=", "edge", true),
            ("${meta.client_type}", "", "core", false),
            ("${meta.missing}", "=", "", false),
            ("${meta.missing}", "!=", "x", true),
            ("${meta.missing}", "!=", "${meta.missing}", false),
            ("${meta.rack}", "not", "r1", false),
            ("${attr.cpu.numcores}", ">", "9", true),
            ("${attr.cpu.numcores}", "<=", "9", false),
            ("${attr.load}", "<", "10", true),
            ("${meta.rack}", ">=", "r0", true),
            ("${attr.consul.version}", "semver", ">= 1.8.0", true),
            ("${attr.consul.version}", "version", "< 1.8", false),
            ("${node.unique.name}", "regexp", "^edge-[0-9]+$", true),
            ("${node.unique.name}", "regexp", "(", false),
            ("${attr.os.signals}", "set_contains", "SIGHUP,SIGTERM", true),
            ("${attr.os.signals}", "set_contains_all", "SIGHUP,SIGUSR1", false),
            ("${attr.os.signals}", "set_contains_any", "SIGUSR1, SIGHUP", true),
            ("${meta.rack}", "is_set", "", true),
            ("${meta.rack}", "is_not_set", "", false),
            ("${node.datacenter}", "=", "bi-sbg", true),
            ("${node.class}", "is", "edge", true),
            ("${node.pool}", "==", "default", true),
            ("${node.unique.id}", "=", "n1", true),
            ("${NOMAD_X}", "=", "", false),
            ("${meta.rack}", "no-such-operator", "r1", false),
        ] {
            let constraint = Constraint { l_target: left.into(), r_target: right.into(), operand: operand.into() };
            assert_eq!(holds(&constraint, &node()), expected, "{constraint}");
        }
    }

    #[test]
    fn distinct_hosts_reads_its_value() {
        for (value, on) in [("", true), ("true", true), ("false", false), ("nonsense", true)] {
            let constraint =
                Constraint { r_target: value.into(), operand: DISTINCT_HOSTS.into(), ..Constraint::default() };
            assert_eq!(distinct_hosts_on(&constraint), on, "{value:?}");
        }
    }
}
