//! Which variables an expression names.

use std::collections::BTreeSet;

use crate::eval::Value;
use crate::syntax::ast::{Expr, ExprKind, Part, StepKind};

/// What an expression takes from `root`.
#[derive(Default)]
pub(super) struct References {
    /// The names `x` of every `root.x`.
    pub(super) names: BTreeSet<String>,
    /// Whether a name is only known at the end (`root[x]`), or `root` is used as a whole.
    pub(super) any: bool,
}

impl References {
    pub(super) fn of(expr: &Expr, root: &str) -> Self {
        let mut found = Self::default();
        found.expr(expr, root);
        found
    }

    fn expr(&mut self, expr: &Expr, root: &str) {
        match &expr.kind {
            ExprKind::Literal(_) => {}
            ExprKind::Variable(name) => self.any |= name == root,
            ExprKind::Template(parts) => self.parts(parts, root),
            ExprKind::Tuple(items) | ExprKind::Call { args: items, .. } => {
                items.iter().for_each(|item| self.expr(item, root));
            }
            ExprKind::Object(items) => items.iter().for_each(|(key, value)| {
                self.expr(key, root);
                self.expr(value, root);
            }),
            ExprKind::Parenthesis(inner)
            | ExprKind::Unary { operand: inner, .. }
            | ExprKind::Embedded { expr: inner, .. } => self.expr(inner, root),
            ExprKind::Traversal { base, steps } => {
                let name = match (&base.kind, steps.first().map(|step| &step.kind)) {
                    (ExprKind::Variable(name), Some(StepKind::Attribute(step))) if name == root => Some(step),
                    (
                        ExprKind::Variable(name),
                        Some(StepKind::Index(Expr { kind: ExprKind::Literal(Value::String(step)), .. })),
                    ) if name == root => Some(step),
                    _ => None,
                };
                match name {
                    Some(name) => self.names.extend([name.clone()]),
                    None => self.expr(base, root),
                }
                for step in steps {
                    if let StepKind::Index(index) = &step.kind {
                        self.expr(index, root);
                    }
                }
            }
            ExprKind::Conditional { test, yes, no } => {
                [test, yes, no].into_iter().for_each(|part| self.expr(part, root));
            }
            ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|part| self.expr(part, root)),
            ExprKind::For(parts) => {
                let optional = parts.key.iter().chain(&parts.condition);
                [&parts.collection, &parts.value].into_iter().chain(optional).for_each(|part| self.expr(part, root));
            }
        }
    }

    fn parts(&mut self, parts: &[Part], root: &str) {
        for part in parts {
            match part {
                Part::Literal(_) => {}
                Part::Interpolation { expr, .. } => self.expr(expr, root),
                Part::If { test, yes, no } => {
                    self.expr(test, root);
                    self.parts(yes, root);
                    self.parts(no, root);
                }
                Part::For { collection, body, .. } => {
                    self.expr(collection, root);
                    self.parts(body, root);
                }
            }
        }
    }
}
