//! How large a regular expression is, before anything compiles it.

use baton_model::regexp;
use regex_syntax::hir::{Hir, HirKind};

/// Most states that a pattern may have, roughly.
pub(crate) const MAX_STATES: u64 = 200_000;

/// The pattern for the `regex` crate, and the states that it needs, roughly; repetitions count as often as they may repeat.
///
/// # Errors
/// What is wrong with the pattern, or that it is too large, in a few words.
pub(crate) fn read(pattern: &str) -> Result<(String, u64), String> {
    let pattern = regexp::from_go(pattern)?;
    let hir = regex_syntax::parse(&pattern).map_err(|why| {
        let why = why.to_string();
        why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })?;
    match size(&hir) {
        states if states > MAX_STATES => Err(format!("it is too large: about {states} states, at most {MAX_STATES}")),
        states => Ok((pattern, states)),
    }
}

fn size(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Class(class) => match class {
            regex_syntax::hir::Class::Unicode(class) => class.ranges().len() as u64,
            regex_syntax::hir::Class::Bytes(class) => class.ranges().len() as u64,
        },
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            size(&repetition.sub).saturating_mul(times.into())
        }
        HirKind::Capture(capture) => 1 + size(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(size).fold(1, |sum, part| sum.saturating_add(part))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(pattern: &str) -> Result<u64, String> {
        read(pattern).map(|(_, states)| states)
    }

    #[test]
    fn repetitions_multiply() {
        assert!(states("^web-[0-9]+$").unwrap() < 20);
        assert!(states("(a{100}){90}").unwrap() > 9_000);
        assert!(states("\\w{1,63}(\\.\\w{1,63})?").is_ok());
        assert!(states("((a{100}){100}){100}").unwrap_err().starts_with("it is too large"));
        assert_eq!(states("a(").unwrap_err(), "unclosed group");
    }
}
