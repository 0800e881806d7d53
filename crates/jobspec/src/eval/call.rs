//! Calls of functions, and the three that are no functions: `try`, `can`, `convert`.

use crate::diagnostic::{Flaw, Span, suggestion};
use crate::eval::{Evaluator, Scope, Type, Value};
use crate::functions;
use crate::syntax::ast::Expr;

impl Evaluator<'_> {
    pub(super) fn call(
        &self,
        expr: &Expr,
        name: &str,
        name_span: Span,
        args: &[Expr],
        expand: bool,
        scope: &Scope<'_>,
    ) -> Result<Value, Flaw> {
        if !self.calls {
            return Err(Flaw::new(expr.span, "Function calls not allowed", "Functions may not be called here."));
        }
        match name {
            "try" => {
                let mut last = None;
                for arg in args {
                    match self.eval(arg, scope) {
                        Ok(value) => return Ok(value),
                        Err(flaw) => last = Some(flaw),
                    }
                }
                let why = last.map(|flaw| format!(" The last error: {}.", flaw.detail)).unwrap_or_default();
                return Err(Flaw::new(
                    expr.span,
                    "Error in function call",
                    format!("Call to function \"try\" failed: no expression succeeded.{why}"),
                ));
            }
            "convert" => return self.convert(expr.span, args, scope),
            "can" => {
                return match args {
                    [arg] => Ok(Value::Bool(self.eval(arg, scope).is_ok())),
                    _ => Err(Flaw::new(expr.span, "Error in function call", "Function \"can\" expects one argument.")),
                };
            }
            _ => {}
        }
        let Some(function) = functions::find(name) else {
            let flaw =
                Flaw::new(name_span, "Call to unknown function", format!("There is no function named {name:?}."));
            return Err(match suggestion(name, functions::names()) {
                Some(help) => flaw.help(help),
                None => flaw,
            });
        };
        let mut values = Vec::with_capacity(args.len());
        let mut spans = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let value = self.eval(arg, scope)?;
            match value {
                Value::List(items) | Value::Set(items) if expand && index + 1 == args.len() => {
                    spans.extend(items.iter().map(|_| arg.span));
                    values.extend(items);
                }
                value if expand && index + 1 == args.len() => {
                    return Err(Flaw::new(
                        arg.span,
                        "Invalid expanding argument value",
                        format!(
                            "The expanding argument (indicated by ...) must be of a tuple, list, or set type, not {}.",
                            value.kind()
                        ),
                    ));
                }
                value => {
                    spans.push(arg.span);
                    values.push(value);
                }
            }
        }
        self.spend(functions::work(function, &values), expr.span)?;
        let value = functions::call(function, &values, self.host).map_err(|error| match error {
            functions::CallError::Count(detail) => Flaw::new(expr.span, "Wrong number of function arguments", detail),
            functions::CallError::Argument(index, why) => Flaw::new(
                spans.get(index).copied().unwrap_or(expr.span),
                "Invalid function argument",
                format!("Invalid value for argument {} of {name:?}: {why}.", index + 1),
            ),
            functions::CallError::Failed(why) => {
                Flaw::new(expr.span, "Error in function call", format!("Call to function {name:?} failed: {why}."))
            }
        })?;
        self.spend(1 + value.weight(), expr.span)?;
        Ok(value)
    }

    /// `convert(value, type)`: the second argument is a type constraint, not an expression.
    fn convert(&self, span: Span, args: &[Expr], scope: &Scope<'_>) -> Result<Value, Flaw> {
        let [value, kind] = args else {
            let detail = format!("Function \"convert\" expects 2 argument(s), but {} were given.", args.len());
            return Err(Flaw::new(span, "Wrong number of function arguments", detail));
        };
        let (from, kind) = (self.eval(value, scope)?, Type::parse(kind)?);
        kind.convert(from).map_err(|why| {
            let detail = format!("Invalid value for argument 1 of \"convert\": {why}.");
            Flaw::new(value.span, "Invalid function argument", detail)
        })
    }
}
