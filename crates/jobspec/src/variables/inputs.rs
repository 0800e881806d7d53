//! Where variables get their values: the environment, files, values given one by one.

use std::sync::Arc;

use super::Variables;
use crate::diagnostic::{Diagnostic, Flaw, Source, suggestion};
use crate::eval::{Scope, Type, Value};
use crate::syntax::ast::Attribute;
use crate::syntax::{json, native};

/// Prefixes of environment variables that set a job file's variable; the later one wins.
pub const ENVIRONMENT_PREFIXES: [&str; 2] = ["NOMAD_VAR_", "BATON_VAR_"];

/// A file of assignments, HCL or JSON.
#[derive(Clone, Debug)]
pub struct VarFile {
    pub name: String,
    pub text: String,
}

/// Where values come from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// `-var name=value`, in order.
    pub given: Vec<(String, String)>,
    pub files: Vec<VarFile>,
    /// The whole environment; only names with one of [`ENVIRONMENT_PREFIXES`] are used.
    pub environment: Vec<(String, String)>,
    /// Whether values for undeclared variables are errors.
    pub strict: bool,
}

impl Variables<'_> {
    /// Takes the values from outside; the names left without one are reported.
    pub(crate) fn assign(&mut self, inputs: &Inputs) {
        for prefix in ENVIRONMENT_PREFIXES {
            for (name, text) in &inputs.environment {
                if let Some(name) = name.strip_prefix(prefix)
                    && self.declared.contains_key(name)
                {
                    self.text(name, text, "env");
                }
            }
        }
        for file in &inputs.files {
            self.file(file, inputs.strict);
        }
        for (name, text) in &inputs.given {
            if self.declared.contains_key(name) {
                self.text(name, text, "cmd");
            } else if inputs.strict {
                let known: Vec<&str> = self.declared.keys().map(String::as_str).collect();
                let help = suggestion(name, known);
                let mut diagnostic = Diagnostic::whole_file(
                    "<value for var.".to_owned().as_str(),
                    "Undefined -var variable",
                    format!(
                        "A {name:?} variable was passed in the command line but was not found in known variables. To \
                         declare variable {name:?}, place a variable block in the job file."
                    ),
                );
                diagnostic.file.push_str(&format!("{name} from arguments>"));
                diagnostic.help = help;
                self.diagnostics.push(diagnostic);
            }
        }
        self.check();
    }

    fn text(&mut self, name: &str, text: &str, origin: &'static str) {
        let Some(kind) = self.declared.get(name).map(|variable| variable.kind.clone()) else { return };
        let place =
            format!("<value for var.{name} from {}>", if origin == "env" { "environment" } else { "arguments" });
        let parsed = if kind.as_ref().is_some_and(|kind| kind.is_structured() || *kind == Type::Bool) {
            let source = Source::new(place.as_str(), text);
            let value = native::parse_expression(text)
                .map_err(|mut flaws| flaws.remove(0))
                .and_then(|expr| self.evaluator(text).eval(&expr, &Scope::new(&[])));
            match value {
                Ok(value) => value,
                Err(flaw) => return self.diagnostics.push(source.diagnose(flaw)),
            }
        } else {
            Value::text(text)
        };
        match kind.unwrap_or(Type::String).convert(parsed) {
            Ok(value) => self.set(name, value, origin),
            Err(why) => {
                let (summary, what) = match origin {
                    "env" => ("Invalid value for variable", "value"),
                    _ => ("Invalid argument value for -var variable", "received arg value"),
                };
                let detail =
                    format!("The {what} for {name} is not compatible with the variable's type constraint: {why}.");
                self.diagnostics.push(Diagnostic::whole_file(&place, summary, detail));
            }
        }
    }

    fn set(&mut self, name: &str, value: Value, origin: &'static str) {
        if let Some(variable) = self.declared.get_mut(name) {
            variable.value = Some(value);
            variable.origin = origin;
        }
    }

    fn file(&mut self, file: &VarFile, strict: bool) {
        let source = Source::new(file.name.as_str(), file.text.as_str());
        let attributes = match assignments(&source) {
            Ok(attributes) => attributes,
            Err(flaws) => return self.diagnostics.extend(flaws.into_iter().map(|flaw| source.diagnose(flaw))),
        };
        for attribute in attributes {
            let name = attribute.name.as_str();
            let Some(variable) = self.declared.get(name) else {
                if strict {
                    let flaw = Flaw::new(
                        attribute.name_span,
                        "Undefined variable",
                        format!(
                            "A {name:?} variable was set but was not found in known variables. To declare variable {name:?}, place a variable block in the job file."
                        ),
                    );
                    let help = suggestion(name, self.declared.keys().map(String::as_str));
                    let flaw = match help {
                        Some(help) => flaw.help(help),
                        None => flaw,
                    };
                    self.diagnostics.push(source.diagnose(flaw));
                }
                continue;
            };
            let kind = variable.kind.clone().unwrap_or(Type::Any);
            let value = self.evaluator(&source.text).eval(&attribute.expr, &Scope::new(&[])).and_then(|value| {
                kind.convert(value).map_err(|why| {
                    let detail =
                        format!("The value for {name} is not compatible with the variable's type constraint: {why}.");
                    Flaw::new(attribute.expr.span, "Invalid value for variable", detail)
                })
            });
            match value {
                Ok(value) => self.set(name, value, "varfile"),
                Err(flaw) => self.diagnostics.push(source.diagnose(flaw)),
            }
        }
    }
}

fn assignments(source: &Source) -> Result<Vec<Attribute>, Vec<Flaw>> {
    if source.text.trim_start().starts_with('{') {
        let node = json::parse(&source.text).map_err(|flaw| vec![flaw])?;
        return node
            .members()
            .unwrap_or_default()
            .iter()
            .map(|member| {
                Ok(Attribute {
                    name: member.key.clone(),
                    name_span: member.key_span,
                    expr: Arc::new(member.value.to_expr()?),
                })
            })
            .collect();
    }
    let body = native::parse_body(source)?;
    let flaws: Vec<Flaw> = body
        .blocks
        .iter()
        .map(|block| match block.kind.as_str() {
            "variable" => Flaw::new(
                block.kind_span,
                "Variable declaration in a .var file",
                "A .var file is used to assign values to variables that have already been declared in the job file, not \
                 to declare new variables.",
            ),
            kind => Flaw::new(block.kind_span, "Unsupported block type", format!("Blocks of type {kind:?} are not expected here.")),
        })
        .collect();
    if flaws.is_empty() { Ok(body.attributes) } else { Err(flaws) }
}
