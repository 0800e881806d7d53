//! One view of native bodies and JSON objects: attributes and blocks, `dynamic` expanded.

use std::sync::Arc;

use super::Decoder;
use super::schema::{Inside, Schema, Times};
use crate::diagnostic::{Flaw, Span};
use crate::eval::Scope;
use crate::syntax::ast::{Attribute, Block, Body, BodyNode};
use crate::syntax::json::{JsonKind, JsonNode, Member};

impl Decoder<'_> {
    /// The body as the schema sees it.
    pub(super) fn open(&mut self, node: &BodyNode, schema: &'static Schema, at: Span, scope: &Scope<'_>) -> Body {
        let body = match node {
            BodyNode::Native(body) => {
                self.spend(body.attributes.len() + body.blocks.len(), at);
                Body::clone(body)
            }
            BodyNode::Json(node) => self.json_body(node, schema),
        };
        let blocks = self.expand(&body.blocks, scope);
        Body { attributes: body.attributes, blocks }
    }

    /// The body when no schema says which JSON keys are blocks: all are attributes.
    pub(super) fn open_free(&mut self, node: &BodyNode) -> Body {
        match node {
            BodyNode::Native(body) => Body::clone(body),
            BodyNode::Json(node) => {
                let attributes = self.members(node).iter().filter_map(|member| self.json_attribute(member)).collect();
                Body { attributes, blocks: Vec::new() }
            }
        }
    }

    fn members(&mut self, node: &Arc<JsonNode>) -> Vec<Member> {
        let members = match &node.kind {
            JsonKind::Object(members) => members.clone(),
            JsonKind::Array(items) => {
                items.iter().flat_map(|item| item.members().unwrap_or_default().to_vec()).collect()
            }
            _ => {
                self.flaws.push(Flaw::new(node.span, "Incorrect JSON value type", "A JSON object is required here."));
                Vec::new()
            }
        };
        members.into_iter().filter(|member| member.key != "//").collect()
    }

    fn json_attribute(&mut self, member: &Member) -> Option<Attribute> {
        match member.value.to_expr() {
            Ok(expr) => Some(Attribute { name: member.key.clone(), name_span: member.key_span, expr: Arc::new(expr) }),
            Err(flaws) => {
                self.flaws.extend(flaws);
                None
            }
        }
    }

    fn json_body(&mut self, node: &Arc<JsonNode>, schema: &'static Schema) -> Body {
        let mut body = Body::default();
        for member in self.members(node) {
            let rule = schema.block(&member.key);
            let labels = match rule {
                Some(rule) => usize::from(rule.label.is_some()),
                None if member.key == "dynamic" => 1,
                None => {
                    body.attributes.extend(self.json_attribute(&member));
                    continue;
                }
            };
            // `meta` and `env` as a JSON object are the block form.
            let merged = rule.is_some_and(|rule| rule.times == Times::Once && !matches!(rule.inside, Inside::Rules(_)));
            self.json_blocks(&member, &member.value, labels, &mut Vec::new(), merged, &mut body.blocks);
        }
        body
    }

    fn json_blocks(
        &mut self,
        member: &Member,
        value: &Arc<JsonNode>,
        labels_left: usize,
        labels: &mut Vec<(String, Span)>,
        merged: bool,
        out: &mut Vec<Block>,
    ) {
        match &value.kind {
            JsonKind::Null => {}
            JsonKind::Array(items) if labels_left > 0 || !merged => {
                for item in items {
                    self.json_blocks(member, item, labels_left, labels, merged, out);
                }
            }
            JsonKind::Object(members) if labels_left > 0 => {
                for inner in members.iter().filter(|inner| inner.key != "//") {
                    labels.push((inner.key.clone(), inner.key_span));
                    self.json_blocks(member, &inner.value, labels_left - 1, labels, merged, out);
                    labels.pop();
                }
            }
            JsonKind::Object(_) | JsonKind::Array(_) => out.push(Block {
                kind: member.key.clone(),
                kind_span: labels.last().map_or(member.key_span, |(_, span)| *span),
                labels: labels.clone(),
                body: BodyNode::Json(Arc::clone(value)),
                scope: Vec::new(),
            }),
            _ => self.flaws.push(Flaw::new(
                value.span,
                "Incorrect JSON value type",
                format!(
                    "Either a JSON object or JSON array of objects is required here, to define {:?} blocks.",
                    member.key
                ),
            )),
        }
    }
}
