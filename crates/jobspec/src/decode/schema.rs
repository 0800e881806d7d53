//! What may stand in each block of a job file, and which field of the API's JSON it becomes.

mod job;
mod service;
mod task;

pub(crate) use job::JOB;

/// A block's arguments and nested blocks.
#[derive(Debug)]
pub struct Schema {
    pub arguments: &'static [Argument],
    pub blocks: &'static [BlockRule],
}

/// `name = value`.
#[derive(Debug)]
pub struct Argument {
    pub name: &'static str,
    pub field: &'static str,
    pub kind: Kind,
    pub required: bool,
}

/// What an argument's value is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Whole,
    /// A whole number from 0 to 255.
    Byte,
    Bool,
    /// Go duration text or nanoseconds.
    Duration,
    Texts,
    TextMap,
    /// Whatever was written.
    Anything,
    /// The argument is known and cannot be used; says why, and what to do.
    Refused(&'static str),
}

/// `name "label" { … }`.
#[derive(Debug)]
pub struct BlockRule {
    pub name: &'static str,
    pub field: &'static str,
    pub inside: Inside,
    pub times: Times,
    /// The field that takes the label.
    pub label: Option<&'static str>,
}

/// What is between a block's braces.
#[derive(Clone, Copy, Debug)]
pub enum Inside {
    Rules(&'static Schema),
    /// Text values under free names.
    TextMap,
    /// The same, and `name = { … }` is allowed, too.
    TextMapOrArgument,
    /// Lists of texts under free names.
    TextsMap,
    /// Anything.
    Free,
    /// The block is known and cannot be used; says why, and what to do.
    Refused(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    Once,
    /// A list in the API.
    Many,
    /// An object in the API, by label.
    ByLabel,
}

impl Schema {
    pub fn argument(&self, name: &str) -> Option<&'static Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }

    pub fn block(&self, name: &str) -> Option<&'static BlockRule> {
        self.blocks.iter().find(|block| block.name == name)
    }
}

/// `name = value`, optional.
pub const fn arg(name: &'static str, field: &'static str, kind: Kind) -> Argument {
    Argument { name, field, kind, required: false }
}

/// `name = value`, required.
pub const fn must(name: &'static str, field: &'static str, kind: Kind) -> Argument {
    Argument { name, field, kind, required: true }
}

/// A block that stands at most once.
pub const fn once(name: &'static str, field: &'static str, inside: Inside) -> BlockRule {
    BlockRule { name, field, inside, times: Times::Once, label: None }
}

/// A block that may be repeated.
pub const fn many(name: &'static str, field: &'static str, schema: &'static Schema) -> BlockRule {
    BlockRule { name, field, inside: Inside::Rules(schema), times: Times::Many, label: None }
}

/// A block with a name that may be repeated; the field `label` takes the name.
pub const fn labelled(
    name: &'static str,
    field: &'static str,
    schema: &'static Schema,
    label: &'static str,
) -> BlockRule {
    BlockRule { name, field, inside: Inside::Rules(schema), times: Times::Many, label: Some(label) }
}
