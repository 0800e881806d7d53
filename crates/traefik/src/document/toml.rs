//! TOML.

use toml::de::{DeTable, DeValue};

use super::{
    Entry, Node, Value,
    number::{self, shortest},
};
use crate::finding::{Finding, Mark, Severity};

pub(super) fn parse(file: &str, text: &str) -> Result<Node, Finding> {
    let lines = Lines::new(text);
    match DeTable::parse(text) {
        Ok(table) => Ok(Node { value: map(table.into_inner(), &lines), at: lines.mark(0) }),
        Err(error) => {
            let at = lines.mark(error.span().map_or(0, |span| span.start));
            Err(Finding::new(Severity::Fatal, file, &at, "", format!("not valid TOML: {}", error.message())))
        }
    }
}

fn map(table: DeTable<'_>, lines: &Lines<'_>) -> Value {
    let mut entries: Vec<(usize, Entry)> = table
        .into_iter()
        .map(|(key, value)| {
            let at = key.span().start;
            let entry = Entry { key: key.into_inner().into_owned(), at: lines.mark(at), value: node(value, lines) };
            (at, entry)
        })
        .collect();
    entries.sort_by_key(|(at, _)| *at);
    Value::Map(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn node(value: toml::Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Node {
    let at = lines.mark(value.span().start);
    let plain = |text: String| Value::Scalar { text, plain: true };
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Scalar { text: text.into_owned(), plain: false },
        DeValue::Integer(integer) => number::plain(&integer.to_string()),
        DeValue::Float(number) => plain(shortest(&number.to_string())),
        DeValue::Boolean(truth) => plain(truth.to_string()),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| node(item, lines)).collect()),
        DeValue::Table(table) => map(table, lines),
    };
    Node { value, at }
}

/// Turns byte offsets into lines and columns.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn mark(&self, offset: usize) -> Mark {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts[line - 1];
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Mark { line: line as u32, column: column as u32, label: None }
    }
}
