//! Rule texts: ``Host(`a.test`) && (PathPrefix(`/x`) || !Method(`POST`))``.
//!
//! One grammar, two vocabularies: v3 (each matcher takes exactly its arguments, regular expressions are plain)
//! and v2 (several arguments mean any of them, hosts and paths may hold `{name:expression}` templates). A v2
//! template in a v3 `HostRegexp` is a valid expression that matches nothing; it is read as what it was meant
//! to be, with a warning.

pub(crate) mod syntax;
mod tcp;
mod template;
mod v2;
mod v3;

use baton_routing::{Rule, rule::TcpRule};

use crate::finding::nearest;
use syntax::{Call, Expression};

/// The vocabulary of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Syntax {
    V2,
    #[default]
    V3,
}

impl Syntax {
    /// Reads `v2` or `v3`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "v2" => Some(Self::V2),
            "v3" => Some(Self::V3),
            _ => None,
        }
    }
}

/// A rule with what deserves attention in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<R> {
    pub rule: R,
    pub warnings: Vec<String>,
}

/// Why a text is no rule, and the byte where it shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    pub message: String,
    pub offset: usize,
    pub suggestion: Option<String>,
}

impl RuleError {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), offset, suggestion: None }
    }
}

/// Reads the rule of an HTTP router.
pub fn parse_http(text: &str, syntax: Syntax) -> Result<Parsed<Rule>, RuleError> {
    let mut warnings = Vec::new();
    let expression = syntax::parse(text)?;
    let rule = lower(&expression, &mut |call| match syntax {
        Syntax::V2 => v2::matcher(call),
        Syntax::V3 => v3::matcher(call, &mut warnings),
    })?;
    Ok(Parsed { rule, warnings })
}

/// Reads the rule of a TCP router.
pub fn parse_tcp(text: &str, syntax: Syntax) -> Result<Parsed<TcpRule>, RuleError> {
    let expression = syntax::parse(text)?;
    let rule = lower(&expression, &mut |call| tcp::matcher(call, syntax))?;
    Ok(Parsed { rule, warnings: Vec::new() })
}

/// Trees that have the three connectives.
trait Connective: Sized {
    fn and(rules: Vec<Self>) -> Self;
    fn or(rules: Vec<Self>) -> Self;
    fn not(rule: Self) -> Self;
}

macro_rules! connective {
    ($type:ident) => {
        impl Connective for $type {
            fn and(rules: Vec<Self>) -> Self {
                Self::And(rules)
            }

            fn or(rules: Vec<Self>) -> Self {
                Self::Or(rules)
            }

            fn not(rule: Self) -> Self {
                Self::Not(Box::new(rule))
            }
        }
    };
}

connective!(Rule);
connective!(TcpRule);

fn lower<R: Connective>(
    expression: &Expression,
    matcher: &mut impl FnMut(&Call) -> Result<R, RuleError>,
) -> Result<R, RuleError> {
    Ok(match expression {
        Expression::Call(call) => matcher(call)?,
        Expression::And(parts) => R::and(parts.iter().map(|p| lower(p, matcher)).collect::<Result<_, _>>()?),
        Expression::Or(parts) => R::or(parts.iter().map(|p| lower(p, matcher)).collect::<Result<_, _>>()?),
        Expression::Not(inner) => R::not(lower(inner, matcher)?),
    })
}

/// A single rule, or any of several.
fn any_of<R: Connective>(mut rules: Vec<R>) -> R {
    if rules.len() == 1 { rules.remove(0) } else { R::or(rules) }
}

/// A single rule, or all of several.
fn all_of<R: Connective>(mut rules: Vec<R>) -> R {
    if rules.len() == 1 { rules.remove(0) } else { R::and(rules) }
}

/// The matcher that a call means: as written in the list, or all lower, upper or title case.
fn name_of(call: &Call, known: &'static [&'static str]) -> Result<&'static str, RuleError> {
    let name = call.name.as_str();
    let same = |candidate: &&&str| {
        let lower = candidate.to_ascii_lowercase();
        let title = lower[..1].to_ascii_uppercase() + &lower[1..];
        name == **candidate || name == lower || name == title || name == candidate.to_ascii_uppercase()
    };
    known.iter().find(same).copied().ok_or_else(|| RuleError {
        suggestion: nearest(name, known.iter().copied()),
        ..RuleError::new(call.offset, format!("unsupported function: {name}"))
    })
}

fn expect_arguments(call: &Call, low: usize, high: usize) -> Result<(), RuleError> {
    let got = call.arguments.len();
    if let Some(empty) = call.arguments.iter().find(|a| a.text.is_empty()) {
        return Err(RuleError::new(empty.offset, format!("empty args for matcher {}", call.name)));
    }
    if (low..=high).contains(&got) {
        return Ok(());
    }
    let expected = match (low, high) {
        (low, usize::MAX) => format!("{low} or more"),
        (low, high) if low == high => low.to_string(),
        (low, high) => format!("{low} to {high}"),
    };
    let message = format!("unexpected number of parameters for {}; got {got}, expected {expected}", call.name);
    let suggestion = (call.name.eq_ignore_ascii_case("host") && got > 1).then(|| {
        let hosts: Vec<_> = call.arguments.iter().map(|a| format!("Host(`{}`)", a.text)).collect();
        hosts.join(" || ")
    });
    Err(RuleError { suggestion, ..RuleError::new(call.offset, message) })
}

#[cfg(test)]
mod tests;
