//! `variable`, `variables` and `locals`: declarations, the sources of values and their precedence.
//!
//! Lowest to highest: default, environment (`NOMAD_VAR_name`), variable files in order, values given one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Flaw, Source, Span, suggestion};
use crate::eval::{Evaluator, Host, Number, Scope, Type, Value};
use crate::syntax::ast::{Attribute, Block, Body, BodyNode, Expr};
use crate::syntax::{json, native};
use references::references;

mod references;

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
    work: &'a std::cell::Cell<u64>,
    declared: BTreeMap<String, Variable>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl<'a> Variables<'a> {
    pub(crate) fn new(source: &'a Source, host: &'a dyn Host, work: &'a std::cell::Cell<u64>) -> Self {
        Self { source, host, work, declared: BTreeMap::new(), diagnostics: Vec::new() }
    }

    fn flaw(&mut self, flaw: Flaw) {
        self.diagnostics.push(self.source.diagnose(flaw));
    }

    fn eval(&mut self, expr: &Expr, scope: &Scope<'_>) -> Option<Value> {
        let evaluator = Evaluator { text: &self.source.text, host: self.host, work: self.work };
        match evaluator.eval(expr, scope) {
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
                    Ok(kind) => variable.kind = Some(kind),
                    Err(flaw) => self.flaw(flaw),
                },
                "default" => default = Some(attribute),
                "description" | "sensitive" => {}
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
            && let Some(value) = self.eval(&attribute.expr, &Scope::new(&[]))
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
            let Some(value) = self.eval(&attribute.expr, &Scope::new(&[])) else { continue };
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
        let mut named = BTreeSet::new();
        references(&condition.expr, "var", &mut named);
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
            Some(attribute) => self.eval(&attribute.expr, &Scope::new(&[]))?.to_text().unwrap_or_default(),
            None => String::new(),
        };
        if message.trim().is_empty() {
            let detail = "An empty or blank string is not a valid nor useful error message.";
            self.flaw(Flaw::new(block.kind_span, "Invalid validation error message", detail));
            return None;
        }
        Some(Validation { condition: Arc::clone(&condition.expr), message })
    }

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
                .and_then(|expr| Evaluator { text, host: self.host, work: self.work }.eval(&expr, &Scope::new(&[])));
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
            let value = Evaluator { text: &source.text, host: self.host, work: self.work }
                .eval(&attribute.expr, &Scope::new(&[]))
                .and_then(|value| {
                    kind.convert(value).map_err(|why| {
                        let detail = format!(
                            "The value for {name} is not compatible with the variable's type constraint: {why}."
                        );
                        Flaw::new(attribute.expr.span, "Invalid value for variable", detail)
                    })
                });
            match value {
                Ok(value) => self.set(name, value, "varfile"),
                Err(flaw) => self.diagnostics.push(source.diagnose(flaw)),
            }
        }
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
            let evaluator = Evaluator { text: &self.source.text, host: self.host, work: self.work };
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

    /// `local.*` as one object; they may refer to each other in any order.
    pub(crate) fn locals(&mut self, blocks: &[Body], var: &Value) -> Value {
        let mut waiting: BTreeMap<&str, (&Attribute, BTreeSet<String>)> = BTreeMap::new();
        for attribute in blocks.iter().flat_map(|body| &body.attributes) {
            let mut needs = BTreeSet::new();
            references(&attribute.expr, "local", &mut needs);
            if waiting.insert(&attribute.name, (attribute, needs)).is_some() {
                let detail = format!("Duplicate {} definition found.", attribute.name);
                self.flaw(Flaw::new(attribute.name_span, "Duplicate value in locals", detail));
            }
        }
        let mut known = Value::Map(BTreeMap::new());
        loop {
            let names: BTreeSet<&str> = waiting.keys().copied().collect();
            let ready = waiting.iter().find(|(_, (_, needs))| !needs.iter().any(|need| names.contains(need.as_str())));
            let Some((name, (attribute, _))) = ready.map(|(name, entry)| (*name, entry)) else { break };
            let scope = [("var", var), ("local", &known)];
            let value = self.eval(&attribute.expr, &Scope::new(&scope)).unwrap_or(Value::Null);
            waiting.remove(name);
            if let Value::Map(known) = &mut known {
                known.insert(name.to_owned(), value);
            }
        }
        if let Some((name, (attribute, needs))) = waiting.iter().next() {
            let others: Vec<&str> =
                needs.iter().map(String::as_str).filter(|need| waiting.contains_key(need)).collect();
            let detail = format!(
                "local.{name} refers to local.{}, which in the end refers back to it.",
                others.join(", local.")
            );
            self.flaw(Flaw::new(attribute.name_span, "Circular reference in locals", detail));
        }
        known
    }
}

fn inferred(value: &Value) -> Type {
    match value {
        Value::String(_) => Type::String,
        Value::Number(Number::Whole(_) | Number::Fraction(_)) => Type::Number,
        Value::Bool(_) => Type::Bool,
        Value::List(_) => Type::List(Box::new(Type::Any)),
        Value::Map(_) => Type::Map(Box::new(Type::Any)),
        Value::Null => Type::Any,
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

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}
