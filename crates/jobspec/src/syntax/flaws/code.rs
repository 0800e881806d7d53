//! Outside of strings: arguments, blocks, objects.

use super::unclosed::unclosed;
use crate::diagnostic::{Flaw, Span};
use crate::syntax::scan::floor;

pub(super) fn in_code(
    text: &str,
    offset: usize,
    open: Option<(char, usize)>,
    body: bool,
    here: Span,
    next: Option<char>,
    message: &str,
) -> Flaw {
    if next == Some('\'') {
        return single_quotes(here);
    }
    if let (Some((bracket, at)), false) = (open, body) {
        return unclosed(bracket, at, here, next, text);
    }
    let line_start = text[..floor(text, offset)].rfind('\n').map_or(0, |at| at + 1);
    let before = text[line_start..floor(text, offset)].trim();
    if let Some(flaw) = template_label(text, offset, before) {
        return flaw;
    }
    if message.starts_with("invalid expression") {
        return Flaw::new(
            here,
            "Invalid expression",
            "Expected the start of an expression, but found an invalid expression token.",
        );
    }
    if let (None, Some((_, at))) = (next, open) {
        return Flaw::new(
            Span::new(at, at + 1),
            "Unclosed configuration block",
            "There is no closing brace for this block before the end of the file. This may be caused by incorrect brace \
             nesting elsewhere in this file.",
        );
    }
    if let Some((_, at)) = open
        && at >= line_start
    {
        return Flaw::new(
            here,
            "Invalid single-argument block definition",
            "A single-line block definition must end with a closing brace immediately after its single argument definition.",
        );
    }
    if before.is_empty() {
        return match next {
            Some('"') => Flaw::new(here, "Invalid argument name", "Argument names must not be quoted."),
            Some('}') => Flaw::new(
                here,
                "Argument or block definition required",
                "This closing brace has no matching opening brace.",
            ),
            _ => Flaw::new(
                here,
                "Argument or block definition required",
                "An argument or block definition is required here.",
            ),
        };
    }
    if message.starts_with("invalid structure") {
        return match next {
            Some('\n' | '\r') | None => Flaw::new(
                here,
                "Invalid block definition",
                "A block definition must have block content delimited by \"{\" and \"}\", starting on the same line as \
                 the block header.",
            ),
            Some(':') => Flaw::new(
                here,
                "Argument or block definition required",
                "An argument or block definition is required here. To set an argument, use the equals sign \"=\" to \
                 introduce the argument value.",
            ),
            Some(_) => Flaw::new(
                here,
                "Invalid block definition",
                "Either a quoted string block label or an opening brace (\"{\") is expected here.",
            ),
        };
    }
    if before.ends_with('}') {
        return Flaw::new(
            here,
            "Missing newline after block definition",
            "A block definition must end with a newline.",
        );
    }
    if before.contains('=') {
        return Flaw::new(here, "Missing newline after argument", "An argument definition must end with a newline.");
    }
    if before.contains('"') {
        return Flaw::new(
            here,
            "Invalid block definition",
            "Either a quoted string block label or an opening brace (\"{\") is expected here.",
        );
    }
    Flaw::new(here, "Invalid syntax", sentence(message))
}

/// The label of a block is a fixed text.
fn template_label(text: &str, offset: usize, before: &str) -> Option<Flaw> {
    let label = text[floor(text, offset)..].strip_prefix('"')?.lines().next()?.split('"').next()?;
    if before.is_empty() || before.contains('=') || !(label.contains("${") || label.contains("%{")) {
        return None;
    }
    let span = Span::new(offset, offset + label.len() + 2);
    let detail = "Template sequences are not allowed in this string. To include a literal \"$\", double it (as \"$$\") \
                  to escape it.";
    let help = "labels are fixed texts; a dynamic block with labels = […] makes blocks with computed ones";
    Some(Flaw::new(span, "Invalid string literal", detail).help(help))
}

pub(super) fn single_quotes(here: Span) -> Flaw {
    Flaw::new(here, "Invalid character", "Single quotes are not valid. Use double quotes (\") to enclose strings.")
}

fn sentence(message: &str) -> String {
    let mut text = message.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}
