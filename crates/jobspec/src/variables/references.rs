//! Which variables an expression names.

use std::collections::BTreeSet;

use crate::eval::Value;
use crate::syntax::ast::{Expr, ExprKind, Part, StepKind};

/// The names `x` of every `root.x` in the expression.
pub(super) fn references(expr: &Expr, root: &str, out: &mut BTreeSet<String>) {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Variable(_) => {}
        ExprKind::Template(parts) => in_parts(parts, root, out),
        ExprKind::Tuple(items) | ExprKind::Call { args: items, .. } => {
            items.iter().for_each(|item| references(item, root, out))
        }
        ExprKind::Object(items) => items.iter().for_each(|(key, value)| {
            references(key, root, out);
            references(value, root, out);
        }),
        ExprKind::Parenthesis(inner)
        | ExprKind::Unary { operand: inner, .. }
        | ExprKind::Embedded { expr: inner, .. } => {
            references(inner, root, out);
        }
        ExprKind::Traversal { base, steps } => {
            if let (ExprKind::Variable(name), Some(step)) = (&base.kind, steps.first())
                && name == root
            {
                match &step.kind {
                    StepKind::Attribute(name) => {
                        out.insert(name.clone());
                    }
                    StepKind::Index(Expr { kind: ExprKind::Literal(Value::String(name)), .. }) => {
                        out.insert(name.clone());
                    }
                    _ => {}
                }
            }
            references(base, root, out);
            for step in steps {
                if let StepKind::Index(index) = &step.kind {
                    references(index, root, out);
                }
            }
        }
        ExprKind::Conditional { test, yes, no } => {
            [test, yes, no].into_iter().for_each(|part| references(part, root, out))
        }
        ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|part| references(part, root, out)),
        ExprKind::For(parts) => {
            let optional = parts.key.iter().chain(&parts.condition);
            [&parts.collection, &parts.value].into_iter().chain(optional).for_each(|part| references(part, root, out));
        }
    }
}

fn in_parts(parts: &[Part], root: &str, out: &mut BTreeSet<String>) {
    for part in parts {
        match part {
            Part::Literal(_) => {}
            Part::Interpolation { expr, .. } => references(expr, root, out),
            Part::If { test, yes, no } => {
                references(test, root, out);
                in_parts(yes, root, out);
                in_parts(no, root, out);
            }
            Part::For { collection, body, .. } => {
                references(collection, root, out);
                in_parts(body, root, out);
            }
        }
    }
}
