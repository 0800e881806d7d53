//! Constraints, affinities, spreads.

use std::collections::BTreeSet;

use baton_model::JobType;
use baton_model::job::{Affinity, Constraint, Spread};

use crate::pattern;
use crate::problem::Place;

/// Targets allowed as a whole.
const EXACT_TARGETS: [&str; 5] =
    ["${node.unique.id}", "${node.datacenter}", "${node.unique.name}", "${node.class}", "${node.pool}"];
/// Targets allowed by their beginning.
const TARGET_PREFIXES: [&str; 3] = ["${attr.", "${device.", "${meta."];

/// The rules that jobs and groups share.
pub(super) fn rules(
    constraints: &[Constraint],
    affinities: &[Affinity],
    spreads: &[Spread],
    kind: JobType,
    place: &mut Place<'_>,
) {
    for (index, constraint) in constraints.iter().enumerate() {
        self::constraint(constraint, index, place);
    }
    self::affinities(affinities, kind, place);
    if kind == JobType::System {
        if !spreads.is_empty() {
            place.add("Spreads[0]", "System jobs may not have a spread block");
        }
        return;
    }
    for (index, spread) in spreads.iter().enumerate() {
        self::spread(spread, index, place);
    }
}

pub(super) fn affinities(affinities: &[Affinity], kind: JobType, place: &mut Place<'_>) {
    if kind == JobType::System {
        if !affinities.is_empty() {
            place.add("Affinities[0]", "System jobs may not have an affinity block");
        }
        return;
    }
    for (index, affinity) in affinities.iter().enumerate() {
        self::affinity(affinity, index, place);
    }
}

pub(super) fn constraint(constraint: &Constraint, index: usize, place: &mut Place<'_>) {
    let place =
        &mut place.part(&format!("Constraints[{index}]"), &format!("Constraint {} validation failed: ", index + 1));
    let (operand, value) = (constraint.operand.as_str(), constraint.r_target.as_str());
    match operand {
        "" => place.add("Operand", "Missing constraint operand"),
        "distinct_hosts" => return,
        "set_contains_all" | "set_contains_any" | "set_contains" if value.is_empty() => {
            place.add("RTarget", "Set contains constraint requires an RTarget");
        }
        "set_contains_all" | "set_contains_any" | "set_contains" => {}
        "regexp" | "version" | "semver" => right_side(operand, value, "constraint", place),
        "distinct_property" => match value.parse::<u64>() {
            _ if value.is_empty() => {}
            Ok(0) => place.add("RTarget", "Distinct Property must have an allowed count of 1 or greater: 0 < 1"),
            Ok(_) => {}
            Err(why) => place.add("RTarget", format!("Failed to convert RTarget {value:?} to uint64: {why}")),
        },
        "is_set" | "is_not_set" if !value.is_empty() => {
            place.add("RTarget", format!("Operator {operand:?} does not support an RTarget"));
        }
        "is_set" | "is_not_set" => {}
        "=" | "==" | "is" | "!=" | "not" | "<" | "<=" | ">" | ">=" => {
            if value.is_empty() {
                place.add("RTarget", format!("Operator {operand:?} requires an RTarget"));
            }
        }
        other => place.add("Operand", format!("Unknown constraint type {other:?}")),
    }
    let target = constraint.l_target.as_str();
    if target.is_empty() {
        place.add("LTarget", "no attribute provided but is required by operator");
    } else {
        self::target(target, place);
    }
}

fn target(target: &str, place: &mut Place<'_>) {
    if !target.starts_with('$') {
        return;
    }
    if !target.starts_with("${") {
        place.add("LTarget", format!("attribute {target:?} is missing an opening brace"));
    } else if !target.ends_with('}') {
        place.add("LTarget", format!("attribute {target:?} is missing a closing brace"));
    } else if !EXACT_TARGETS.contains(&target) && !TARGET_PREFIXES.iter().any(|prefix| target.starts_with(prefix)) {
        place.add("LTarget", format!("unsupported attribute {target:?}"));
    }
}

