//! The filter language of `?filter=`: comparisons of selectors with values, joined by `and`, `or`, `not`, parentheses.
//!
//! `Service.Tags contains "v1" and ServiceMeta["zone"] != b and not Checks.Status == critical`
//!
//! A filter is parsed against the [`Schema`] of what it will see, so that a misspelt selector is an error and not an
//! empty answer. A selector into a list of records holds if any of them satisfies the comparison.

mod eval;
mod parse;
pub mod schema;

use regex::Regex;
use serde::Serialize;

pub use schema::Schema;

/// Longest filter text, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// Deepest nesting of parentheses and `not`.
pub const MAX_DEPTH: usize = 32;
/// Memory a compiled `matches` pattern may take, in bytes.
pub const MAX_REGEX: usize = 256 * 1024;

/// Why a filter cannot be used; shown after Consul's own introduction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Failed to create boolean expression evaluator: {0}")]
pub struct FilterError(pub(crate) String);

/// A checked filter.
#[derive(Debug, Clone)]
pub struct Filter {
    expression: Expression,
}

#[derive(Debug, Clone)]
enum Expression {
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Match { path: Vec<String>, test: Test, negated: bool },
}

#[derive(Debug, Clone)]
enum Test {
    Equal(String),
    /// Member of a list, key of a map, part of a text.
    Contains(String),
    Empty,
    Matches(Regex),
}

impl Filter {
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, FilterError> {
        parse::expression(text, schema).map(|expression| Self { expression })
    }

    /// Keeps what the filter accepts.
    pub fn keep<T: Serialize>(&self, items: Vec<T>) -> Vec<T> {
        items.into_iter().filter(|item| self.accepts(item)).collect()
    }

    /// Whether the filter accepts an item, seen as the JSON it is answered as.
    pub fn accepts<T: Serialize>(&self, item: &T) -> bool {
        serde_json::to_value(item).is_ok_and(|value| self.expression.holds(&value))
    }
}

#[cfg(test)]
mod tests;
