//! Templates: text with interpolations and directives.

use crate::diagnostic::{Flaw, Span};
use crate::eval::traversal::is_unknown_reference;
use crate::eval::{BYTES_PER_STEP, Evaluator, Scope, Unknown, Value};
use crate::syntax::ast::{Expr, Part};

impl Evaluator<'_> {
    pub(super) fn template(&self, parts: &[Part], span: Span, scope: &Scope<'_>) -> Result<Value, Flaw> {
        if let [Part::Interpolation { expr, span }] = parts {
            return self.interpolation(expr, *span, scope);
        }
        let mut out = String::new();
        self.render(parts, scope, &mut out)?;
        self.spend((out.len() / BYTES_PER_STEP) as u64, span)?;
        Ok(Value::String(out))
    }

    /// An unknown reference keeps its spelling, inner spaces included.
    fn interpolation(&self, expr: &Expr, span: Span, scope: &Scope<'_>) -> Result<Value, Flaw> {
        if self.unknown == Unknown::Kept && is_unknown_reference(expr, scope) {
            self.doubt(expr.span, true);
            let inner = self.slice(span.start + 2, span.end.saturating_sub(1));
            let inner = inner.strip_prefix('~').unwrap_or(inner);
            let inner = inner.strip_suffix('~').unwrap_or(inner);
            return Ok(Value::String(format!("${{{inner}}}")));
        }
        self.eval(expr, scope)
    }

    fn render(&self, parts: &[Part], scope: &Scope<'_>, out: &mut String) -> Result<(), Flaw> {
        for part in parts {
            match part {
                Part::Literal(text) => {
                    self.spend((text.len() / BYTES_PER_STEP) as u64, Span::default())?;
                    out.push_str(text);
                }
                Part::Interpolation { expr, span } => {
                    let text = match self.interpolation(expr, *span, scope)? {
                        Value::Null => {
                            return Err(Flaw::new(
                                expr.span,
                                "Invalid template interpolation value",
                                "The expression result is null. Cannot include a null value in a string template.",
                            ));
                        }
                        value => value.to_text().map_err(|_| {
                            let detail = "Cannot include the given value in a string template: string required.";
                            Flaw::new(expr.span, "Invalid template interpolation value", detail)
                        })?,
                    };
                    out.push_str(&text);
                }
                Part::If { test, yes, no } => {
                    let chosen = if self.condition(test, scope)? { yes } else { no };
                    self.render(chosen, scope, out)?;
                }
                Part::For { key_name, value_name, collection, body } => {
                    for (key, value) in self.items(collection, scope)? {
                        self.spend(1, collection.span)?;
                        let mut names = vec![(value_name.as_str(), &value)];
                        if let Some(name) = key_name {
                            names.push((name.as_str(), &key));
                        }
                        self.render(body, &scope.child(&names), out)?;
                    }
                }
            }
        }
        Ok(())
    }
}
