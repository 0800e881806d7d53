//! `variable`, `variables` and `locals`: declarations, the sources of values and their precedence.
//!
//! Lowest to highest: default, environment (`NOMAD_VAR_name`), variable files in order, values given one by one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Flaw, Source, Span, suggestion};
use crate::eval::{Evaluator, Host, Number, Scope, Type, Unknown, Value};
use crate::syntax::ast::{Block, Body, BodyNode, Expr};
use references::References;

mod inputs;
mod locals;
mod references;

pub use inputs::{ENVIRONMENT_PREFIXES, Inputs, VarFile};

struct Variable {
    kind: Option<Type>,
    value: Option<Value>,
    /// What set the value last, for error texts.
    origin: &'static str,
    validations: Vec<Validation>,
    span: Span,
}

struct Validation {
    condition: Arc<Expr>,
    message: String,
}

/// The declarations of one file on their way to values.
pub(crate) struct Variables<'a> {
    source: &'a Source,
    host: &'a dyn Host,
    work: &'a Cell<u64>,
    declared: BTreeMap<String, Variable>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// References in locals that look like slips.
    pub(crate) doubts: RefCell<Vec<Flaw>>,
}

impl<'a> Variables<'a> {
    pub(crate) fn new(source: &'a Source, host: &'a dyn Host, work: &'a Cell<u64>) -> Self {
        Self { source, host, work, declared: BTreeMap::new(), diagnostics: Vec::new(), doubts: RefCell::default() }
    }

    fn flaw(&mut self, flaw: Flaw) {
        self.diagnostics.push(self.source.diagnose(flaw));
    }

