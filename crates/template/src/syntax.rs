//! From text to tree: `gotmpl`'s parser, with what it leaves out.

use std::collections::BTreeMap;

use gotmpl::parse::{ListNode, Parser};

use crate::Delimiters;
use crate::error::{TemplateError, position};
use crate::limits::{MAX_DEPTH, MAX_TEMPLATE};

/// Bodies of one template: its own and those it defines.
type Bodies = (ListNode, BTreeMap<String, ListNode>);

/// Reads a template's text. Nothing is known about functions and variables here.
pub(crate) fn parse(name: &str, text: &str, delimiters: &Delimiters) -> Result<Bodies, TemplateError> {
    let fault = |line, column, message: String| TemplateError::Parse { name: name.to_owned(), line, column, message };
    if text.len() > MAX_TEMPLATE {
        return Err(fault(1, 1, format!("the template is longer than {MAX_TEMPLATE} bytes")));
    }
    let pick = |mark: &str, usual: &'static str| match mark {
        "" => usual.to_owned(),
        mark => mark.to_owned(),
    };
    let left = pick(&delimiters.left, "{{");
    let right = pick(&delimiters.right, "}}");
    balance(text, &left, &right).map_err(|(offset, message)| {
        let (line, column) = position(text, offset);
        fault(line, column, message)
    })?;
    // The parser indexes its tokens without a check in places; a text that ends in mid-action must be an error.
    let parsed = std::panic::catch_unwind(|| Parser::new(text, &left, &right)?.parse())
        .unwrap_or_else(|_| Err(gotmpl::TemplateError::Exec("unexpected end of the template".to_owned())));
    let (body, defines) = parsed.map_err(|error| match error {
        gotmpl::TemplateError::Parse { line, col, message, .. }
        | gotmpl::TemplateError::Lex { line, col, message, .. } => fault(line.max(1), col.max(1), message),
        other => fault(1, 1, other.to_string()),
    })?;
    let mut bodies: BTreeMap<String, ListNode> = BTreeMap::new();
    for define in defines {
        let known = bodies.get(define.name.as_str());
        if known.is_some_and(|known| !known.is_empty_tree()) {
            if define.body.is_empty_tree() {
                continue;
            }
            return Err(fault(define.pos.line, 1, format!("template {:?} is defined twice", define.name.as_str())));
        }
        bodies.insert(define.name.to_string(), define.body);
    }
    Ok((body, bodies))
}

/// The keyword that opens an action, as far as balance is concerned.
enum Keyword {
    Open(&'static str),
    Else { again: bool },
    End,
    Other,
}

/// Every block closed once, `else` only where it belongs, nesting (chains of `else if` included) bounded.
///
/// Returns the offset and the message of the first fault.
fn balance(text: &str, left: &str, right: &str) -> Result<(), (usize, String)> {
    let mut open: Vec<(&'static str, usize, bool)> = Vec::new();
    let mut chained = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(left) {
        let start = at + found;
        let inside = start + left.len();
        let (keyword, end) = action(text, inside, right);
        at = end;
        match keyword {
            Keyword::Open(name) => {
                open.push((name, start, false));
                chained.push(0);
            }
            Keyword::Else { again } => match open.last_mut() {
                Some((_, _, done @ false)) => {
                    *done = !again;
                    if let Some(count) = chained.last_mut() {
                        *count += usize::from(again);
                    }
                }
                _ => return Err((start, "unexpected else".to_owned())),
            },
            Keyword::End => {
                chained.pop();
                if open.pop().is_none() {
                    return Err((start, "unexpected end: no block is open here".to_owned()));
                }
            }
            Keyword::Other => {}
        }
        if open.len() + chained.iter().sum::<usize>() > MAX_DEPTH {
            return Err((start, format!("blocks are nested deeper than {MAX_DEPTH} levels")));
        }
    }
    match open.pop() {
        Some((name, start, _)) => Err((start, format!("{name} without its end"))),
        None => Ok(()),
    }
}

/// The keyword of the action that begins at `inside`, and where to look on.
fn action(text: &str, inside: usize, right: &str) -> (Keyword, usize) {
    let mut body = &text[inside..];
    if let Some(rest) = body.strip_prefix('-')
        && rest.starts_with([' ', '\t', '\r', '\n'])
    {
        body = rest;
    }
    let body = body.trim_start_matches([' ', '\t', '\r', '\n']);
    let begin = text.len() - body.len();
    if body.starts_with("/*") {
        let end = body.find("*/").map_or(text.len(), |at| begin + at + 2);
        return (Keyword::Other, end);
    }
    let word = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        text[..end].to_owned()
    };
    let first = word(body);
    let keyword = match first.as_str() {
        "if" => Keyword::Open("if"),
        "with" => Keyword::Open("with"),
        "range" => Keyword::Open("range"),
        "define" => Keyword::Open("define"),
        "block" => Keyword::Open("block"),
        "end" => Keyword::End,
        "else" => {
            let next = word(body[first.len()..].trim_start_matches([' ', '\t', '\r', '\n']));
            Keyword::Else { again: next == "if" || next == "with" }
        }
        _ => Keyword::Other,
    };
    (keyword, skip_action(text, begin, right))
}

/// Where the action's closing mark ends; quotes may hide one.
fn skip_action(text: &str, begin: usize, right: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text[begin..].char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(mark) if c == '\\' && mark != '`' => escaped = true,
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if text[begin + at..].starts_with(right) => return begin + at + right.len(),
            None if matches!(c, '"' | '`' | '\'') => quote = Some(c),
            None => {}
        }
    }
    text.len()
}
