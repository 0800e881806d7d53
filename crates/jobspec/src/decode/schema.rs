//! What may stand in each block of a job file, and which field of the API's JSON it becomes.

mod job;
mod service;
mod task;

pub(crate) use job::JOB;

/// A block's arguments and nested blocks.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) arguments: &'static [Argument],
    pub(crate) blocks: &'static [BlockRule],
}

/// `name = value`.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    pub(crate) field: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// What an argument's value is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Whole,
    /// A whole number from 0 to 255.
    Byte,
    Bool,
    /// Go duration text or nanoseconds.
    Duration,
    Texts,
    TextMap,
}

/// `name "label" { … }`.
#[derive(Debug)]
pub(crate) struct BlockRule {
    pub(crate) name: &'static str,
    pub(crate) field: &'static str,
    pub(crate) inside: Inside,
    pub(crate) times: Times,
    /// The field that takes the label.
    pub(crate) label: Option<&'static str>,
}

/// What is between a block's braces.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inside {
    Rules(&'static Schema),
    /// Text values under free names.
    TextMap,
    /// The same, and `name = { … }` is allowed, too.
    TextMapOrArgument,
    /// Lists of texts under free names.
    TextsMap,
    /// Anything.
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    Once,
    /// A list in the API.
    Many,
    /// An object in the API, by label.
    ByLabel,
}

impl Schema {
    pub(crate) fn argument(&self, name: &str) -> Option<&'static Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }

    pub(crate) fn block(&self, name: &str) -> Option<&'static BlockRule> {
        self.blocks.iter().find(|block| block.name == name)
    }
}

const fn arg(name: &'static str, field: &'static str, kind: Kind) -> Argument {
    Argument { name, field, kind, required: false }
}

const fn must(name: &'static str, field: &'static str, kind: Kind) -> Argument {
    Argument { name, field, kind, required: true }
}

const fn once(name: &'static str, field: &'static str, inside: Inside) -> BlockRule {
    BlockRule { name, field, inside, times: Times::Once, label: None }
}

const fn many(name: &'static str, field: &'static str, schema: &'static Schema) -> BlockRule {
    BlockRule { name, field, inside: Inside::Rules(schema), times: Times::Many, label: None }
}

const fn labelled(name: &'static str, field: &'static str, schema: &'static Schema, label: &'static str) -> BlockRule {
    BlockRule { name, field, inside: Inside::Rules(schema), times: Times::Many, label: Some(label) }
}
