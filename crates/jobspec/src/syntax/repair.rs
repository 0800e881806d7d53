//! What the coarse scanner sees in a text before or instead of the parser: strings that a line break ends, objects that are
//! too large, pieces that can be blanked out to look for further errors.

use std::collections::HashMap;

use crate::diagnostic::{Flaw, Span};
use crate::syntax::scan::{Context, Event, context_at, floor, scan};

/// Quoted strings with a line break in them, which HCL forbids; what follows one can only be misread.
pub(crate) fn broken_strings(text: &str) -> Vec<Flaw> {
    let mut broken = Vec::new();
    scan(text, text.len(), &mut |event| {
        if let Event::Broken(start) = event {
            broken.push(start);
        }
    });
    broken.into_iter().map(|start| multi_line(Span::new(start, start + 1))).collect()
}

/// The object (not a body) at which more than `most` keys were compared, if each key is compared with those before it.
pub(crate) fn crowded_object(text: &str, most: u64) -> Option<usize> {
    let (mut keys, mut compared, mut crowded) = (HashMap::new(), 0u64, None);
    scan(text, text.len(), &mut |event| {
        if let Event::Key(start) = event {
            let before = keys.entry(start).or_insert(0u64);
            compared += *before;
            *before += 1;
            if compared > most && crowded.is_none() {
                crowded = Some(start);
            }
        }
    });
    crowded
}

pub(crate) fn multi_line(span: Span) -> Flaw {
    Flaw::new(
        span,
        "Invalid multi-line string",
        "Quoted strings may not be split over multiple lines. To produce a multi-line string, either use the \\n escape \
         to represent a newline character or use the \"heredoc\" multi-line template syntax.",
    )
    .help("is a closing quote missing on this line?")
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
