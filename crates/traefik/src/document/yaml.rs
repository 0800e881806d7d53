//! YAML 1.2 with aliases and merge keys.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{DEPTH_MAX, Document, Entry, NODES_MAX, Node, Value, number};
use crate::finding::{Finding, Mark, Severity};

/// Reads the first document; what follows it counts for nothing and is told.
pub(super) fn parse(file: &str, text: &str) -> Result<Document, Finding> {
    let mut builder = Builder { file, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    if let Some((line, message)) = wrong_directive(text) {
        let at = Mark { line, column: 1, label: None };
        return Err(Finding::new(Severity::Fatal, file, &at, "", message));
    }
    let mut more = None;
    // Some editors leave a byte order mark.
    for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        let (event, span) = event.map_err(|error| {
            let mark = error.marker();
            let at = Mark { line: mark.line() as u32, column: mark.col() as u32 + 1, label: None };
            Finding::new(Severity::Fatal, file, &at, "", format!("not valid YAML: {}", error.info()))
        })?;
        if builder.root.is_some() && matches!(event, Event::DocumentStart(..)) {
            let at = mark(&span);
            let message = "a second document begins here: it is ignored, keep one in a file";
            more = Some(Finding::new(Severity::Warning, file, &at, "", message));
            break;
        }
        builder.take(event, &span)?;
    }
    let nothing = || Node { value: Value::Null, at: Mark { line: 1, column: 1, label: None } };
    Ok(Document { root: builder.root.unwrap_or_else(nothing), note: more })
}

/// A directive before the document that Traefik's reader of YAML 1.1 does not take.
fn wrong_directive(text: &str) -> Option<(u32, String)> {
    let head = |line: &&str| line.starts_with('%') || line.starts_with('#') || line.trim().is_empty();
    let directives = text.trim_start_matches('\u{feff}').lines().take_while(head);
    directives.zip(1..).filter(|(line, _)| line.starts_with('%')).find_map(|(line, at)| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("%YAML"), Some("1.1")) | (Some("%TAG"), _) => None,
            (Some("%YAML"), _) => {
                Some((at, "not valid YAML: only version 1.1 may be named, leave the line out".to_owned()))
            }
            (name, _) => Some((at, format!("not valid YAML: unknown directive {}", name.unwrap_or_default()))),
        }
    })
}

fn mark(span: &Span) -> Mark {
    Mark { line: span.start.line() as u32, column: span.start.col() as u32 + 1, label: None }
}

/// A scalar as its tag, or where there is none its look, says.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>) -> Value {
    match tag {
        None if style == ScalarStyle::Plain => number::plain(text),
        Some("int" | "float" | "bool" | "null" | "timestamp") => number::plain(text),
        _ => Value::Scalar { text: text.to_owned(), plain: false },
    }
}

struct Builder<'a> {
    file: &'a str,
    stack: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

/// A collection that is being read.
struct Open {
    node: Node,
    anchor: usize,
    /// Key that waits for its value.
    key: Option<(String, Mark)>,
    /// Values of `<<`, which count once the map's own keys are known.
    merges: Vec<Node>,
    /// Count of nodes when it began.
    began: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Finding> {
        let at = mark(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_ref().map(|tag| tag.suffix()));
                self.count(1, &at)?;
                self.place(Node { value, at }, anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => self.open(Value::List(Vec::new()), at, anchor),
            Event::MappingStart(_, anchor, _) => self.open(Value::Map(Vec::new()), at, anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(mut open) => {
                    if let Value::Map(entries) = &mut open.node.value {
                        open.merges.into_iter().for_each(|node| merge(entries, node));
                    }
                    self.place(open.node, open.anchor, self.nodes - open.began)
                }
                None => Ok(()),
            },
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    return Err(self.error(&at, "the alias names nothing that stands before it"));
                };
                self.count(size, &at)?;
                self.place(node, 0, size)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, value: Value, at: Mark, anchor: usize) -> Result<(), Finding> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(self.error(&at, &format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let began = self.nodes;
        self.count(1, &at)?;
        self.stack.push(Open { node: Node { value, at }, anchor, key: None, merges: Vec::new(), began });
        Ok(())
    }

    fn count(&mut self, nodes: usize, at: &Mark) -> Result<(), Finding> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(self.error(at, &format!("more than {NODES_MAX} values, aliases expanded")));
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Finding> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let file = self.file;
        let error = |at: &Mark, message: String| Finding::new(Severity::Fatal, file, at, "", message);
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(_), None) => match node.value {
                Value::Scalar { text, .. } => open.key = Some((text, node.at)),
                Value::Null => open.key = Some(("null".to_owned(), node.at)),
                Value::List(_) | Value::Map(_) | Value::Date => {
                    return Err(error(&node.at, "a key must be a single value".to_owned()));
                }
            },
            (Value::Map(entries), Some((key, at))) => {
                if key == "<<" {
                    let maps = |node: &Node| matches!(node.value, Value::Map(_));
                    let fits = match &node.value {
                        Value::List(items) => items.iter().all(maps),
                        _ => maps(&node),
                    };
                    if !fits {
                        return Err(error(&at, "<< takes a map or a list of maps".to_owned()));
                    }
                    open.merges.push(node);
                } else if let Some(first) = entries.iter().find(|e| e.key == key) {
                    let message = format!("the key {key:?} stands here twice, first in line {}", first.at.line);
                    return Err(error(&at, message));
                } else {
                    entries.push(Entry { key, at, value: node });
                }
            }
            (Value::Null | Value::Scalar { .. } | Value::Date, _) => {}
        }
        Ok(())
    }

    fn error(&self, at: &Mark, message: &str) -> Finding {
        Finding::new(Severity::Fatal, self.file, at, "", message)
    }
}

/// `<<`: what the map does not say itself comes from another map, or from the first of several that says it.
fn merge(entries: &mut Vec<Entry>, node: Node) {
    match node.value {
        Value::Map(other) => {
            for entry in other {
                if !entries.iter().any(|e| e.key == entry.key) {
                    entries.push(entry);
                }
            }
        }
        Value::List(maps) => maps.into_iter().for_each(|map| merge(entries, map)),
        Value::Null | Value::Scalar { .. } | Value::Date => {}
    }
}
