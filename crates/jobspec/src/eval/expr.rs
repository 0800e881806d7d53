//! The evaluator.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::diagnostic::{Flaw, MAX_DIAGNOSTICS, Span};
use crate::doubts;
use crate::eval::{Host, NoHost, Number, Value};
use crate::syntax::ast::{Expr, ExprKind, ForExpr, Operator};

/// Work that one file may cause: values copied, iterations, function calls.
const MAX_WORK: u64 = 1_000_000;

/// Names that expressions can refer to; a child scope sees its parents'.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    names: &'a [(&'a str, &'a Value)],
    parent: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(names: &'a [(&'a str, &'a Value)]) -> Self {
        Self { names, parent: None }
    }

    pub(crate) fn child(&'a self, names: &'a [(&'a str, &'a Value)]) -> Scope<'a> {
        Scope { names, parent: Some(self) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        let found = self.names.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value);
        found.or_else(|| self.parent.and_then(|parent| parent.get(name)))
    }
}

/// Evaluates expressions of one text.
pub(crate) struct Evaluator<'a> {
    pub(crate) text: &'a str,
    pub(crate) host: &'a dyn Host,
    pub(crate) work: &'a Cell<u64>,
    pub(crate) unknown: Unknown,
    /// Whether functions may be called.
    pub(crate) calls: bool,
    /// Takes the references that are kept and look like slips.
    pub(crate) doubts: Option<&'a RefCell<Vec<Flaw>>>,
}

/// What a reference is whose root is not in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// A text for whoever knows it later: `${meta.x}`.
    Kept,
    /// Wrong: only constants belong here.
    Refused,
}

impl<'a> Evaluator<'a> {
    /// Nothing but what is written out has a value.
    pub(super) fn constants(work: &'a Cell<u64>) -> Self {
        Self { text: "", host: &NoHost, work, unknown: Unknown::Refused, calls: false, doubts: None }
    }
}

