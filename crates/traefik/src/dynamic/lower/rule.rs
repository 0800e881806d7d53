//! Rules of routers, in the vocabulary that is theirs.

use baton_routing::{Kind, problem};

use super::Reader;
use crate::{
    document::{Entry, Node, Value},
    finding::Mark,
    rules::{RuleError, Syntax},
};

impl Reader<'_> {
    pub(super) fn syntax_of(&mut self, kind: Kind, name: &str, entry: &Entry, path: &str, text: &str) -> Syntax {
        match Syntax::parse(text) {
            Some(syntax) => syntax,
            None if text.is_empty() => self.syntax,
            None => {
                let message = format!("ruleSyntax {text:?} is neither v2 nor v3, the default is used");
                self.problem(kind, name, problem::Severity::Warning, &message);
                self.warn(&entry.at, path, message);
                self.syntax
            }
        }
    }

    pub(super) fn rule_error(
        &mut self,
        kind: Kind,
        name: &str,
        entry: &Entry,
        path: &str,
        rule: &str,
        error: RuleError,
    ) {
        let message = format!("error while parsing rule {rule}: {}", error.message);
        self.problem(kind, name, problem::Severity::Disabled, &message);
        let node = entry.value.get("rule").map(|e| &e.value);
        let at = node.map_or_else(|| entry.at.clone(), |node| inside(node, rule, error.offset));
        self.error(&at, &format!("{path}.rule"), error.message, error.suggestion);
    }
}

/// The place of a byte inside a value that stands on one line.
fn inside(node: &Node, text: &str, offset: usize) -> Mark {
    let mut at = node.at.clone();
    if let Value::Scalar { plain, .. } = &node.value
        && !text.contains('\n')
        && at.line > 0
    {
        let before = text.get(..offset).map_or(0, |t| t.chars().count()) as u32;
        at.column += before + u32::from(!plain);
    }
    at
}
