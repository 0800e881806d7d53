//! Flat settings (`a.b[0].c=v`) put together to a tree.

use super::{DEPTH_MAX, Entry, Node, Value};
use crate::finding::Mark;

/// Highest list index that is accepted: lists are filled up to it.
const INDEX_MAX: usize = 999;

/// A tree that grows by one setting at a time.
pub(crate) type Tree = Node;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlatError {
    #[error("the name has an empty part")]
    EmptyPart,
    #[error("more than {DEPTH_MAX} parts")]
    TooDeep,
    #[error("{0:?} is not a list index up to {INDEX_MAX}")]
    BadIndex(String),
    #[error("{0:?} cannot have a value and options below it at once")]
    Mixed(String),
}

/// Puts a value at a dotted path. Keys are compared ignoring case; a value that is set again is replaced, one
/// that `repeat` allows (flags) joins the former by a comma.
pub(crate) fn put(tree: &mut Tree, path: &str, value: &str, at: &Mark, repeat: bool) -> Result<(), FlatError> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let mut brackets = part.split('[');
        let name = brackets.next().unwrap_or_default();
        if name.is_empty() {
            return Err(FlatError::EmptyPart);
        }
        steps.push(Step::Key(name));
        for index in brackets {
            let number = index.strip_suffix(']').and_then(|i| i.parse().ok()).filter(|i| *i <= INDEX_MAX);
            steps.push(Step::Index(number.ok_or_else(|| FlatError::BadIndex(index.to_owned()))?));
        }
    }
    if steps.len() > DEPTH_MAX {
        return Err(FlatError::TooDeep);
    }
    let mut node = tree;
    for step in steps {
        node = match step {
            Step::Key(key) => descend_key(node, key, at)?,
            Step::Index(index) => descend_index(node, index, at)?,
        };
    }
    match &mut node.value {
        Value::Null => node.value = Value::Scalar { text: value.to_owned(), plain: true },
        Value::Scalar { text, .. } if repeat => {
            text.push(',');
            text.push_str(value);
        }
        Value::Scalar { text, .. } => value.clone_into(text),
        // `x=true` beside `x.y=…` only says that x is there.
        Value::Map(_) | Value::List(_) if is_true(value) => {}
        Value::Map(_) | Value::List(_) | Value::Date => return Err(FlatError::Mixed(path.to_owned())),
    }
    Ok(())
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn is_true(text: &str) -> bool {
    text.is_empty() || text.eq_ignore_ascii_case("true")
}

fn descend_key<'a>(node: &'a mut Node, key: &str, at: &Mark) -> Result<&'a mut Node, FlatError> {
    if matches!(&node.value, Value::Null) || matches!(&node.value, Value::Scalar { text, .. } if is_true(text)) {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else { return Err(FlatError::Mixed(key.to_owned())) };
    let index = match entries.iter().position(|e| e.key.eq_ignore_ascii_case(key)) {
        Some(index) => index,
        None => {
            let value = Node { value: Value::Null, at: at.clone() };
            entries.push(Entry { key: key.to_owned(), at: at.clone(), value });
            entries.len() - 1
        }
    };
    Ok(&mut entries[index].value)
}

fn descend_index<'a>(node: &'a mut Node, index: usize, at: &Mark) -> Result<&'a mut Node, FlatError> {
    if matches!(&node.value, Value::Null) {
        node.value = Value::List(Vec::new());
    }
    let Value::List(items) = &mut node.value else { return Err(FlatError::Mixed(format!("[{index}]"))) };
    while items.len() <= index {
        items.push(Node { value: Value::Null, at: at.clone() });
    }
    Ok(&mut items[index])
}
