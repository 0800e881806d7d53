//! Native HCL text → [`Body`]. `hcl-edit` does the parsing; this turns its tree into ours and finds the few things
//! it lets through that HCL forbids.

use std::ops::Range;
use std::sync::Arc;

use hcl_edit::Span as _;
use hcl_edit::expr::{BinaryOperator, Expression, ObjectKey, TraversalOperator, UnaryOperator};
use hcl_edit::structure::{self, BlockLabel, Structure};

use crate::diagnostic::{Flaw, Source, Span};
use crate::eval::{Number, Value};
use crate::syntax::ast::{Attribute, Block, Body, BodyNode, Expr, ExprKind, ForExpr, Operator, Step, StepKind};
use crate::syntax::{flaws, repair, template};

/// Longest source text that is read.
pub const MAX_SOURCE_BYTES: usize = 8 << 20;
/// Most syntax errors that are looked for in one file.
const MAX_SYNTAX_ERRORS: usize = 10;
/// Most pairs of keys in all objects that are written out: one object of about 6,000 keys, or many smaller ones.
const MAX_KEY_PAIRS: u64 = 20_000_000;

/// Reads a whole file, or says everything that is wrong with its syntax.
pub(crate) fn parse_body(source: &Source) -> Result<Body, Vec<Flaw>> {
    bounded(&source.text).map_err(|flaw| vec![flaw])?;
    crowded(&source.text)?;
    let text = without_bom(&source.text);
    let body = hcl_edit::parser::parse_body(&text).map_err(|error| all_syntax_errors(&text, &error))?;
    let mut reader = Reader::new(&source.text);
    let body = reader.body(&body);
    if reader.flaws.is_empty() { Ok(body) } else { Err(reader.flaws) }
}

/// Whether a text is short enough to be read.
pub(crate) fn bounded(text: &str) -> Result<(), Flaw> {
    if text.len() <= MAX_SOURCE_BYTES {
        return Ok(());
    }
    let detail = format!("The file has {} bytes; at most {MAX_SOURCE_BYTES} are read.", text.len());
    Err(Flaw::new(Span::default(), "File too large", detail))
}

/// The parser compares every key of an object with all before it: too many of them are refused beforehand.
fn crowded(text: &str) -> Result<(), Vec<Flaw>> {
    let Some(at) = repair::crowded_object(text, MAX_KEY_PAIRS) else { return Ok(()) };
    let detail = "The objects written in this file have too many keys. Put large data into a file and read it with \
                  jsondecode(file(…)).";
    Err(vec![Flaw::new(Span::new(at, at + 1), "Object too large", detail)])
}

/// Reads one expression.
pub(crate) fn parse_expression(text: &str) -> Result<Expr, Vec<Flaw>> {
    bounded(text).map_err(|flaw| vec![flaw])?;
    crowded(text)?;
    let expression = hcl_edit::parser::parse_expr(text).map_err(|error| vec![flaws::explain(text, &error)])?;
    let mut reader = Reader::new(text);
    let expr = reader.expr(&expression);
    if reader.flaws.is_empty() { Ok(expr) } else { Err(reader.flaws) }
}

/// Reads the inside of a template, as HCL in JSON does with every string.
pub(crate) fn parse_template(text: &str) -> Result<Expr, Vec<Flaw>> {
    crowded(&flaws::as_heredoc(text).0)?;
    let parsed = hcl_edit::parser::parse_template(text).map_err(|error| vec![flaws::explain_template(text, &error)])?;
    let mut reader = Reader::new(text);
    let kind = template::quoted(&mut reader, &parsed);
    let expr = Expr { kind, span: Span::new(0, text.len()) };
    if reader.flaws.is_empty() { Ok(expr) } else { Err(reader.flaws) }
}

/// A byte order mark is blanked, so that offsets stay.
fn without_bom(text: &str) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => format!("   {rest}"),
        None => text.to_owned(),
    }
}

