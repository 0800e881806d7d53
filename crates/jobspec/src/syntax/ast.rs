//! The tree that the evaluator and the decoder walk: bodies, blocks and expressions, each with its span.

use std::sync::Arc;

use crate::diagnostic::Span;
use crate::eval::Value;
use crate::syntax::json::JsonNode;

/// What stands between a block's braces (or in a JSON object, before a schema says which keys are blocks).
#[derive(Clone, Debug)]
pub(crate) enum BodyNode {
    Native(Arc<Body>),
    Json(Arc<JsonNode>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) expr: Arc<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) kind_span: Span,
    pub(crate) labels: Vec<(String, Span)>,
    pub(crate) body: BodyNode,
    /// Variables that a `dynamic` block brought into the scope of this one.
    pub(crate) scope: Vec<(String, Value)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Literal(Value),
    Template(Vec<Part>),
    Tuple(Vec<Expr>),
    Object(Vec<(Expr, Expr)>),
    Parenthesis(Box<Expr>),
    Variable(String),
    Traversal {
        base: Box<Expr>,
        steps: Vec<Step>,
    },
    Conditional {
        test: Box<Expr>,
        yes: Box<Expr>,
        no: Box<Expr>,
    },
    Call {
        name: String,
        name_span: Span,
        args: Vec<Expr>,
        expand: bool,
    },
    Unary {
        negate: bool,
        operand: Box<Expr>,
    },
    Binary {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    For(Box<ForExpr>),
    /// An expression with a text of its own: the inside of a JSON string. Its flaws are reported at the string.
    Embedded {
        text: Arc<str>,
        expr: Box<Expr>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
}

/// One step of a traversal, with the place where it ends.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum StepKind {
    Attribute(String),
    Index(Expr),
    Position(u64),
    AttributeSplat,
    FullSplat,
}

#[derive(Clone, Debug)]
pub(crate) struct ForExpr {
    pub(crate) key_name: Option<String>,
    pub(crate) value_name: String,
    pub(crate) collection: Expr,
    pub(crate) key: Option<Expr>,
    pub(crate) value: Expr,
    pub(crate) grouping: bool,
    pub(crate) condition: Option<Expr>,
}

/// A piece of a template, strip markers and indentation already applied.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal(String),
    /// The span reaches from `${` to `}`.
    Interpolation {
        expr: Expr,
        span: Span,
    },
    If {
        test: Expr,
        yes: Vec<Part>,
        no: Vec<Part>,
    },
    For {
        key_name: Option<String>,
        value_name: String,
        collection: Expr,
        body: Vec<Part>,
    },
}
