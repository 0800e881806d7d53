//! Version constraints: `">= 1.2, < 2"`.
//!
//! The `version` operator is lenient about versions (`1.2`, `v1.2.3-rc1`, more than three parts) and leaves pre-releases out
//! unless the constraint names one of the same release; the `semver` operator takes strict versions and orders pre-releases
//! as semver.org does. Texts that are no version or no constraint never match.

use std::cmp::Ordering;

/// Does `version` satisfy every comma-separated part of `constraint`? Operators: `=` (or none) `!=` `>` `<` `>=` `<=` `~>`.
pub(crate) fn lenient(version: &str, constraint: &str) -> bool {
    let Some(version) = Version::parse(version, false) else { return false };
    parts(constraint, false).is_some_and(|parts| {
        parts.iter().all(|(operator, wanted)| {
            let comparable = match (version.pre.is_empty(), wanted.pre.is_empty()) {
                (true, _) => true,
                (false, true) => matches!(operator, Operator::Equal | Operator::NotEqual),
                (false, false) => version.same_release(wanted),
            };
            comparable && operator.holds(&version, wanted)
        })
    })
}

/// As [`lenient`], with strict versions and pre-releases in their order.
pub(crate) fn strict(version: &str, constraint: &str) -> bool {
    let Some(version) = Version::parse(version, true) else { return false };
    parts(constraint, true).is_some_and(|parts| parts.iter().all(|(operator, wanted)| operator.holds(&version, wanted)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Pessimistic,
}

impl Operator {
    fn holds(self, version: &Version, wanted: &Version) -> bool {
        let order = version.order(wanted);
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Greater => order == Ordering::Greater,
            Self::Less => order == Ordering::Less,
            Self::GreaterEqual => order != Ordering::Less,
            Self::LessEqual => order != Ordering::Greater,
            // `~> 1.2.3` is `>= 1.2.3, < 1.3`; all written parts but the last are fixed.
            Self::Pessimistic => {
                let fixed = wanted.written.saturating_sub(1);
                order != Ordering::Less && (0..fixed).all(|index| version.part(index) == wanted.part(index))
            }
        }
    }
}

fn parts(constraint: &str, strict: bool) -> Option<Vec<(Operator, Version)>> {
    constraint
        .split(',')
        .map(|part| {
            let part = part.trim();
            let end = part.find(|c: char| !"=!<>~".contains(c)).unwrap_or(part.len());
            let (operator, version) = part.split_at(end);
            let operator = match operator {
                "" | "=" | "==" => Operator::Equal,
                "!=" => Operator::NotEqual,
                ">" => Operator::Greater,
                "<" => Operator::Less,
                ">=" => Operator::GreaterEqual,
                "<=" => Operator::LessEqual,
                "~>" if !strict => Operator::Pessimistic,
                _ => return None,
            };
            // The wanted side of `semver` may be short (`>= 1.8`); only the node's own version must be strict.
            Some((operator, Version::parse(version.trim(), false)?))
        })
        .collect()
}

#[derive(Clone, Debug)]
struct Version {
    segments: Vec<u64>,
    /// How many segments were written.
    written: usize,
    pre: String,
}

impl Version {
    fn parse(text: &str, strict: bool) -> Option<Self> {
        let text = text.trim();
        if strict {
            let version = semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()?;
            let segments = vec![version.major, version.minor, version.patch];
            return Some(Self { segments, written: 3, pre: version.pre.to_string() });
        }
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(release, _)| release);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (release, pre) = text.split_at(end);
        let pre = pre.strip_prefix('-').unwrap_or(pre);
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '~';
        if !pre.chars().all(allowed) {
            return None;
        }
        let segments: Vec<u64> =
            release.trim_end_matches('.').split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { written: segments.len(), segments, pre: pre.to_owned() })
    }

    fn part(&self, index: usize) -> u64 {
        self.segments.get(index).copied().unwrap_or(0)
    }

    fn same_release(&self, other: &Self) -> bool {
        let len = self.segments.len().max(other.segments.len());
        (0..len).all(|index| self.part(index) == other.part(index))
    }

    fn order(&self, other: &Self) -> Ordering {
        let len = self.segments.len().max(other.segments.len());
        (0..len)
            .map(|index| self.part(index).cmp(&other.part(index)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| order_pre(&self.pre, &other.pre))
    }
}

/// Semver §11: a release is above its pre-releases; identifiers compare as numbers where both are, numbers below words.
fn order_pre(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient_versions() {
        for (version, constraint, expected) in [
            ("1.2.3", ">= 1.2, < 2", true),
            ("2.0", ">= 1.2, < 2", false),
            ("v1.8.7", "1.8.7", true),
            ("1.2.9", "~> 1.2.3", true),
            ("1.3.0", "~> 1.2.3", false),
            ("1.9", "~> 1.2", true),
            ("2.0", "~> 1.2", false),
            ("1.3.0-beta1", ">= 1.2", false),
            ("1.3.0-beta2", ">= 1.3.0-beta1", true),
            ("1.4.0-beta2", ">= 1.3.0-beta1", false),
            ("1.2.3.4", "> 1.2.3", true),
            ("abc", "> 1", false),
            ("1.2", "", false),
            ("1.2", "=> 1", false),
        ] {
            assert_eq!(lenient(version, constraint), expected, "{version} {constraint}");
        }
    }

    #[test]
    fn strict_versions() {
        for (version, constraint, expected) in [
            ("1.8.7", ">= 1.8.0", true),
            ("1.8.0-rc1", ">= 1.8.0", false),
            ("1.8.1-rc1", ">= 1.8.0", true),
            ("1.8", ">= 1.8.0", false),
            ("1.0.0-alpha.10", "> 1.0.0-alpha.9", true),
            ("1.0.0-alpha", "< 1.0.0-1", false),
            ("1.0.0+build", "= 1.0.0", true),
            ("1.2.3", "~> 1.2", false),
        ] {
            assert_eq!(strict(version, constraint), expected, "{version} {constraint}");
        }
    }
}