    /// Values of variables are constants: nothing can be referred to or called.
    fn evaluator<'t>(&self, text: &'t str) -> Evaluator<'t>
    where
        'a: 't,
    {
        let (host, work) = (self.host, self.work);
        Evaluator { text, host, work, unknown: Unknown::Refused, calls: false, doubts: None }
    }

    fn constant(&mut self, expr: &Expr) -> Option<Value> {
        let source = self.source;
        match self.evaluator(&source.text).eval(expr, &Scope::new(&[])) {
            Ok(value) => Some(value),
            Err(flaw) => {
                self.flaw(flaw);
                None
            }
        }
    }

    /// One `variable "name" { … }`.
    pub(crate) fn declare(&mut self, block: &Block, body: &Body) {
        let [(name, label_span)] = block.labels.as_slice() else {
            let detail = "All variable blocks must have 1 labels (name).";
            return self.flaw(Flaw::new(block.kind_span, "Missing name for variable", detail));
        };
        if !is_identifier(name) {
            return self.flaw(Flaw::new(
                *label_span,
                "Invalid variable name",
                "A name must start with a letter or underscore and may contain only letters, digits, underscores, and dashes.",
            ));
        }
        let mut variable =
            Variable { kind: None, value: None, origin: "default", validations: Vec::new(), span: *label_span };
        let mut default = None;
        for attribute in &body.attributes {
            match attribute.name.as_str() {
                "type" => match Type::parse(&attribute.expr) {
                    Ok(kind) => {
                        if let Some(word) = kind.inexact() {
                            let summary = format!("Nomad refuses {word:?} in the type of a variable");
                            let flaw = Flaw::new(attribute.expr.span, summary, "It is taken here.");
                            self.doubts.borrow_mut().push(flaw.help("write the exact type"));
                        }
                        variable.kind = Some(kind);
                    }
                    Err(flaw) => self.flaw(flaw),
                },
                "default" => default = Some(attribute),
                "description" => {}
                other => {
                    let flaw = Flaw::new(
                        attribute.name_span,
                        "Unsupported argument",
                        format!("An argument named {other:?} is not expected here."),
                    );
                    let help = suggestion(other, ["type", "default", "description", "validation"]);
                    self.flaw(match help {
                        Some(help) => flaw.help(help),
                        None => flaw,
                    });
                }
            }
        }
        if let Some(attribute) = default
            && let Some(value) = self.constant(&attribute.expr)
        {
            let kind = variable.kind.get_or_insert_with(|| inferred(&value));
            match kind.convert(value) {
                Ok(value) => variable.value = Some(value),
                Err(why) => {
                    let detail =
                        format!("This default value is not compatible with the variable's type constraint: {why}.");
                    self.flaw(Flaw::new(attribute.expr.span, "Invalid default value for variable", detail));
                    variable.value = Some(Value::Null);
                }
            }
        }
        for inner in &body.blocks {
            if inner.kind == "validation" {
                variable.validations.extend(self.validation(name, inner));
            } else {
                let detail = format!("Blocks of type {:?} are not expected here.", inner.kind);
                self.flaw(Flaw::new(inner.kind_span, "Unsupported block type", detail));
            }
        }
        self.insert(name, variable);
    }

    /// The older `variables { name = default }`.
    pub(crate) fn declare_all(&mut self, body: &Body) {
        for attribute in &body.attributes {
            let Some(value) = self.constant(&attribute.expr) else { continue };
            let variable = Variable {
                kind: Some(inferred(&value)),
                value: Some(value),
                origin: "default",
                validations: Vec::new(),
                span: attribute.name_span,
            };
            self.insert(&attribute.name, variable);
        }
    }

    fn insert(&mut self, name: &str, variable: Variable) {
        if self.declared.contains_key(name) {
            let detail = format!("Duplicate {name} variable definition found.");
            return self.flaw(Flaw::new(variable.span, "Duplicate variable", detail));
        }
        self.declared.insert(name.to_owned(), variable);
    }

    fn validation(&mut self, name: &str, block: &Block) -> Option<Validation> {
        let BodyNode::Native(body) = &block.body else { return None };
        let find = |wanted: &str| body.attributes.iter().find(|attribute| attribute.name == wanted);
        let Some(condition) = find("condition") else {
            self.flaw(Flaw::new(
                block.kind_span,
                "Invalid variable validation specification",
                "validation requires a condition.",
            ));
            return None;
        };
        let named = References::of(&condition.expr, "var").names;
        if named.iter().any(|other| other != name) {
            let detail =
                format!("The condition for variable {name:?} can only refer to the variable itself, using var.{name}.");
            self.flaw(Flaw::new(condition.expr.span, "Invalid reference in variable validation", detail));
            return None;
        }
        if named.is_empty() {
            let detail = format!(
                "The condition for variable {name:?} must refer to var.{name} in order to test incoming values."
            );
            self.flaw(Flaw::new(condition.expr.span, "Invalid variable validation condition", detail));
            return None;
        }
        let message = match find("error_message") {
            Some(attribute) => self.constant(&attribute.expr)?.to_text().unwrap_or_default(),
            None => String::new(),
        };
        if message.trim().is_empty() {
            let detail = "An empty or blank string is not a valid nor useful error message.";
            self.flaw(Flaw::new(block.kind_span, "Invalid validation error message", detail));
            return None;
        }
        Some(Validation { condition: Arc::clone(&condition.expr), message })
    }

    fn check(&mut self) {
        let mut flaws = Vec::new();
        for (name, variable) in &self.declared {
            let Some(value) = &variable.value else {
                flaws.push(
                    Flaw::new(
                        variable.span,
                        format!("Unset variable {name:?}"),
                        "A used variable must be set or have a default value.",
                    )
                    .help(format!("give it with -var {name}=VALUE, a variable file, or NOMAD_VAR_{name}")),
                );
                continue;
            };
            let var = Value::Map([(name.clone(), value.clone())].into());
            let names = [("var", &var)];
            let evaluator = Evaluator { calls: true, ..self.evaluator(&self.source.text) };
            for validation in &variable.validations {
                let result = evaluator.eval(&validation.condition, &Scope::new(&names)).and_then(|result| {
                    result.to_bool().map_err(|why| {
                        let detail = format!("Invalid validation condition result value: {why}.");
                        Flaw::new(validation.condition.span, "Invalid variable validation result", detail)
                    })
                });
                match result {
                    Ok(true) => {}
                    Ok(false) => {
                        let summary = format!("Invalid value for {} variable", variable.origin);
                        flaws.push(Flaw::new(validation.condition.span, summary, validation.message.clone()));
                    }
                    Err(flaw) => flaws.push(flaw),
                }
            }
        }
        flaws.into_iter().for_each(|flaw| self.flaw(flaw));
    }

    /// `var.*` as one object.
    pub(crate) fn values(&self) -> Value {
        let set = self.declared.iter();
        Value::Map(set.map(|(name, variable)| (name.clone(), variable.value.clone().unwrap_or(Value::Null))).collect())
    }
}

fn inferred(value: &Value) -> Type {
    match value {
        Value::String(_) => Type::String,
        Value::Number(Number::Whole(_) | Number::Fraction(_)) => Type::Number,
        Value::Bool(_) => Type::Bool,
        Value::List(_) => Type::List(Box::new(Type::Any)),
        Value::Set(_) => Type::Set(Box::new(Type::Any)),
        Value::Map(_) => Type::Map(Box::new(Type::Any)),
        Value::Null => Type::Any,
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}
