//! Attribute, index and splat steps.

use crate::diagnostic::{Flaw, suggestion};
use crate::eval::{Evaluator, Scope, Value};
use crate::syntax::ast::{Expr, ExprKind, Step, StepKind};

impl Evaluator<'_> {
    pub(super) fn traversal(&self, base: &Expr, steps: &[Step], scope: &Scope<'_>) -> Result<Value, Flaw> {
        if let ExprKind::Variable(name) = &base.kind
            && scope.get(name).is_none()
        {
            let constant = steps.iter().take_while(|step| is_constant(step)).count();
            let end = steps[..constant].last().map_or(base.span.end, |step| step.span.end);
            let text = Value::String(format!("${{{}}}", self.slice(base.span.start, end)));
            return self.steps(text, &steps[constant..], scope);
        }
        self.steps(self.eval(base, scope)?, steps, scope)
    }

    fn steps(&self, value: Value, steps: &[Step], scope: &Scope<'_>) -> Result<Value, Flaw> {
        let Some((step, rest)) = steps.split_first() else { return Ok(value) };
        let taken = match &step.kind {
            StepKind::AttributeSplat => {
                rest.iter().take_while(|step| matches!(step.kind, StepKind::Attribute(_))).count()
            }
            StepKind::FullSplat => rest.len(),
            _ => return self.steps(self.step(value, step, scope)?, rest, scope),
        };
        let items = match value {
            Value::Null => Vec::new(),
            Value::List(items) => items,
            other => vec![other],
        };
        self.spend(items.len() as u64, step.span)?;
        let items = items.into_iter().map(|item| self.steps(item, &rest[..taken], scope)).collect::<Result<_, _>>()?;
        self.steps(Value::List(items), &rest[taken..], scope)
    }

    fn step(&self, value: Value, step: &Step, scope: &Scope<'_>) -> Result<Value, Flaw> {
        let key = match &step.kind {
            StepKind::Attribute(name) => {
                return match value {
                    Value::Map(mut items) => items.remove(name).ok_or_else(|| {
                        let flaw = Flaw::new(
                            step.span,
                            "Unsupported attribute",
                            format!("This object does not have an attribute named {name:?}."),
                        );
                        match suggestion(name, items.keys().map(String::as_str)) {
                            Some(help) => flaw.help(help),
                            None => flaw,
                        }
                    }),
                    Value::Null => Err(Flaw::new(
                        step.span,
                        "Attempt to get attribute from null value",
                        "This value is null, so it does not have any attributes.",
                    )),
                    _ => Err(Flaw::new(step.span, "Unsupported attribute", "This value does not have any attributes.")),
                };
            }
            StepKind::Index(index) => self.eval(index, scope)?,
            StepKind::Position(position) => Value::whole(*position),
            StepKind::AttributeSplat | StepKind::FullSplat => return Ok(value),
        };
        index(value, &key).map_err(|detail| Flaw::new(step.span, "Invalid index", detail))
    }
}

/// `value[key]`.
fn index(value: Value, key: &Value) -> Result<Value, String> {
    match value {
        Value::List(mut items) => {
            let position = key.to_number().map_err(|why| {
                format!("The given key does not identify an element in this collection value: {why}.")
            })?;
            match position.as_i64().and_then(|position| usize::try_from(position).ok()) {
                Some(position) if position < items.len() => Ok(items.swap_remove(position)),
                Some(_) => Err(if items.is_empty() {
                    "The given key does not identify an element in this collection value: the collection has no elements.".to_owned()
                } else {
                    "The given key does not identify an element in this collection value: the given index is greater than or equal to the length of the collection.".to_owned()
                }),
                None => Err("The given key does not identify an element in this collection value: a whole number that is not negative is required.".to_owned()),
            }
        }
        Value::Map(mut items) => {
            let key = key.to_text()?;
            items
                .remove(&key)
                .ok_or_else(|| "The given key does not identify an element in this collection value.".to_owned())
        }
        Value::Null => Err("This value is null, so it does not have any indices.".to_owned()),
        _ => Err("This value does not have any indices.".to_owned()),
    }
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