impl Evaluator<'_> {
    pub(crate) fn eval(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Value, Flaw> {
        self.spend(1, expr.span)?;
        match &expr.kind {
            ExprKind::Literal(value) => {
                self.spend(value.weight(), expr.span)?;
                Ok(value.clone())
            }
            ExprKind::Parenthesis(inner) => self.eval(inner, scope),
            ExprKind::Template(parts) => self.template(parts, expr.span, scope),
            ExprKind::Tuple(items) => {
                items.iter().map(|item| self.eval(item, scope)).collect::<Result<_, _>>().map(Value::List)
            }
            ExprKind::Object(items) => {
                let mut out = BTreeMap::new();
                for (key, value) in items {
                    let name = self.eval(key, scope)?.to_text().map_err(|why| {
                        Flaw::new(key.span, "Incorrect key type", format!("Can't use this value as a key: {why}."))
                    })?;
                    out.insert(name, self.eval(value, scope)?);
                }
                Ok(Value::Map(out))
            }
            ExprKind::Variable(name) => match scope.get(name) {
                Some(value) => {
                    self.spend(value.weight(), expr.span)?;
                    Ok(value.clone())
                }
                None => self.reference(expr.span),
            },
            ExprKind::Traversal { base, steps } => self.traversal(base, steps, scope),
            ExprKind::Conditional { test, yes, no } => self.conditional(expr.span, test, yes, no, scope),
            ExprKind::Call { name, name_span, args, expand } => self.call(expr, name, *name_span, args, *expand, scope),
            ExprKind::Unary { negate, operand } => self.unary(*negate, operand, scope),
            ExprKind::Binary { operator, left, right } => self.binary(expr.span, *operator, left, right, scope),
            ExprKind::For(parts) => self.for_expr(parts, scope),
            ExprKind::Embedded { text, expr: inner } => {
                let embedded = Evaluator { text, doubts: None, ..*self };
                embedded.eval(inner, scope).map_err(|flaw| Flaw { span: expr.span, ..flaw })
            }
        }
    }

    pub(crate) fn spend(&self, work: u64, span: Span) -> Result<(), Flaw> {
        let spent = self.work.get().saturating_add(work);
        self.work.set(spent);
        if spent > MAX_WORK {
            return Err(Flaw::new(span, "Too much work", "Evaluating this file takes more steps than are allowed."));
        }
        Ok(())
    }

    /// The value of a reference that is not known here.
    pub(super) fn reference(&self, span: Span) -> Result<Value, Flaw> {
        let text = self.slice(span.start, span.end);
        if self.unknown == Unknown::Kept {
            self.doubt(span, false);
            return Ok(Value::String(format!("${{{text}}}")));
        }
        let flaw = Flaw::new(span, "Variables not allowed", "Variables may not be used here.");
        Err(if self.slice(0, span.start).trim_end().ends_with("${") {
            flaw.help("write $${ for a literal ${")
        } else {
            flaw.help(format!("write {text:?} in quotes if a text is meant"))
        })
    }

    pub(super) fn doubt(&self, span: Span, in_template: bool) {
        let Some(doubts) = self.doubts.filter(|doubts| doubts.borrow().len() < MAX_DIAGNOSTICS) else { return };
        let text = self.slice(span.start, span.end);
        doubts.borrow_mut().extend(doubts::reference(text, span, in_template));
    }

    /// Whether the allowed work is used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.work.get() > MAX_WORK
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn condition(&self, test: &Expr, scope: &Scope<'_>) -> Result<bool, Flaw> {
        let value = self.eval(test, scope)?;
        if value == Value::Null {
            return Err(Flaw::new(
                test.span,
                "Null condition",
                "The condition value is null. Conditions must either be true or false.",
            ));
        }
        value.to_bool().map_err(|why| {
            Flaw::new(
                test.span,
                "Incorrect condition type",
                format!("The condition expression must be of type bool: {why}."),
            )
        })
    }

    fn conditional(&self, span: Span, test: &Expr, yes: &Expr, no: &Expr, scope: &Scope<'_>) -> Result<Value, Flaw> {
        let test = self.condition(test, scope)?;
        let (chosen, other) = if test { (yes, no) } else { (no, yes) };
        let chosen = self.eval(chosen, scope)?;
        let Ok(other) = self.eval(other, scope) else { return Ok(chosen) };
        match (&chosen, &other) {
            (Value::Null, _) | (_, Value::Null) => Ok(chosen),
            (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => Ok(chosen),
            (a, b) if a.kind() == b.kind() => Ok(chosen),
            (Value::String(_), b) if b.is_primitive() => Ok(chosen),
            (a, Value::String(_)) if a.is_primitive() => chosen
                .to_text()
                .map(Value::String)
                .map_err(|why| Flaw::new(span, "Inconsistent conditional result types", why)),
            (a, b) => Err(Flaw::new(
                span,
                "Inconsistent conditional result types",
                format!(
                    "The true and false result expressions must have consistent types. One is {}, the other {}.",
                    a.kind(),
                    b.kind()
                ),
            )),
        }
    }

    fn unary(&self, negate: bool, operand: &Expr, scope: &Scope<'_>) -> Result<Value, Flaw> {
        let value = self.eval(operand, scope)?;
        let invalid = |why: String| {
            Flaw::new(operand.span, "Invalid operand", format!("Unsuitable value for unary operand: {why}."))
        };
        if negate {
            match value.to_number().map_err(invalid)? {
                Number::Whole(value) => Ok(Value::whole(value.saturating_neg())),
                Number::Fraction(value) => Ok(Value::Number(Number::from_f64(-value))),
            }
        } else {
            value.to_bool().map(|value| Value::Bool(!value)).map_err(invalid)
        }
    }

    fn binary(
        &self,
        span: Span,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        scope: &Scope<'_>,
    ) -> Result<Value, Flaw> {
        let (a, b) = (self.eval(left, scope)?, self.eval(right, scope)?);
        let bad = |side: &str, at: Span| {
            let side = side.to_owned();
            move |why: String| Flaw::new(at, "Invalid operand", format!("Unsuitable value for {side} operand: {why}."))
        };
        match operator {
            Operator::Equal => return Ok(Value::Bool(a == b)),
            Operator::NotEqual => return Ok(Value::Bool(a != b)),
            Operator::And | Operator::Or => {
                let a = a.to_bool().map_err(bad("left", left.span))?;
                let b = b.to_bool().map_err(bad("right", right.span))?;
                return Ok(Value::Bool(if operator == Operator::And { a && b } else { a || b }));
            }
            _ => {}
        }
        let a = a.to_number().map_err(bad("left", left.span))?;
        let b = b.to_number().map_err(bad("right", right.span))?;
        let overflow = || Flaw::new(span, "Operation failed", "The result is out of range.");
        let number = match operator {
            Operator::Less => return Ok(Value::Bool(a < b)),
            Operator::LessEqual => return Ok(Value::Bool(a <= b)),
            Operator::Greater => return Ok(Value::Bool(a > b)),
            Operator::GreaterEqual => return Ok(Value::Bool(a >= b)),
            Operator::Divide | Operator::Modulo if b == Number::Whole(0) => {
                return Err(Flaw::new(
                    span,
                    "Division by zero",
                    "Either the operation attempted to divide by zero, or the result is not defined.",
                ));
            }
            _ => arithmetic(operator, a, b).ok_or_else(overflow)?,
        };
        Ok(Value::Number(number))
    }

    pub(super) fn items(&self, collection: &Expr, scope: &Scope<'_>) -> Result<Vec<(Value, Value)>, Flaw> {
        self.eval(collection, scope)?.into_pairs().map_err(|value| match value {
            Value::Null => Flaw::new(
                collection.span,
                "Iteration over null value",
                "A null value cannot be used as the collection in a 'for' expression.",
            ),
            other => Flaw::new(
                collection.span,
                "Iteration over non-iterable value",
                format!("A value of type {} cannot be used as the collection in a 'for' expression.", other.kind()),
            ),
        })
    }

    fn for_expr(&self, parts: &ForExpr, scope: &Scope<'_>) -> Result<Value, Flaw> {
        let mut list = Vec::new();
        let mut map: BTreeMap<String, Value> = BTreeMap::new();
        for (key, value) in self.items(&parts.collection, scope)? {
            self.spend(1, parts.collection.span)?;
            let mut names = vec![(parts.value_name.as_str(), &value)];
            if let Some(name) = &parts.key_name {
                names.push((name.as_str(), &key));
            }
            let scope = scope.child(&names);
            if let Some(condition) = &parts.condition {
                let keep = self.eval(condition, &scope)?.to_bool().map_err(|why| {
                    Flaw::new(
                        condition.span,
                        "Invalid 'for' condition",
                        format!("The 'if' clause value is invalid: {why}."),
                    )
                })?;
                if !keep {
                    continue;
                }
            }
            let Some(key) = &parts.key else {
                list.push(self.eval(&parts.value, &scope)?);
                continue;
            };
            let name = self.eval(key, &scope)?.to_text().map_err(|why| {
                Flaw::new(
                    key.span,
                    "Invalid object key",
                    format!("The key expression produced an invalid result: {why}."),
                )
            })?;
            let value = self.eval(&parts.value, &scope)?;
            if parts.grouping {
                match map.entry(name).or_insert_with(|| Value::List(Vec::new())) {
                    Value::List(items) => items.push(value),
                    other => *other = Value::List(vec![value]),
                }
            } else if map.insert(name.clone(), value).is_some() {
                let detail = format!(
                    "Two different items produced the key {name:?} in this 'for' expression. If duplicates are expected, \
                     use the ellipsis (...) after the value expression to enable grouping by key."
                );
                return Err(Flaw::new(key.span, "Duplicate object key", detail));
            }
        }
        Ok(if parts.key.is_some() { Value::Map(map) } else { Value::List(list) })
    }
}

fn arithmetic(operator: Operator, a: Number, b: Number) -> Option<Number> {
    if let (Number::Whole(a), Number::Whole(b)) = (a, b) {
        let exact = match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => a.checked_rem(b).filter(|rest| *rest == 0).and_then(|_| a.checked_div(b)),
            _ => a.checked_rem(b),
        };
        if let Some(value) = exact {
            return Some(Number::Whole(value));
        }
    }
    let (a, b) = (a.as_f64(), b.as_f64());
    let value = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => a % b,
    };
    value.is_finite().then(|| Number::rounded(value))
}
