//! What the parser says in its own words, said in HCL's: the summary a reader of Nomad's errors knows, at the exact place.

use hcl_edit::parser::Error;

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

fn unclosed_comment(start: usize) -> Flaw {
    Flaw::new(Span::new(start, start + 2), "Unterminated comment", "The comment is not closed by \"*/\".")
}

/// A directive that is none, or an interpolation that a comment swallows, such as the shell's `${#list[@]}`.
fn wrong_sequence(text: &str, start: usize) -> Option<Flaw> {
    let inside = &text[start + 2..];
    let inside = inside.strip_prefix('~').unwrap_or(inside).trim_start();
    if text[start..].starts_with('$') {
        let commented = ["#", "//"].iter().any(|comment| inside.starts_with(comment));
        return commented
            .then(|| in_sequence(text, start + 2, start, None, Span::new(start, start + 2), Some('#'), ""));
    }
    let word: String = inside.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect();
    (!matches!(word.as_str(), "if" | "else" | "endif" | "for" | "endfor")).then(|| wrong_directive(start))
}

fn wrong_directive(start: usize) -> Flaw {
    Flaw::new(
        Span::new(start, start + 2),
        "Invalid template directive",
        "A template directive must be one of if, else, endif, for, endfor. If this is an embedded sequence for another \
         language, escape it by starting with \"%%{\" instead of just \"%{\".",
    )
    .help("write %%{ for a literal %{")
}

fn unterminated(start: usize) -> Flaw {
    let detail = "No closing marker was found for the string.";
    Flaw::new(Span::new(start, start + 1), "Unterminated template string", detail)
}

fn open_heredoc(text: &str, start: usize, marker: &str) -> Flaw {
    let here = Span::new(start, start + 2);
    if text[start + 2..].trim_start_matches('-').starts_with([' ', '\t']) {
        let detail = "The marker of a heredoc stands directly behind << or <<-, without a space.";
        return Flaw::new(here, "Invalid expression", detail);
    }
    let detail = format!("No closing marker was found for the string: a line with {marker} alone is missing.");
    Flaw::new(here, "Unterminated template string", detail)
}

fn in_sequence(
    text: &str,
    offset: usize,
    start: usize,
    open: Option<(char, usize)>,
    here: Span,
    next: Option<char>,
    message: &str,
) -> Flaw {
    let escape = "If this is an embedded sequence for another language, escape it by starting with";
    let directive = text[start..].starts_with('%');
    let inside = text[(start + 2).min(text.len())..floor(text, offset.max(start + 2))].trim().trim_start_matches('~');
    let help = "write $${ for a literal ${";
    if directive {
        return wrong_directive(start);
    }
    if let Some((bracket, at)) = open {
        return unclosed(bracket, at, here, next, text);
    }
    match next {
        None => Flaw::new(
            Span::new(start, start + 2),
            "Unclosed template interpolation sequence",
            "There is no closing brace for this interpolation sequence before the end of the file.",
        ),
        Some('\'') => single_quotes(here),
        _ if inside.is_empty() || message.starts_with("invalid expression") => Flaw::new(
            here,
            "Invalid expression",
            format!("Expected the start of an expression, but found an invalid expression token. {escape} \"$${{\" instead of just \"${{\"."),
        )
        .help(help),
        Some(':') => Flaw::new(
            here,
            "Extra characters after interpolation expression",
            format!("Template interpolation doesn't expect a colon at this location. {escape} \"$${{\" instead of just \"${{\"."),
        )
        .help(help),
        Some(_) => Flaw::new(
            here,
            "Extra characters after interpolation expression",
            format!("Expected a closing brace to end the interpolation expression, but found extra characters. {escape} \"$${{\" instead of just \"${{\"."),
        )
        .help(help),
    }
}

fn in_code(
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

/// Inside a list, an object or a call.
fn unclosed(bracket: char, at: usize, here: Span, next: Option<char>, text: &str) -> Flaw {
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

fn single_quotes(here: Span) -> Flaw {
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