/// The parser stops at the first error. Where what is wrong can be blanked out safely, the rest is tried again.
fn all_syntax_errors(text: &str, first: &hcl_edit::parser::Error) -> Vec<Flaw> {
    let broken = repair::broken_strings(text);
    if !broken.is_empty() {
        return broken;
    }
    let mut found = vec![flaws::explain(text, first)];
    let mut text = text.to_owned();
    while found.len() < MAX_SYNTAX_ERRORS {
        let last = found[found.len() - 1].span;
        let Some(repaired) = repair::blank_out(&text, last) else { break };
        text = repaired;
        match hcl_edit::parser::parse_body(&text) {
            Ok(_) => break,
            Err(error) => {
                let next = flaws::explain(&text, &error);
                if next.span.start <= last.start {
                    break;
                }
                found.push(next);
            }
        }
    }
    found
}

/// Walks `hcl-edit`'s tree; `text` is what its spans point into.
pub(crate) struct Reader<'t> {
    pub(crate) text: &'t str,
    pub(crate) flaws: Vec<Flaw>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, flaws: Vec::new() }
    }

    pub(crate) fn slice(&self, span: Span) -> &'t str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    fn body(&mut self, body: &structure::Body) -> Body {
        let mut out = Body::default();
        for item in body {
            match item {
                Structure::Attribute(attribute) => {
                    let expr = Arc::new(self.expr(&attribute.value));
                    out.attributes.push(Attribute {
                        name: attribute.key.as_str().to_owned(),
                        name_span: to_span(attribute.key.span()),
                        expr,
                    });
                }
                Structure::Block(block) => {
                    let labels = block.labels.iter().map(|label| self.label(label)).collect();
                    out.blocks.push(Block {
                        kind: block.ident.as_str().to_owned(),
                        kind_span: to_span(block.ident.span()),
                        labels,
                        body: BodyNode::Native(Arc::new(self.body(&block.body))),
                        scope: Vec::new(),
                    });
                }
            }
        }
        out
    }

    fn label(&mut self, label: &BlockLabel) -> (String, Span) {
        let span = to_span(label.span());
        if self.slice(span).contains('\n') {
            self.multi_line(span);
        }
        (label.as_str().to_owned(), span)
    }

    pub(crate) fn expr(&mut self, expression: &Expression) -> Expr {
        let span = to_span(expression.span());
        let kind = match expression {
            Expression::Null(_) => ExprKind::Literal(Value::Null),
            Expression::Bool(value) => ExprKind::Literal(Value::Bool(*value.value())),
            Expression::Number(_) => {
                let text: String = self.slice(span).chars().filter(|c| !c.is_whitespace()).collect();
                ExprKind::Literal(Number::parse(&text).map_or(Value::Null, Value::Number))
            }
            Expression::String(value) => {
                if self.slice(span).contains('\n') {
                    self.multi_line(span);
                }
                ExprKind::Literal(Value::String(value.value().clone()))
            }
            Expression::StringTemplate(value) => template::quoted(self, value),
            Expression::HeredocTemplate(value) => {
                let indented = self.slice(span).starts_with("<<-");
                template::heredoc(self, &value.template, indented)
            }
            Expression::Array(items) => ExprKind::Tuple(items.iter().map(|item| self.expr(item)).collect()),
            Expression::Object(items) => {
                let items = items
                    .iter()
                    .map(|(key, value)| {
                        let value = self.expr(value.expr());
                        (self.object_key(key, &value), value)
                    })
                    .collect();
                ExprKind::Object(items)
            }
            Expression::Parenthesis(inner) => ExprKind::Parenthesis(Box::new(self.expr(inner.inner()))),
            Expression::Variable(name) => {
                if name.as_str() == "for" {
                    self.flaws.push(Flaw::new(
                        span,
                        "Invalid 'for' expression",
                        "For expression requires variable name after 'for'.",
                    ));
                }
                ExprKind::Variable(name.as_str().to_owned())
            }
            Expression::Conditional(value) => ExprKind::Conditional {
                test: Box::new(self.expr(&value.cond_expr)),
                yes: Box::new(self.expr(&value.true_expr)),
                no: Box::new(self.expr(&value.false_expr)),
            },
            Expression::FuncCall(call) => {
                let mut name = String::new();
                for part in &call.name.namespace {
                    name.push_str(part.as_str());
                    name.push_str("::");
                }
                name.push_str(call.name.name.as_str());
                ExprKind::Call {
                    name_span: call.name.name.span().map_or(span, |range| Span::new(range.start, range.end)),
                    name,
                    args: call.args.iter().map(|arg| self.expr(arg)).collect(),
                    expand: call.args.expand_final(),
                }
            }
            Expression::Traversal(traversal) => {
                let base = Box::new(self.expr(&traversal.expr));
                let mut end = base.span.end;
                let mut steps = Vec::new();
                for operator in &traversal.operators {
                    let step =
                        operator.span().map_or(Span::new(end, span.end), |range| Span::new(range.start, range.end));
                    end = step.end;
                    let kind = match operator.value() {
                        TraversalOperator::AttrSplat(_) => StepKind::AttributeSplat,
                        TraversalOperator::FullSplat(_) => StepKind::FullSplat,
                        TraversalOperator::GetAttr(name) => StepKind::Attribute(name.as_str().to_owned()),
                        TraversalOperator::Index(index) => StepKind::Index(self.expr(index)),
                        TraversalOperator::LegacyIndex(position) => StepKind::Position(*position.value()),
                    };
                    steps.push(Step { kind, span: step });
                }
                ExprKind::Traversal { base, steps }
            }
            Expression::UnaryOp(unary) => ExprKind::Unary {
                negate: matches!(unary.operator.value(), UnaryOperator::Neg),
                operand: Box::new(self.expr(&unary.expr)),
            },
            Expression::BinaryOp(binary) => ExprKind::Binary {
                operator: operator(*binary.operator.value()),
                left: Box::new(self.expr(&binary.lhs_expr)),
                right: Box::new(self.expr(&binary.rhs_expr)),
            },
            Expression::ForExpr(expr) => ExprKind::For(Box::new(ForExpr {
                key_name: expr.intro.key_var.as_ref().map(|name| name.as_str().to_owned()),
                value_name: expr.intro.value_var.as_str().to_owned(),
                collection: self.expr(&expr.intro.collection_expr),
                key: expr.key_expr.as_ref().map(|key| self.expr(key)),
                value: self.expr(&expr.value_expr),
                grouping: expr.grouping,
                condition: expr.cond.as_ref().map(|condition| self.expr(&condition.expr)),
            })),
        };
        Expr { kind, span }
    }

    /// A bare name is a literal key; `a.b` must be written in quotes or parentheses.
    fn object_key(&mut self, key: &ObjectKey, value: &Expr) -> Expr {
        match key {
            ObjectKey::Ident(name) => {
                let span = name.span().map_or(value.span, |range| Span::new(range.start, range.end));
                Expr { kind: ExprKind::Literal(Value::String(name.as_str().to_owned())), span }
            }
            ObjectKey::Expression(expression @ Expression::Null(_)) => {
                let kind = ExprKind::Literal(Value::text("null"));
                Expr { kind, span: to_span(expression.span()) }
            }
            ObjectKey::Expression(expression) => {
                let expr = self.expr(expression);
                if matches!(expr.kind, ExprKind::Traversal { .. }) {
                    self.flaws.push(
                        Flaw::new(
                            expr.span,
                            "Ambiguous attribute key",
                            "If this expression is intended to be a reference, wrap it in parentheses. If it's instead \
                             intended as a literal name containing periods, wrap it in quotes to create a string literal.",
                        )
                        .help(format!("write {:?} in quotes", self.slice(expr.span))),
                    );
                }
                expr
            }
        }
    }

    pub(crate) fn multi_line(&mut self, span: Span) {
        self.flaws.push(repair::multi_line(span));
    }
}

pub(crate) fn to_span(range: Option<Range<usize>>) -> Span {
    range.map_or(Span::default(), |range| Span::new(range.start, range.end))
}

fn operator(operator: BinaryOperator) -> Operator {
    match operator {
        BinaryOperator::Eq => Operator::Equal,
        BinaryOperator::NotEq => Operator::NotEqual,
        BinaryOperator::Less => Operator::Less,
        BinaryOperator::LessEq => Operator::LessEqual,
        BinaryOperator::Greater => Operator::Greater,
        BinaryOperator::GreaterEq => Operator::GreaterEqual,
        BinaryOperator::Plus => Operator::Add,
        BinaryOperator::Minus => Operator::Subtract,
        BinaryOperator::Mul => Operator::Multiply,
        BinaryOperator::Div => Operator::Divide,
        BinaryOperator::Mod => Operator::Modulo,
        BinaryOperator::And => Operator::And,
        BinaryOperator::Or => Operator::Or,
    }
}
