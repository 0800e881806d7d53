//! What is wrong with a file, where, and what to do: shared by the parser, the decoder and the validator.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

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
        Self { name: name.into(), text, line_starts }
    }

    /// Line and column, both from 1, of a byte offset; offsets past the end give the end.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let column = self.text.get(start..offset).map_or(offset - start, |text| text.chars().count());
        (line, column + 1)
    }

    pub(crate) fn diagnose(&self, flaw: Flaw) -> Diagnostic {
        let (line, column) = self.position(flaw.span.start);
        Diagnostic {
            severity: Severity::Error,
            summary: flaw.summary,
            detail: flaw.detail,
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

    /// The finding with its source line, as a terminal shows it.
    pub fn render(&self, source: &Source, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let title = level.primary_title(self.summary.as_str());
        let mut group = match self.span.filter(|_| source.name == self.file && self.line > 0) {
            Some(span) => {
                let end = span.end.clamp(span.start, source.text.len());
                let start = span.start.min(source.text.len());
                let snippet = Snippet::source(source.text.as_str())
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
        .map(|name| (distance(word, name), name))
        .filter(|(distance, name)| *distance <= (name.len().max(word.len()) / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to another.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0usize; to.len() + 1]; from.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[from.len()][to.len()]
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
