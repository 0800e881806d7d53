//! Inside `${…}` and `%{…}`.

use super::code::single_quotes;
use super::unclosed::unclosed;
use crate::diagnostic::{Flaw, Span};
use crate::syntax::scan::floor;

pub(super) fn in_sequence(
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

/// A directive that is none, or an interpolation that a comment swallows, such as the shell's `${#list[@]}`.
pub(super) fn wrong_sequence(text: &str, start: usize) -> Option<Flaw> {
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
