//! From bodies and schemas to the API's JSON, holding only what was written. Every mistake is reported, not only the first.

mod body;
mod dynamic;
pub(crate) mod job;
pub(crate) mod schema;
mod values;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use crate::diagnostic::{Flaw, MAX_DIAGNOSTICS, Span, suggestion};
use crate::eval::{Evaluator, Scope, Value};
use crate::syntax::ast::{Attribute, Block, BodyNode, Expr};
use schema::{BlockRule, Inside, Kind, Schema, Times};

/// Where each part of the draft was written, by JSON path: `TaskGroups[0].Tasks[0].KillTimeout`.
pub(crate) type Spans = HashMap<String, Span>;

/// Walks bodies; collects flaws and spans.
pub(crate) struct Decoder<'a> {
    pub(crate) evaluator: Evaluator<'a>,
    pub(crate) flaws: Vec<Flaw>,
    pub(crate) spans: Spans,
    /// The paths of blocks that have flaws of their own.
    pub(crate) wrong: Vec<String>,
}

impl Decoder<'_> {
    /// Decodes one block's inside. What is missing is reported at `at`; `path` is its place in the draft.
    pub(crate) fn block(
        &mut self,
        node: &BodyNode,
        schema: &'static Schema,
        at: Span,
        path: &str,
        scope: &Scope<'_>,
    ) -> Map<String, Json> {
        let before = self.flaws.len();
        let body = self.open(node, schema, at, scope);
        let mut out = Map::new();
        for attribute in &body.attributes {
            if self.is_done() {
                return out;
            }
            self.attribute(attribute, schema, path, scope, &mut out);
        }
        self.missing(&body.attributes, schema, at);
        self.note(before, path);
        let mut seen = HashSet::new();
        for block in &body.blocks {
            if self.is_done() {
                return out;
            }
            let before = self.flaws.len();
            let Some(rule) = schema.block(&block.kind) else {
                self.unknown_block(block, schema);
                self.note(before, path);
                continue;
            };
            let again = !seen.insert(rule.name);
            let as_argument = || body.attributes.iter().any(|attribute| attribute.name == rule.name);
            let twice = || matches!(rule.inside, Inside::TextMapOrArgument) && as_argument();
            if rule.times == Times::Once && (again || twice()) {
                self.flaws.push(Flaw::new(
                    block.kind_span,
                    format!("Duplicate {} block", rule.name),
                    format!("Only one {} block is allowed. Another was defined before it.", rule.name),
                ));
                self.note(before, path);
                continue;
            }
            self.nested(block, rule, path, scope, &mut out);
        }
        out
    }

    fn attribute(
        &mut self,
        attribute: &Attribute,
        schema: &'static Schema,
        path: &str,
        scope: &Scope<'_>,
        out: &mut Map<String, Json>,
    ) {
        let name = attribute.name.as_str();
        if let Some(rule) = schema.argument(name) {
            if let Kind::Refused(why) = rule.kind {
                self.flaws.push(Flaw::new(attribute.name_span, format!("{name} is not supported"), why));
                return;
            }
            let path = join(path, rule.field);
            self.spans.insert(path, attribute.expr.span);
            if let Some(value) = self.value(&attribute.expr, rule.kind, scope) {
                out.insert(rule.field.to_owned(), value);
            }
            return;
        }
        match schema.block(name) {
            Some(rule) if matches!(rule.inside, Inside::TextMapOrArgument) => {
                let path = join(path, rule.field);
                self.spans.insert(path, attribute.expr.span);
                if let Some(value) = self.value(&attribute.expr, Kind::TextMap, scope) {
                    out.insert(rule.field.to_owned(), value);
                }
            }
            Some(rule) => {
                let detail = format!("An argument named {name:?} is not expected here.");
                let help = format!("{0} is a block here: write {0} {{ … }} without \"=\"", rule.name);
                self.flaws.push(Flaw::new(attribute.name_span, "Unsupported argument", detail).help(help));
            }
            None => {
                let flaw = Flaw::new(
                    attribute.name_span,
                    "Unsupported argument",
                    format!("An argument named {name:?} is not expected here."),
                );
                let known =
                    schema.arguments.iter().map(|rule| rule.name).chain(schema.blocks.iter().map(|rule| rule.name));
                self.flaws.push(match suggestion(name, known) {
                    Some(help) => flaw.help(help),
                    None => flaw,
                });
            }
        }
    }

    fn missing(&mut self, written: &[Attribute], schema: &'static Schema, at: Span) {
        for rule in schema.arguments.iter().filter(|rule| rule.required) {
            if !written.iter().any(|attribute| attribute.name == rule.name) {
                let detail = format!("The argument {:?} is required, but no definition was found.", rule.name);
                self.flaws.push(Flaw::new(at, "Missing required argument", detail));
            }
        }
    }

    fn unknown_block(&mut self, block: &Block, schema: &'static Schema) {
        let name = block.kind.as_str();
        let flaw = Flaw::new(
            block.kind_span,
            "Unsupported block type",
            format!("Blocks of type {name:?} are not expected here."),
        );
        self.flaws.push(if schema.argument(name).is_some() {
            flaw.help(format!("{name} is an argument here: write {name} = …"))
        } else {
            let known = schema.blocks.iter().map(|rule| rule.name).chain(schema.arguments.iter().map(|rule| rule.name));
            match suggestion(name, known) {
                Some(help) => flaw.help(help),
                None => flaw,
            }
        });
    }

    fn nested(
        &mut self,
        block: &Block,
        rule: &'static BlockRule,
        path: &str,
        scope: &Scope<'_>,
        out: &mut Map<String, Json>,
    ) {
        if let Inside::Refused(why) = rule.inside {
            self.flaws.push(Flaw::new(block.kind_span, format!("{} is not supported", rule.name), why));
            return self.wrong.push(path.to_owned());
        }
        let Some(label) = self.label(block, rule) else { return self.wrong.push(path.to_owned()) };
        let place = match rule.times {
            Times::Once => join(path, rule.field),
            Times::Many => {
                let count = out.get(rule.field).and_then(Json::as_array).map_or(0, Vec::len);
                format!("{}[{count}]", join(path, rule.field))
            }
            Times::ByLabel => join(&join(path, rule.field), label.as_deref().unwrap_or_default()),
        };
        self.spans.insert(place.clone(), block.kind_span);
        let names: Vec<(&str, &Value)> = block.scope.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let scope = scope.child(&names);
        let before = self.flaws.len();
        let mut value = match rule.inside {
            Inside::Rules(schema) => self.block(&block.body, schema, block.kind_span, &place, &scope),
            Inside::Free | Inside::Refused(_) => self.free(&block.body, &scope),
            Inside::TextMap | Inside::TextMapOrArgument => self.each(&block.body, Kind::Text, &place, &scope),
            Inside::TextsMap => self.each(&block.body, Kind::Texts, &place, &scope),
        };
        if !matches!(rule.inside, Inside::Rules(_)) {
            self.note(before, &place);
        }
        match rule.name {
            "constraint" => job::constraint(&mut value),
            "affinity" => job::affinity(&mut value),
            _ => {}
        }
        if let (Some(field), Some(label)) = (rule.label, &label) {
            value.insert(field.to_owned(), Json::String(label.clone()));
        }
        let value = Json::Object(value);
        match rule.times {
            Times::Once => {
                out.insert(rule.field.to_owned(), value);
            }
            Times::Many => {
                if let Some(list) = out.entry(rule.field).or_insert_with(|| Json::Array(Vec::new())).as_array_mut() {
                    list.push(value);
                }
            }
            Times::ByLabel => {
                let map = out.entry(rule.field).or_insert_with(|| Json::Object(Map::new()));
                if let (Some(map), Some(label)) = (map.as_object_mut(), label) {
                    map.insert(label, value);
                }
            }
        }
    }

    /// The label, `Some(None)` where none belongs, nothing if the count is wrong.
    fn label(&mut self, block: &Block, rule: &'static BlockRule) -> Option<Option<String>> {
        let name = rule.name;
        match (rule.label, block.labels.as_slice()) {
            (Some(_), [(label, _)]) => Some(Some(label.clone())),
            (None, []) => Some(None),
            (Some(_), []) => {
                let detail = format!("All {name} blocks must have 1 labels (name).");
                self.flaws.push(Flaw::new(block.kind_span, format!("Missing name for {name}"), detail));
                None
            }
            (wanted, labels) => {
                let at = labels.get(usize::from(wanted.is_some())).map_or(block.kind_span, |(_, span)| *span);
                let detail = match wanted {
                    Some(_) => format!("Only 1 labels (name) are expected for {name} blocks."),
                    None => format!("No labels are expected for {name} blocks."),
                };
                self.flaws.push(Flaw::new(at, format!("Extraneous label for {name}"), detail));
                None
            }
        }
    }

    /// A body whose names are free and whose values are all of one kind.
    fn each(&mut self, node: &BodyNode, kind: Kind, path: &str, scope: &Scope<'_>) -> Map<String, Json> {
        let body = self.open_free(node);
        let mut out = Map::new();
        for attribute in &body.attributes {
            self.spans.insert(join(path, &attribute.name), attribute.expr.span);
            let Some(value) = self.eval(&attribute.expr, scope) else { continue };
            match values::convert(&value, kind, attribute.expr.span) {
                Ok(Some(value)) => drop(out.insert(attribute.name.clone(), value)),
                Ok(None) => self.flaws.push(values::null(attribute.expr.span)),
                Err(flaw) => self.flaws.push(flaw),
            }
        }
        for block in &body.blocks {
            self.flaws.push(Flaw::new(
                block.kind_span,
                format!("Unexpected {:?} block", block.kind),
                "Blocks are not allowed here.",
            ));
        }
        out
    }

    /// A body of any content: nested blocks become lists of objects, their labels keys of such lists.
    fn free(&mut self, node: &BodyNode, scope: &Scope<'_>) -> Map<String, Json> {
        let body = self.open_free(node);
        let mut out = Map::new();
        for attribute in &body.attributes {
            if let Some(value) = self.eval(&attribute.expr, scope) {
                out.insert(attribute.name.clone(), value.to_json());
            }
        }
        for block in self.expand_free(&body.blocks, scope) {
            let names: Vec<(&str, &Value)> = block.scope.iter().map(|(name, value)| (name.as_str(), value)).collect();
            let mut value = Json::Object(self.free(&block.body, &scope.child(&names)));
            for (label, _) in block.labels.iter().rev() {
                value = Json::Object(Map::from_iter([(label.clone(), Json::Array(vec![value]))]));
            }
            match out.entry(block.kind.clone()).or_insert_with(|| Json::Array(Vec::new())) {
                Json::Array(list) => list.push(value),
                _ => self.flaws.push(Flaw::new(
                    block.kind_span,
                    "Attribute redefined",
                    format!("{:?} was already set as an argument.", block.kind),
                )),
            }
        }
        out
    }

    /// Whether flaws came up since there were `before`: they belong to the block at `path`.
    fn note(&mut self, before: usize, path: &str) {
        if self.flaws.len() > before {
            self.wrong.push(path.to_owned());
        }
    }

    /// Whether the allowed work is used up, or as much is wrong as anybody reads.
    pub(crate) fn is_done(&self) -> bool {
        self.evaluator.is_exhausted() || self.flaws.len() >= MAX_DIAGNOSTICS
    }

    /// Counts work; false once there was too much, which is reported once.
    fn spend(&mut self, work: usize, span: Span) -> bool {
        match self.evaluator.spend(work as u64, span) {
            Ok(()) => true,
            Err(flaw) => {
                if !self.flaws.iter().any(|known| known.summary == flaw.summary) {
                    self.flaws.push(flaw);
                }
                false
            }
        }
    }

    /// Once the end is reached, nothing more is tried or reported.
    pub(crate) fn eval(&mut self, expr: &Expr, scope: &Scope<'_>) -> Option<Value> {
        if self.is_done() {
            return None;
        }
        match self.evaluator.eval(expr, scope) {
            Ok(value) => Some(value),
            Err(flaw) => {
                self.flaws.push(flaw);
                None
            }
        }
    }
}

pub(crate) fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}
