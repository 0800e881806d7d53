//! What the parser says in its own words, said in HCL's: the summary a reader of Nomad's errors knows, at the exact place.

mod code;
mod sequence;
mod unclosed;

use code::in_code;
use hcl_edit::parser::Error;
use sequence::{in_sequence, wrong_sequence};
use unclosed::{open_heredoc, unclosed, unclosed_comment, unterminated};

use crate::diagnostic::{Flaw, Span};
use crate::syntax::scan::{Context, Event, context_at, floor, scan};

/// Names the error in HCL's words.
pub(crate) fn explain(text: &str, error: &Error) -> Flaw {
    explain_at(text, error.message(), error.location().offset().min(text.len()))
}

/// The same for the text of a template without quotes.
pub(crate) fn explain_template(text: &str, error: &Error) -> Flaw {
    let (whole, start) = as_heredoc(text);
    explain_at(&whole, error.message(), start + error.location().offset().min(text.len()))
}

/// A template without quotes as a file that the scanner understands, and where the template begins in it.
pub(crate) fn as_heredoc(text: &str) -> (String, usize) {
    const MARKER: &str = "END_OF_THE_TEMPLATE";
    let head = format!("x = <<{MARKER}\n");
    (format!("{head}{text}\n{MARKER}\n"), head.len())
}

fn explain_at(text: &str, message: &str, offset: usize) -> Flaw {
    // The parser reports a missing character at the end of the input one byte early.
    let offset = if offset + 1 == text.len() && text.ends_with('\n') { text.len() } else { offset };
    if let Some(flaw) = behind(text, offset) {
        return flaw;
    }
    let context = context_at(text, offset);
    let rest = &text[floor(text, offset)..];
    let next = rest.chars().next();
    let here = Span::new(offset, offset + next.filter(|c| *c != '\n').map_or(0, char::len_utf8));

    if message.starts_with("invalid escape sequence") || message.starts_with("invalid unicode") {
        let backslash = text[..floor(text, (offset + 2).min(text.len()))].rfind('\\').unwrap_or(offset);
        let symbol = text[backslash..].chars().nth(1).unwrap_or(' ');
        let detail = if message.starts_with("invalid unicode") {
            format!(
                "The \\{symbol} escape sequence must be followed by {} hexadecimal digits.",
                if symbol == 'u' { 4 } else { 8 }
            )
        } else {
            format!("The symbol {:?} is not a valid escape sequence selector.", symbol.to_string())
        };
        let help = format!("write two backslashes for a literal one: \"\\\\{symbol}\"");
        return Flaw::new(Span::new(backslash, backslash + 1 + symbol.len_utf8()), "Invalid escape sequence", detail)
            .help(help);
    }
    if message.starts_with("invalid nesting depth") {
        return Flaw::new(here, "Nesting too deep", "Blocks and expressions may be nested at most 64 levels deep.");
    }
    if message.starts_with("invalid binary operation") {
        return Flaw::new(here, "Expression too long", "At most 128 operators may be chained in one expression.");
    }
    if message.contains("found redefined attribute") {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect();
        let detail = format!("The argument {name:?} was already set. Each argument may be set only once.");
        return Flaw::new(Span::new(offset, offset + name.len()), "Attribute redefined", detail);
    }
    if message.contains("found redefined object key") {
        return Flaw::new(here, "Duplicate object key", "This key was already set in the same object.");
    }
    match context {
        Context::Sequence { start, open } => in_sequence(text, offset, start, open, here, next, message),
        Context::Quoted { start } if rest.is_empty() => unterminated(start),
        Context::Quoted { start } => at_string(text, start, message),
        Context::Heredoc { start, marker } => open_heredoc(text, start, &marker),
        Context::Comment { start } => unclosed_comment(start),
        Context::Code { open, body } => in_code(text, offset, open, body, here, next, message),
    }
}

/// A whole string that is not expected there.
fn at_string(text: &str, start: usize, message: &str) -> Flaw {
    let here = Span::new(start, start + 1);
    match context_at(text, start) {
        Context::Code { open, body } => in_code(text, start, open, body, here, Some('"'), message),
        Context::Sequence { start: sequence, open } => {
            in_sequence(text, start, sequence, open, here, Some('"'), message)
        }
        _ => Flaw::new(here, "Invalid string literal", "This string cannot be read."),
    }
}

/// Some errors inside a value are reported at the argument's name or at the start of a heredoc: the cause is looked for
/// behind it.
fn behind(text: &str, offset: usize) -> Option<Flaw> {
    let line_start = text[..floor(text, offset)].rfind('\n').map_or(0, |at| at + 1);
    let rest = &text[floor(text, offset)..];
    let heredoc = match context_at(text, offset) {
        Context::Code { .. } if rest.starts_with("/*") && !rest.contains("*/") => {
            return Some(unclosed_comment(offset));
        }
        Context::Code { .. }
            if text[line_start..floor(text, offset)].trim().is_empty()
                && rest.starts_with(|c: char| c.is_alphabetic() || c == '_') =>
        {
            None
        }
        Context::Heredoc { start, .. } => Some(start),
        _ => return None,
    };
    let from = heredoc.unwrap_or(offset);
    let (mut wrong, mut first) = (None::<Flaw>, None);
    let end = scan(text, text.len(), &mut |event| {
        if let Event::Sequence(start) = event
            && start >= from
        {
            if text[start..].starts_with('%') {
                first = first.or(Some(start));
            }
            if wrong.is_none() {
                wrong = wrong_sequence(text, start);
            }
        }
    });
    if wrong.is_some() {
        return wrong;
    }
    let end_of_text = Span::new(text.len(), text.len());
    match (end, first) {
        (Context::Heredoc { start, marker }, _) if start >= from => Some(open_heredoc(text, start, &marker)),
        (_, Some(start)) if heredoc.is_some() => Some(Flaw::new(
            Span::new(start, start + 2),
            "Unclosed template directive",
            "Each if needs one endif and each for one endfor, in the same string.",
        )),
        (Context::Code { open: Some((bracket, at)), body: false }, _) if at >= from => {
            Some(unclosed(bracket, at, end_of_text, None, text))
        }
        (Context::Sequence { start, .. }, _) if start >= from => {
            Some(in_sequence(text, text.len(), start, None, end_of_text, None, ""))
        }
        _ => None,
    }
}
