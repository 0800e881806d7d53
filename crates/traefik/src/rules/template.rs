//! v2's `{name:expression}` templates as regular expressions.

use baton_routing::rule::Pattern;

use super::{RuleError, syntax::Argument};

/// Where a template matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    Start,
}

/// Whether a text holds `{name}` or `{name:expression}` (and not just a repetition such as `{2,3}`).
pub(super) fn is_template(text: &str) -> bool {
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let escaped = rest[..open].ends_with('\\') || rest[..open].ends_with("\\p") || rest[..open].ends_with("\\x");
        rest = &rest[open + 1..];
        let name = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
        let starts = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !escaped && starts && rest[name..].starts_with([':', '}']) {
            return true;
        }
    }
    false
}

/// The expression for a template; literal text is escaped, `{name}` without an expression is `bare`.
pub(super) fn pattern(argument: &Argument, bare: &str, extent: Extent) -> Result<Pattern, RuleError> {
    let text = &argument.text;
    let mut expression = String::from("^");
    let mut rest = text.as_str();
    while let Some(open) = rest.find('{') {
        expression.push_str(&regex::escape(&rest[..open]));
        let inner = &rest[open + 1..];
        let close = closing(inner).ok_or_else(|| {
            let at = argument.offset + text.len() - rest.len() + open;
            RuleError::new(at, format!("the {{ in {text:?} is never closed"))
        })?;
        let group = match inner[..close].split_once(':') {
            Some((_, group)) => group,
            None => bare,
        };
        expression.push_str("(?:");
        expression.push_str(group);
        expression.push(')');
        rest = &inner[close + 1..];
    }
    expression.push_str(&regex::escape(rest));
    if extent == Extent::Whole {
        expression.push('$');
    }
    Pattern::new(&expression).map_err(|reason| RuleError::new(argument.offset, format!("template {text:?}: {reason}")))
}

/// Offset of the brace that closes the one before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}
