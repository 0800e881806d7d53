//! `locals`: names for values, which may refer to each other in any order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Variables;
use super::references::References;
use crate::diagnostic::Flaw;
use crate::eval::{Evaluator, Scope, Unknown, Value};
use crate::syntax::ast::{Attribute, Body};

/// Deepest nesting of a local value.
const MAX_DEPTH: usize = 256;

/// A local with the locals that it refers to.
struct Local<'b> {
    attribute: &'b Attribute,
    needs: BTreeSet<String>,
    /// It looks names up that are known only once it is evaluated.
    any: bool,
}

/// Which locals wait for which.
#[derive(Default)]
struct Order<'b> {
    users: HashMap<&'b str, Vec<&'b str>>,
    /// How many others each one still waits for.
    waiting: BTreeMap<&'b str, usize>,
    ready: Vec<&'b str>,
    /// Ready, but for the names that they look up.
    late: BTreeSet<&'b str>,
}

impl<'b> Order<'b> {
    fn of(locals: &'b BTreeMap<&'b str, Local<'b>>) -> Self {
        let mut order = Self::default();
        for (name, local) in locals {
            let known = local.needs.iter().filter(|need| locals.contains_key(need.as_str()));
            let count = known.inspect(|need| order.users.entry(need.as_str()).or_default().push(name)).count();
            if count > 0 {
                order.waiting.insert(name, count);
            } else {
                order.release(name, local);
            }
        }
        order
    }

    fn release(&mut self, name: &'b str, local: &Local<'_>) {
        if local.any {
            self.late.insert(name);
        } else {
            self.ready.push(name);
        }
    }

    /// `name` has its value: those that waited for it may go on.
    fn settled(&mut self, name: &str, locals: &BTreeMap<&str, Local<'_>>) {
        self.late.remove(name);
        for user in self.users.remove(name).unwrap_or_default() {
            if let Some(count) = self.waiting.get_mut(user) {
                *count -= 1;
                if *count == 0 {
                    self.waiting.remove(user);
                    self.release(user, &locals[user]);
                }
            }
        }
    }
}

impl Variables<'_> {
    /// `local.*` as one object. A wrong one is null, so that what refers to it is still read.
    pub(crate) fn locals(&mut self, blocks: &[Body], var: &Value) -> Value {
        let mut locals: BTreeMap<&str, Local<'_>> = BTreeMap::new();
        for attribute in blocks.iter().flat_map(|body| &body.attributes) {
            let References { names: needs, any } = References::of(&attribute.expr, "local");
            if locals.insert(&attribute.name, Local { attribute, needs, any }).is_some() {
                let summary = format!("local.{} is set twice", attribute.name);
                self.doubts.borrow_mut().push(Flaw::new(attribute.name_span, summary, "The later value counts."));
            }
        }
        let mut order = Order::of(&locals);
        let mut known = Value::Map(BTreeMap::new());
        let set = |known: &mut Value, name: &str, value: Value| {
            if let Value::Map(known) = known {
                known.insert(name.to_owned(), value);
            }
        };
        while !order.ready.is_empty() || !order.late.is_empty() {
            if self.evaluator("").is_exhausted() {
                return known;
            }
            if let Some(name) = order.ready.pop() {
                let value = self.local(locals[name].attribute, var, &known).unwrap_or_else(|flaw| {
                    self.flaw(flaw);
                    Value::Null
                });
                set(&mut known, name, value);
                order.settled(name, &locals);
                continue;
            }
            // Of those that look names up, whoever finds all of them goes first.
            let mut flaws = Vec::new();
            for name in order.late.clone() {
                match self.local(locals[name].attribute, var, &known) {
                    Ok(value) => {
                        flaws.clear();
                        set(&mut known, name, value);
                        order.settled(name, &locals);
                        break;
                    }
                    Err(flaw) => flaws.push((name, flaw)),
                }
            }
            for (name, flaw) in flaws {
                self.flaw(flaw);
                set(&mut known, name, Value::Null);
                order.settled(name, &locals);
            }
        }
        if let Some(name) = order.waiting.keys().next() {
            self.circle(name, &locals, &order.waiting);
        }
        known
    }

    fn local(&self, attribute: &Attribute, var: &Value, known: &Value) -> Result<Value, Flaw> {
        let evaluator = Evaluator {
            text: &self.source.text,
            host: self.host,
            work: self.work,
            unknown: Unknown::Kept,
            calls: true,
            doubts: Some(&self.doubts),
        };
        let scope = [("var", var), ("local", known)];
        let value = evaluator.eval(&attribute.expr, &Scope::new(&scope))?;
        if value.depth() <= MAX_DEPTH {
            return Ok(value);
        }
        let detail = format!("Lists and objects may be nested at most {MAX_DEPTH} levels deep.");
        Err(Flaw::new(attribute.expr.span, "Nesting too deep", detail))
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
