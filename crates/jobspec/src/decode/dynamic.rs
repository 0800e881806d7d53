//! `dynamic "name" { for_each … iterator … labels … content { } }`: one block per element.

use std::sync::Arc;

use super::Decoder;
use crate::diagnostic::{Flaw, Span};
use crate::eval::{Scope, Value};
use crate::syntax::ast::{Block, BodyNode, Expr, ExprKind};

/// Most blocks that one `dynamic` block may make.
const MAX_BLOCKS: usize = 10_000;

struct Head {
    for_each: Arc<Expr>,
    iterator: String,
    labels: Vec<Expr>,
    content: Block,
}

impl Decoder<'_> {
    /// The blocks with every `dynamic` among them replaced by what it makes.
    pub(super) fn expand(&mut self, blocks: &[Block], scope: &Scope<'_>) -> Vec<Block> {
        let mut out = Vec::with_capacity(blocks.len());
        for block in blocks {
            if block.kind == "dynamic" {
                self.expand_one(block, scope, &mut out);
            } else {
                out.push(block.clone());
            }
        }
        out
    }

    /// In free-form bodies a block named `dynamic` without a label is data.
    pub(super) fn expand_free(&mut self, blocks: &[Block], scope: &Scope<'_>) -> Vec<Block> {
        let mut out = Vec::with_capacity(blocks.len());
        for block in blocks {
            if block.kind == "dynamic" && block.labels.len() == 1 {
                self.expand_one(block, scope, &mut out);
            } else {
                out.push(block.clone());
            }
        }
        out
    }

    fn expand_one(&mut self, block: &Block, scope: &Scope<'_>, out: &mut Vec<Block>) {
        let Some((kind, kind_span)) = block.labels.first().cloned() else {
            let detail = "All dynamic blocks must have 1 labels (type).";
            self.flaws.push(Flaw::new(block.kind_span, "Missing type for dynamic", detail));
            return;
        };
        let names: Vec<(&str, &Value)> = block.scope.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let scope = scope.child(&names);
        let Some(head) = self.head(block, &kind) else { return };
        let Some(collection) = self.eval(&head.for_each, &scope) else { return };
        let items = match collection.into_pairs() {
            Ok(items) => items,
            Err(other) => {
                let detail =
                    format!("Cannot use a {} value in for_each. An iterable collection is required.", other.kind());
                self.flaws.push(Flaw::new(head.for_each.span, "Invalid dynamic for_each value", detail));
                return;
            }
        };
        if items.len() > MAX_BLOCKS {
            let detail = format!("It makes {} blocks; at most {MAX_BLOCKS} are allowed.", items.len());
            self.flaws.push(Flaw::new(head.for_each.span, "Invalid dynamic for_each value", detail));
            return;
        }
        for (key, value) in items {
            if !self.spend(1, head.for_each.span) {
                return;
            }
            let iterator = Value::Map([("key".to_owned(), key), ("value".to_owned(), value)].into());
            let inner = [(head.iterator.as_str(), &iterator)];
            let inner_scope = scope.child(&inner);
            let Some(labels) = self.labels(&head.labels, &inner_scope) else { return };
            let mut known = block.scope.clone();
            known.push((head.iterator.clone(), iterator));
            out.push(Block { kind: kind.clone(), kind_span, labels, body: head.content.body.clone(), scope: known });
        }
    }

    fn labels(&mut self, labels: &[Expr], scope: &Scope<'_>) -> Option<Vec<(String, Span)>> {
        let mut out = Vec::new();
        for label in labels {
            match self.eval(label, scope)?.to_text() {
                Ok(text) => out.push((text, label.span)),
                Err(why) => {
                    let detail = format!("Cannot use this value as a dynamic block label: {why}.");
                    self.flaws.push(Flaw::new(label.span, "Invalid dynamic block label", detail));
                    return None;
                }
            }
        }
        Some(out)
    }

    fn head(&mut self, block: &Block, kind: &str) -> Option<Head> {
        let body = self.dynamic_body(&block.body);
        let (mut for_each, mut iterator, mut labels, mut content) = (None, kind.to_owned(), Vec::new(), None);
        let before = self.flaws.len();
        for attribute in body.attributes {
            match (attribute.name.as_str(), &attribute.expr.kind) {
                ("for_each", _) => for_each = Some(attribute.expr),
                ("iterator", ExprKind::Variable(name) | ExprKind::Literal(Value::String(name))) => {
                    iterator = name.clone()
                }
                ("iterator", _) => self.flaws.push(Flaw::new(
                    attribute.expr.span,
                    "Invalid expression",
                    "A single static variable name is required.",
                )),
                ("labels", ExprKind::Tuple(items)) => labels = items.clone(),
                ("labels", _) => self.flaws.push(Flaw::new(
                    attribute.expr.span,
                    "Invalid expression",
                    "A static list expression is required.",
                )),
                (name, _) => self.flaws.push(Flaw::new(
                    attribute.name_span,
                    "Unsupported argument",
                    format!("An argument named {name:?} is not expected here."),
                )),
            }
        }
        for inner in body.blocks {
            match inner.kind.as_str() {
                "content" if content.is_none() => content = Some(inner),
                "content" => self.flaws.push(Flaw::new(
                    inner.kind_span,
                    "Extraneous dynamic content block",
                    "Only one nested content block is allowed for each dynamic block.",
                )),
                other => self.flaws.push(Flaw::new(
                    inner.kind_span,
                    "Unsupported block type",
                    format!("Blocks of type {other:?} are not expected here."),
                )),
            }
        }
        if self.flaws.len() > before {
            return None;
        }
        let Some(for_each) = for_each else {
            let detail = "The argument \"for_each\" is required, but no definition was found.";
            self.flaws.push(Flaw::new(block.kind_span, "Missing required argument", detail));
            return None;
        };
        let Some(content) = content else {
            let detail = "A dynamic block must have a nested block of type \"content\" to describe the body of each generated block.";
            self.flaws.push(Flaw::new(block.kind_span, "Missing dynamic content block", detail));
            return None;
        };
        Some(Head { for_each, iterator, labels, content })
    }

    fn dynamic_body(&mut self, node: &BodyNode) -> crate::syntax::ast::Body {
        match node {
            BodyNode::Native(body) => (**body).clone(),
            BodyNode::Json(json) => {
                let mut body = self.open_free(node);
                body.attributes.retain(|attribute| attribute.name != "content");
                if let Some(content) = json.get("content") {
                    body.blocks.push(Block {
                        kind: "content".to_owned(),
                        kind_span: content.span,
                        labels: Vec::new(),
                        body: BodyNode::Json(content.clone()),
                        scope: Vec::new(),
                    });
                }
                body
            }
        }
    }
}
