//! What is opened and never closed.

use super::code::single_quotes;
use crate::diagnostic::{Flaw, Span};
use crate::syntax::scan::floor;

/// Inside a list, an object or a call.
pub(super) fn unclosed(bracket: char, at: usize, here: Span, next: Option<char>, text: &str) -> Flaw {
    let start = Span::new(at, at + 1);
    match (bracket, next) {
        ('[', None) => Flaw::new(
            start,
            "Unterminated tuple constructor expression",
            "There is no corresponding closing bracket before the end of the file.",
        ),
        ('{', None) => Flaw::new(
            start,
            "Unterminated object constructor expression",
            "There is no corresponding closing brace before the end of the file.",
        ),
        (_, None) => Flaw::new(
            start,
            "Unbalanced parentheses",
            "There is no corresponding closing parenthesis before the end of the file.",
        ),
        (_, Some('\'')) => single_quotes(here),
        ('[', _) => {
            Flaw::new(here, "Missing item separator", "Expected a comma to mark the beginning of the next item.")
        }
        ('{', _) => {
            let line_start = text[..floor(text, here.start)].rfind('\n').map_or(at + 1, |newline| newline.max(at) + 1);
            let before = &text[line_start.min(here.start)..floor(text, here.start)];
            if before.contains('=') || before.contains(':') {
                Flaw::new(
                    here,
                    "Missing attribute separator",
                    "Expected a newline or comma to mark the beginning of the next attribute.",
                )
            } else {
                let back = text[..floor(text, here.start)].chars().next_back().filter(|c| !c.is_whitespace());
                let start = here.start - back.map_or(0, char::len_utf8);
                let flaw = Flaw::new(
                    Span::new(start, here.start.max(start + 1)),
                    "Missing key/value separator",
                    "Expected an equals sign (\"=\") to mark the beginning of the attribute value.",
                );
                let outside = text[..at].lines().next_back().unwrap_or_default().trim();
                match outside.strip_suffix('=').map(str::trim) {
                    Some(name) => flaw.help(format!("if {name} is a block, write it without \"=\": {name} {{ … }}")),
                    None => flaw,
                }
            }
        }
        _ => Flaw::new(
            here,
            "Missing argument separator",
            "A comma is required to separate each function argument from the next.",
        ),
    }
}

pub(super) fn unclosed_comment(start: usize) -> Flaw {
    Flaw::new(Span::new(start, start + 2), "Unterminated comment", "The comment is not closed by \"*/\".")
}

pub(super) fn unterminated(start: usize) -> Flaw {
    let detail = "No closing marker was found for the string.";
    Flaw::new(Span::new(start, start + 1), "Unterminated template string", detail)
}

pub(super) fn open_heredoc(text: &str, start: usize, marker: &str) -> Flaw {
    let here = Span::new(start, start + 2);
    if text[start + 2..].trim_start_matches('-').starts_with([' ', '\t']) {
        let detail = "The marker of a heredoc stands directly behind << or <<-, without a space.";
        return Flaw::new(here, "Invalid expression", detail);
    }
    let detail = format!("No closing marker was found for the string: a line with {marker} alone is missing.");
    Flaw::new(here, "Unterminated template string", detail)
}
