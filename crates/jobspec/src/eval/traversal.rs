//! Attribute, index and splat steps.

use std::borrow::Cow;

use crate::diagnostic::{Flaw, Span, suggestion};
use crate::eval::{Evaluator, Scope, Value};
use crate::syntax::ast::{Expr, ExprKind, Step, StepKind};

/// Most `[*]` in one traversal: each puts lists into lists.
const MAX_SPLATS: usize = 64;

impl Evaluator<'_> {
    pub(super) fn traversal(&self, base: &Expr, steps: &[Step], scope: &Scope<'_>) -> Result<Value, Flaw> {
        let splats = steps.iter().filter(|step| matches!(step.kind, StepKind::FullSplat));
        if let Some(one) = splats.clone().nth(MAX_SPLATS) {
            let detail = format!("At most {MAX_SPLATS} splats may stand in one expression.");
            return Err(Flaw::new(one.span, "Expression too long", detail));
        }
        let ExprKind::Variable(name) = &base.kind else {
            return self.steps(&self.eval(base, scope)?, steps, scope);
        };
        if let Some(value) = scope.get(name) {
            return self.steps(value, steps, scope);
        }
        let constant = steps.iter().take_while(|step| is_constant(step)).count();
        let end = steps[..constant].last().map_or(base.span.end, |step| step.span.end);
        let reference = self.reference(Span::new(base.span.start, end))?;
        self.steps(&reference, &steps[constant..], scope)
    }

    /// Only what is meant in the end is copied.
    fn steps(&self, value: &Value, steps: &[Step], scope: &Scope<'_>) -> Result<Value, Flaw> {
        let (mut value, mut steps) = (Cow::Borrowed(value), steps);
        while let Some(at) = steps.iter().position(is_splat) {
            let (before, splat, rest) = (&steps[..at], &steps[at], &steps[at + 1..]);
            let taken = match splat.kind {
                StepKind::FullSplat => rest.len(),
                _ => rest.iter().take_while(|step| matches!(step.kind, StepKind::Attribute(_))).count(),
            };
            let inner = self.walk(&value, before, scope)?;
            let items = match inner {
                Value::Null => &[],
                Value::List(items) | Value::Set(items) => items.as_slice(),
                other => std::slice::from_ref(other),
            };
            self.spend(1 + items.len() as u64, splat.span)?;
            let items = items.iter().map(|item| self.steps(item, &rest[..taken], scope)).collect::<Result<_, _>>()?;
            value = Cow::Owned(Value::List(items));
            steps = &rest[taken..];
        }
        let found = self.walk(&value, steps, scope)?;
        self.spend(found.weight(), steps.last().map_or_else(Span::default, |step| step.span))?;
        Ok(found.clone())
    }

    fn walk<'v>(&self, mut value: &'v Value, steps: &[Step], scope: &Scope<'_>) -> Result<&'v Value, Flaw> {
        for step in steps {
            self.spend(1, step.span)?;
            value = self.step(value, step, scope)?;
        }
        Ok(value)
    }

    fn step<'v>(&self, value: &'v Value, step: &Step, scope: &Scope<'_>) -> Result<&'v Value, Flaw> {
        let key = match &step.kind {
            StepKind::Attribute(name) => return attribute(value, name, step.span),
            StepKind::Index(index) => self.eval(index, scope)?,
            StepKind::Position(position) => Value::whole(*position),
            StepKind::AttributeSplat | StepKind::FullSplat => return Ok(value),
        };
        index(value, &key).map_err(|detail| Flaw::new(step.span, "Invalid index", detail))
    }
}

/// `value.name`.
fn attribute<'v>(value: &'v Value, name: &str, span: Span) -> Result<&'v Value, Flaw> {
    match value {
        Value::Map(items) => items.get(name).ok_or_else(|| {
            let detail = format!("This object does not have an attribute named {name:?}.");
            let flaw = Flaw::new(span, "Unsupported attribute", detail);
            match suggestion(name, items.keys().map(String::as_str)) {
                Some(help) => flaw.help(help),
                None => flaw,
            }
        }),
        Value::Null => Err(Flaw::new(
            span,
            "Attempt to get attribute from null value",
            "This value is null, so it does not have any attributes.",
        )),
        _ => Err(Flaw::new(span, "Unsupported attribute", "This value does not have any attributes.")),
    }
}

/// `value[key]`.
fn index<'v>(value: &'v Value, key: &Value) -> Result<&'v Value, String> {
    const NO_ELEMENT: &str = "The given key does not identify an element in this collection value";
    match value {
        Value::List(items) => {
            let position = key.to_number().map_err(|why| format!("{NO_ELEMENT}: {why}."))?;
            match position.as_i64().and_then(|position| usize::try_from(position).ok()) {
                Some(position) if position < items.len() => Ok(&items[position]),
                Some(_) if items.is_empty() => Err(format!("{NO_ELEMENT}: the collection has no elements.")),
                Some(_) => Err(format!(
                    "{NO_ELEMENT}: the given index is greater than or equal to the length of the collection."
                )),
                None => Err(format!("{NO_ELEMENT}: a whole number that is not negative is required.")),
            }
        }
        Value::Map(items) => items.get(&key.to_text()?).ok_or_else(|| format!("{NO_ELEMENT}.")),
        Value::Set(_) => Err("Elements of a set are identified only by their value and have no index.".to_owned()),
        Value::Null => Err("This value is null, so it does not have any indices.".to_owned()),
        _ => Err("This value does not have any indices.".to_owned()),
    }
}

fn is_splat(step: &Step) -> bool {
    matches!(step.kind, StepKind::AttributeSplat | StepKind::FullSplat)
}

fn is_constant(step: &Step) -> bool {
    match &step.kind {
        StepKind::Attribute(_) | StepKind::Position(_) => true,
        StepKind::Index(index) => matches!(index.kind, ExprKind::Literal(Value::String(_) | Value::Number(_))),
        StepKind::AttributeSplat | StepKind::FullSplat => false,
    }
}

pub(super) fn is_unknown_reference(expr: &Expr, scope: &Scope<'_>) -> bool {
    match &expr.kind {
        ExprKind::Variable(name) => scope.get(name).is_none(),
        ExprKind::Traversal { base, steps } => is_unknown_reference(base, scope) && steps.iter().all(is_constant),
        _ => false,
    }
}
