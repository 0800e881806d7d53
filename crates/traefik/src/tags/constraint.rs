//! Which services take part: ``Tag(`edge`) && !TagRegex(`^internal-`)``.

use baton_routing::rule::Pattern;

use crate::rules::{
    RuleError,
    syntax::{self, Call, Expression},
};

/// A condition on a set of tags.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint(Option<Condition>);

/// Why a text is no constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("constraint: {0}")]
pub struct ConstraintError(RuleError);

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Tag(String),
    TagRegex(Pattern),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

impl Constraint {
    /// Reads an expression; empty text lets everything through.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        syntax::parse(text).and_then(|e| lower(&e)).map(|c| Self(Some(c))).map_err(ConstraintError)
    }

    /// Lets nothing through, for when the text cannot be read: nothing unwanted is exposed.
    pub(super) fn nobody() -> Self {
        Self(Some(Condition::Any(Vec::new())))
    }

    pub fn holds<T: AsRef<str>>(&self, tags: &[T]) -> bool {
        self.0.as_ref().is_none_or(|condition| condition.holds(tags))
    }
}

impl Condition {
    fn holds<T: AsRef<str>>(&self, tags: &[T]) -> bool {
        match self {
            Self::Tag(wanted) => tags.iter().any(|t| t.as_ref() == wanted),
            Self::TagRegex(pattern) => tags.iter().any(|t| pattern.is_match(t.as_ref())),
            Self::All(parts) => parts.iter().all(|p| p.holds(tags)),
            Self::Any(parts) => parts.iter().any(|p| p.holds(tags)),
            Self::Not(inner) => !inner.holds(tags),
        }
    }
}

fn lower(expression: &Expression) -> Result<Condition, RuleError> {
    let each = |parts: &[Expression]| parts.iter().map(lower).collect::<Result<_, _>>();
    Ok(match expression {
        Expression::And(parts) => Condition::All(each(parts)?),
        Expression::Or(parts) => Condition::Any(each(parts)?),
        Expression::Not(inner) => Condition::Not(Box::new(lower(inner)?)),
        Expression::Call(call) => leaf(call)?,
    })
}

fn leaf(call: &Call) -> Result<Condition, RuleError> {
    let error = |offset, message: String| RuleError { message, offset, suggestion: None };
    let [argument] = call.arguments.as_slice() else {
        return Err(error(call.offset, format!("{} takes one argument", call.name)));
    };
    match call.name.as_str() {
        "Tag" => Ok(Condition::Tag(argument.text.clone())),
        "TagRegex" => {
            Pattern::new(&argument.text).map(Condition::TagRegex).map_err(|reason| error(argument.offset, reason))
        }
        name => Err(error(call.offset, format!("unsupported function: {name}, known are Tag and TagRegex"))),
    }
}
