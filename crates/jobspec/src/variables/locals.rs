//! `locals`: names for values, which may refer to each other in any order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Variables;
use super::references::references;
use crate::diagnostic::Flaw;
use crate::eval::{Evaluator, Scope, Unknown, Value};
use crate::syntax::ast::{Attribute, Body};

/// Deepest nesting of a local value.
const MAX_DEPTH: usize = 256;

/// A local with the locals that it refers to.
struct Local<'b> {
    attribute: &'b Attribute,
    needs: BTreeSet<String>,
}

impl Variables<'_> {
    /// `local.*` as one object. A wrong one is null, so that what refers to it is still read.
    pub(crate) fn locals(&mut self, blocks: &[Body], var: &Value) -> Value {
        let mut locals: BTreeMap<&str, Local<'_>> = BTreeMap::new();
        for attribute in blocks.iter().flat_map(|body| &body.attributes) {
            let mut needs = BTreeSet::new();
            references(&attribute.expr, "local", &mut needs);
            if locals.insert(&attribute.name, Local { attribute, needs }).is_some() {
                let detail = format!("Duplicate {} definition found.", attribute.name);
                self.flaw(Flaw::new(attribute.name_span, "Duplicate value in locals", detail));
            }
        }
        let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
        let mut ready = Vec::new();
        for (name, local) in &locals {
            let known = local.needs.iter().filter(|need| locals.contains_key(need.as_str()));
            let count = known.inspect(|need| users.entry(need.as_str()).or_default().push(name)).count();
            if count == 0 {
                ready.push(*name);
            } else {
                waiting.insert(name, count);
            }
        }
        let mut known = Value::Map(BTreeMap::new());
        while let Some(name) = ready.pop() {
            if self.evaluator("").is_exhausted() {
                return known;
            }
            let value = self.local(locals[name].attribute, var, &known);
            if let Value::Map(known) = &mut known {
                known.insert(name.to_owned(), value);
            }
            for user in users.remove(name).unwrap_or_default() {
                if let Some(count) = waiting.get_mut(user) {
                    *count -= 1;
                    if *count == 0 {
                        waiting.remove(user);
                        ready.push(user);
                    }
                }
            }
        }
        if let Some(name) = waiting.keys().next() {
            self.circle(name, &locals, &waiting);
        }
        known
    }

    fn local(&mut self, attribute: &Attribute, var: &Value, known: &Value) -> Value {
        let source = self.source;
        let evaluator = Evaluator {
            text: &source.text,
            host: self.host,
            work: self.work,
            unknown: Unknown::Kept,
            doubts: Some(&self.doubts),
        };
        let scope = [("var", var), ("local", known)];
        let value = evaluator.eval(&attribute.expr, &Scope::new(&scope)).and_then(|value| {
            if value.depth() <= MAX_DEPTH {
                return Ok(value);
            }
            let detail = format!("Lists and objects may be nested at most {MAX_DEPTH} levels deep.");
            Err(Flaw::new(attribute.expr.span, "Nesting too deep", detail))
        });
        value.unwrap_or_else(|flaw| {
            self.flaw(flaw);
            Value::Null
        })
    }

    /// Whoever waits at the end waits for a circle: the way there is followed until a name comes again.
    fn circle(&mut self, first: &str, locals: &BTreeMap<&str, Local<'_>>, waiting: &BTreeMap<&str, usize>) {
        let next = |name: &str| {
            let needs = locals.get(name).into_iter().flat_map(|local| &local.needs);
            needs.map(String::as_str).find(|need| waiting.contains_key(need))
        };
        let mut seen = BTreeSet::new();
        let mut name = first;
        while seen.insert(name)
            && let Some(need) = next(name)
        {
            name = need;
        }
        let (Some(local), Some(need)) = (locals.get(name), next(name)) else { return };
        let detail = match need == name {
            true => format!("local.{name} refers to itself."),
            false => format!("local.{name} refers to local.{need}, which in the end refers back to it."),
        };
        self.flaw(Flaw::new(local.attribute.name_span, "Circular reference in locals", detail));
    }
}
