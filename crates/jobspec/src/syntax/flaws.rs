//! What the parser says in its own words, said in HCL's: the summary a reader of Nomad's errors knows, at the exact place.

use hcl_edit::parser::Error;

use crate::diagnostic::{Flaw, Span};

/// What surrounds a byte of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Context {
    /// Attributes and blocks, or an expression outside any template; the start of the innermost open brace or bracket.
    Code {
        open: Option<(char, usize)>,
        body: bool,
    },
    Quoted {
        start: usize,
    },
    Heredoc {
        start: usize,
        marker: String,
        indented: bool,
    },
    /// Between `${` or `%{` (at `start`) and its `}`.
    Sequence {
        start: usize,
        open: Option<(char, usize)>,
    },
    Comment {
        start: usize,
    },
}

/// Names the error in HCL's words.
pub(crate) fn explain(text: &str, error: &Error) -> Flaw {
    let message = error.message();
    let offset = error.location().offset().min(text.len());
    // The parser reports a missing character at the end of the input one byte early.
    let offset = if offset + 1 == text.len() && text.ends_with('\n') { text.len() } else { offset };
    let context = context_at(text, offset);
    let rest = &text[floor(text, offset)..];
    let next = rest.chars().next();
    let here = Span::new(offset, offset + next.map_or(0, char::len_utf8));

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
        Context::Sequence { start, open } => in_sequence(text, offset, start, open, here, next),
        Context::Quoted { start } => Flaw::new(
            Span::new(start, start + 1),
            if rest.is_empty() { "Unterminated template string" } else { "Invalid string literal" },
            "No closing marker was found for the string.",
        ),
        Context::Heredoc { start, marker, .. } => {
            let detail = format!("No closing marker was found for the string: a line with {marker} alone is missing.");
            Flaw::new(Span::new(start, start + 2), "Unterminated template string", detail)
        }
        Context::Comment { start } => {
            Flaw::new(Span::new(start, start + 2), "Unterminated comment", "The comment is not closed by \"*/\".")
        }
        Context::Code { open, body } => in_code(text, offset, open, body, here, next, message),
    }
}