fn right_side(operand: &str, value: &str, what: &str, place: &mut Place<'_>) {
    match operand {
        "regexp" => {
            if let Err(why) = pattern::read(value) {
                place.add("RTarget", format!("Regular expression failed to compile: {why}"));
            }
        }
        "version" => {
            if !versions(value).all(loose) {
                place.add("RTarget", format!("Version {what} is invalid: Malformed constraint: {value}"));
            }
        }
        _ => {
            if value.contains("~>") || !versions(value).all(strict) {
                place.add("RTarget", format!("Semver {what} is invalid: Malformed constraint: {value}"));
            }
        }
    }
}

/// The versions of `>= 1.2, < 2`, without their operators; an unknown operator stays and makes the version wrong.
fn versions(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|part| {
        let part = part.trim();
        ["!=", ">=", "<=", "~>", "=", ">", "<"]
            .iter()
            .find_map(|operator| part.strip_prefix(operator))
            .unwrap_or(part)
            .trim()
    })
}

/// An optional `v`, any number of numeric parts, and the rest.
fn numbers(version: &str) -> (&str, &str) {
    let version = version.strip_prefix('v').unwrap_or(version);
    version.split_at(version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len()))
}

/// Numbers, then pre-release and build.
fn loose(version: &str) -> bool {
    let (numbers, rest) = numbers(version);
    let numbers_fit =
        !numbers.is_empty() && numbers.split('.').all(|number| !number.is_empty() && number.parse::<u64>().is_ok());
    numbers_fit && rest.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '~'))
}

/// The same with a pre-release only behind `-`; parts may be left out.
fn strict(version: &str) -> bool {
    let (_, rest) = numbers(version);
    loose(version) && (rest.is_empty() || rest.starts_with(['-', '+']))
}

fn affinity(affinity: &Affinity, index: usize, place: &mut Place<'_>) {
    let place =
        &mut place.part(&format!("Affinities[{index}]"), &format!("Affinity {} validation failed: ", index + 1));
    let (operand, value) = (affinity.operand.as_str(), affinity.r_target.as_str());
    match operand {
        "" => place.add("Operand", "Missing affinity operand"),
        "set_contains_all" | "set_contains_any" | "set_contains" => {
            if value.is_empty() {
                place.add("RTarget", "Set contains operators require an RTarget");
            }
        }
        "regexp" | "version" | "semver" => right_side(operand, value, "affinity", place),
        "=" | "==" | "is" | "!=" | "not" | "<" | "<=" | ">" | ">=" => {
            if value.is_empty() {
                place.add("RTarget", format!("Operator {operand:?} requires an RTarget"));
            }
        }
        other => place.add("Operand", format!("Unknown affinity operator {other:?}")),
    }
    if affinity.l_target.is_empty() {
        place.add("LTarget", "No LTarget provided but is required");
    }
    if affinity.weight == 0 {
        place.add("Weight", "Affinity weight cannot be zero");
    }
    if !(-100..=100).contains(&affinity.weight) {
        place.add("Weight", "Affinity weight must be within the range [-100,100]");
    }
}

fn spread(spread: &Spread, index: usize, place: &mut Place<'_>) {
    let place = &mut place.part(&format!("Spreads[{index}]"), &format!("Spread {} validation failed: ", index + 1));
    if spread.attribute.is_empty() {
        place.add("Attribute", "Missing spread attribute");
    }
    if !(1..=100).contains(&spread.weight) {
        place.add("Weight", "Spread block must have a positive weight from 0 to 100");
    }
    let mut seen = BTreeSet::new();
    for (t, target) in spread.spread_target.iter().enumerate() {
        if !seen.insert(target.value.as_str()) {
            place.add(&format!("SpreadTarget[{t}]"), format!("Spread target value {:?} already defined", target.value));
        }
        if target.percent > 100 {
            let message = format!("Spread target percentage for value {:?} must be between 0 and 100", target.value);
            place.add(&format!("SpreadTarget[{t}].Percent"), message);
        }
    }
    let sum: i64 = spread.spread_target.iter().map(|target| target.percent).sum();
    if sum > 100 {
        place
            .add("SpreadTarget", format!("Sum of spread target percentages must not be greater than 100%; got {sum}%"));
    }
}
