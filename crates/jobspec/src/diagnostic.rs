//! What is wrong with a file, where, and what to do: shared by the parser, the decoder and the validator.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// Most findings that are reported for one file.
pub(crate) const MAX_DIAGNOSTICS: usize = 1000;
/// Longest detail of a finding, in characters: what a file holds may stand in it.
const LONGEST_DETAIL: usize = 1000;
/// Most names that a misspelt one is compared with.
const MOST_NAMES: usize = 500;
/// Distance of the places where characters are counted beforehand.
const BYTES_PER_MARK: usize = 4096;

/// A range of bytes in one source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One finding. Lines and columns count from 1; a column is a character, not a byte. `line` 0 means "the whole file".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub summary: String,
    pub detail: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub span: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A source text with its name, for turning spans into lines and columns.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub text: String,
    line_starts: Vec<usize>,
    /// Characters before every [`BYTES_PER_MARK`]-th byte, so that long lines cost nothing.
    marks: Vec<usize>,
}

/// A finding inside an expression or block, before it is tied to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) span: Span,
    pub(crate) summary: String,
    pub(crate) detail: String,
    pub(crate) help: Option<String>,
}

impl Flaw {
    pub(crate) fn new(span: Span, summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { span, summary: summary.into(), detail: detail.into(), help: None }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut marks = Vec::new();
        let mut characters = 0;
        for chunk in text.as_bytes().chunks(BYTES_PER_MARK) {
            marks.push(characters);
            characters += count(chunk);
        }
        Self { name: name.into(), text, line_starts, marks }
    }

    /// Line and column, both from 1, of a byte offset; offsets past the end give the end.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let column = self.characters_before(offset) - self.characters_before(self.line_starts[line - 1]);
        (line, column + 1)
    }

    /// Where a line (from 1) begins, and its text without the line break.
    fn line(&self, line: usize) -> (usize, &str) {
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let rest = &self.text[start..];
        (start, rest.split('\n').next().unwrap_or(rest))
    }

    fn characters_before(&self, offset: usize) -> usize {
        let mark = offset / BYTES_PER_MARK;
        let counted = self.marks.get(mark).or(self.marks.last()).copied().unwrap_or(0);
        let from = if mark < self.marks.len() { mark } else { self.marks.len().saturating_sub(1) } * BYTES_PER_MARK;
        counted + count(&self.text.as_bytes()[from..offset])
    }

    pub(crate) fn diagnose(&self, flaw: Flaw) -> Diagnostic {
        let (line, column) = self.position(flaw.span.start);
        Diagnostic {
            severity: Severity::Error,
            summary: flaw.summary,
            detail: shortened(flaw.detail),
            file: self.name.clone(),
            line,
            column,
            span: Some(flaw.span),
            help: flaw.help,
        }
    }
}

impl Diagnostic {
    /// A finding about a file as a whole.
    pub fn whole_file(file: &str, summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            summary: summary.into(),
            detail: detail.into(),
            file: file.to_owned(),
            line: 0,
            column: 0,
            span: None,
            help: None,
        }
    }

    /// `file:line:column: summary; detail`, on one line.
    pub fn compact(&self) -> String {
        let mut text = self.file.clone();
        if self.line > 0 {
            text.push_str(&format!(":{}:{}", self.line, self.column));
        }
        text.push_str(": ");
        text.push_str(&self.message());
        if let Some(help) = &self.help {
            text.push_str(&format!(" ({help})"));
        }
        text
    }

    /// Summary and detail without the place.
    pub fn message(&self) -> String {
        match (self.summary.is_empty(), self.detail.is_empty()) {
            (_, true) => self.summary.clone(),
            (true, _) => self.detail.clone(),
            _ => format!("{}; {}", self.summary, self.detail),
        }
    }

    /// The finding with its source line (the first, if it spans several), as a terminal shows it.
    pub fn render(&self, source: &Source, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let title = level.primary_title(self.summary.as_str());
        let mut group = match self.span.filter(|_| source.name == self.file && self.line > 0) {
            Some(span) => {
                let (line_start, line) = source.line(self.line);
                let start = (span.start - line_start).min(line.len());
                let end = (span.end - line_start).clamp(start, line.len());
                let snippet = Snippet::source(line)
                    .line_start(self.line)
                    .path(self.file.as_str())
                    .annotation(AnnotationKind::Primary.span(start..end).label(self.detail.as_str()));
                title.element(snippet)
            }
            None => title.element(Level::NOTE.message(format!("{}: {}", self.file, self.detail))),
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group]).clone()
    }
}

/// Characters that begin in these bytes.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST_DETAIL) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// `Did you mean "x"?` when one of `known` is near enough to `word`.
pub(crate) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|name| format!("Did you mean {name:?}?"))
}

/// The known name nearest to `word`, if the distance is small for its length.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST_WORD: usize = 64;
    if word.len() > LONGEST_WORD {
        return None;
    }
    known
        .into_iter()
        .take(MOST_NAMES)
        .filter(|name| name.len() <= LONGEST_WORD)
        .map(|name| (strsim::osa_distance(word, name), name))
        .filter(|(distance, name)| *distance <= (name.len().max(word.len()) / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source::new("x", "a\né = 1\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(2), (2, 1));
        assert_eq!(source.position(4), (2, 2));
        assert_eq!(source.position(99), (3, 1));
        let long = format!("{}\n{}x", "é".repeat(3000), "é".repeat(5000));
        let source = Source::new("x", long.as_str());
        assert_eq!(source.position(long.len() - 1), (2, 5001));
        assert_eq!(source.position(long.len()), (2, 5002));
        assert_eq!(source.position(5998), (1, 3000));
        assert_eq!(Source::new("x", "").position(0), (1, 1));
        assert_eq!(Source::new("x", "a".repeat(8192)).position(8192), (1, 8193));
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["kill_timeout", "kill_signal", "driver"];
        assert_eq!(nearest("kil_timeout", known), Some("kill_timeout"));
        assert_eq!(nearest("dirver", known), Some("driver"));
        assert_eq!(nearest("container", known), None);
    }

    #[test]
    fn renders_the_line_without_colour() {
        let source = Source::new("web.nomad", "job \"a\" {\n  typo = 1\n}\n");
        let flaw = Flaw::new(Span::new(12, 16), "Unsupported argument", "not expected here").help("remove it");
        let diagnostic = source.diagnose(flaw);
        assert_eq!(diagnostic.compact(), "web.nomad:2:3: Unsupported argument; not expected here (remove it)");
        let text = diagnostic.render(&source, false);
        assert!(text.contains("typo = 1") && text.contains("web.nomad:2:3") && !text.contains('\u{1b}'), "{text}");
    }
}