fn in_sequence(
    text: &str,
    offset: usize,
    start: usize,
    open: Option<(char, usize)>,
    here: Span,
    next: Option<char>,
) -> Flaw {
    let escape = "If this is an embedded sequence for another language, escape it by starting with";
    let directive = text[start..].starts_with('%');
    let inside = text[(start + 2).min(text.len())..floor(text, offset.max(start + 2))].trim().trim_start_matches('~');
    let doubled = if directive { "%%{" } else { "$${" };
    let help = format!("write {doubled} for a literal {}", &doubled[1..]);
    if directive {
        return Flaw::new(
            Span::new(start, start + 2),
            "Invalid template directive",
            format!("A template directive must be one of if, else, endif, for, endfor. {escape} \"%%{{\" instead of just \"%{{\"."),
        )
        .help(help);
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
        _ if inside.is_empty() => Flaw::new(
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
    if let Some((_, at)) = open
        && at >= line_start
        && message.contains("block body")
    {
        return Flaw::new(
            here,
            "Invalid single-argument block definition",
            "A single-line block definition must end with a closing brace immediately after its single argument definition.",
        );
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
                Flaw::new(
                    here,
                    "Missing key/value separator",
                    "Expected an equals sign (\"=\") to mark the beginning of the attribute value.",
                )
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

/// The text with the smallest safe piece around `span` blanked, or nothing if braces could get out of balance.
pub(crate) fn blank_out(text: &str, span: Span) -> Option<String> {
    let line_end = text[floor(text, span.start)..].find('\n').map_or(text.len(), |at| span.start + at);
    let range = match context_at(text, span.start) {
        Context::Sequence { start, open: None } => {
            let end = text[start..line_end].find('}')? + start + 1;
            start..end
        }
        Context::Quoted { .. } if text[span.start..].starts_with('\\') => span.start..span.end,
        Context::Code { .. } => {
            let line_start = text[..floor(text, span.start)].rfind('\n').map_or(0, |at| at + 1);
            let line = &text[line_start..line_end];
            let balanced = line.matches(['{', '[', '(']).count() == line.matches(['}', ']', ')']).count()
                && line.matches('"').count().is_multiple_of(2)
                && !line.contains("<<");
            if !balanced {
                return None;
            }
            line_start..line_end
        }
        _ => return None,
    };
    let mut repaired = String::with_capacity(text.len());
    repaired.push_str(text.get(..range.start)?);
    repaired.extend(text.get(range.clone())?.bytes().map(|_| ' '));
    repaired.push_str(text.get(range.end..)?);
    Some(repaired)
}

/// Scans the text up to `offset` and says what is open there.
fn context_at(text: &str, offset: usize) -> Context {
    let bytes = text.as_bytes();
    let mut stack = vec![Context::Code { open: None, body: true }];
    let mut brackets: Vec<(char, usize, bool)> = Vec::new();
    let mut depth_at_sequence: Vec<usize> = Vec::new();
    let mut last_code = b'\n';
    let mut i = 0;
    while i < offset.min(bytes.len()) {
        let rest = &bytes[i..];
        match stack.last() {
            Some(Context::Quoted { .. }) => match rest[0] {
                b'\\' => i += 1,
                b'"' => {
                    stack.pop();
                    last_code = b'"';
                }
                b'\n' => {
                    stack.pop();
                }
                b'$' | b'%' if rest.get(1) == Some(&rest[0]) && rest.get(2) == Some(&b'{') => i += 2,
                b'$' | b'%' if rest.get(1) == Some(&b'{') => {
                    stack.push(Context::Sequence { start: i, open: None });
                    depth_at_sequence.push(brackets.len());
                    i += 1;
                }
                _ => {}
            },
            Some(Context::Heredoc { marker, .. }) => {
                let at_line_start = i == 0 || bytes[i - 1] == b'\n';
                if at_line_start {
                    let line = text[i..].lines().next().unwrap_or_default();
                    if line.trim() == marker {
                        i += line.len();
                        stack.pop();
                        last_code = b'E';
                        continue;
                    }
                }
                match rest[0] {
                    b'$' | b'%' if rest.get(1) == Some(&rest[0]) && rest.get(2) == Some(&b'{') => i += 2,
                    b'$' | b'%' if rest.get(1) == Some(&b'{') => {
                        stack.push(Context::Sequence { start: i, open: None });
                        depth_at_sequence.push(brackets.len());
                        i += 1;
                    }
                    _ => {}
                }
            }
            Some(Context::Comment { .. }) => {
                if rest.starts_with(b"*/") {
                    stack.pop();
                    i += 1;
                }
            }
            _ => match rest[0] {
                b'#' => i += line_length(rest),
                b'/' if rest.get(1) == Some(&b'/') => i += line_length(rest),
                b'/' if rest.get(1) == Some(&b'*') => {
                    stack.push(Context::Comment { start: i });
                    i += 1;
                }
                b'"' => stack.push(Context::Quoted { start: i }),
                b'<' if rest.starts_with(b"<<") => {
                    let indented = rest.get(2) == Some(&b'-');
                    let from = i + if indented { 3 } else { 2 };
                    let marker: String =
                        text.get(from..).unwrap_or_default().lines().next().unwrap_or_default().trim().to_owned();
                    if !marker.is_empty() && marker.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
                        let start = i;
                        i += line_length(rest);
                        stack.push(Context::Heredoc { start, marker, indented });
                    }
                }
                bracket @ (b'{' | b'[' | b'(') => {
                    let body = bracket == b'{' && !matches!(last_code, b'=' | b'[' | b'(' | b',' | b':' | b'?' | b'>');
                    let body = body && brackets.last().is_none_or(|(_, _, body)| *body) && depth_at_sequence.is_empty();
                    brackets.push((bracket as char, i, body));
                    last_code = bracket;
                }
                b'}' if matches!(stack.last(), Some(Context::Sequence { .. }))
                    && depth_at_sequence.last() == Some(&brackets.len()) =>
                {
                    depth_at_sequence.pop();
                    stack.pop();
                }
                bracket @ (b'}' | b']' | b')') => {
                    if brackets.len() > depth_at_sequence.last().copied().unwrap_or(0) {
                        brackets.pop();
                    }
                    last_code = bracket;
                }
                byte if !byte.is_ascii_whitespace() => last_code = byte,
                _ => {}
            },
        }
        i += 1;
    }
    let inner = brackets.get(depth_at_sequence.last().copied().unwrap_or(0)..).and_then(|open| open.last());
    match stack.pop() {
        Some(Context::Code { .. }) | None => Context::Code {
            open: inner.map(|(bracket, at, _)| (*bracket, *at)),
            body: inner.is_none_or(|(_, _, body)| *body),
        },
        Some(Context::Sequence { start, .. }) => {
            Context::Sequence { start, open: inner.map(|(bracket, at, _)| (*bracket, *at)) }
        }
        Some(other) => other,
    }
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn floor(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset)
}
