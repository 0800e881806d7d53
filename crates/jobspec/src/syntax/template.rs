//! Templates: strip markers, heredoc indentation, and nesting of directives.
//!
//! HCL applies both to a flat list of pieces before directives are nested: `~` eats the white space of the neighbouring
//! piece only (in a heredoc each line is a piece), and `<<-` removes the smallest indentation that any line has.

use std::iter::Peekable;
use std::vec::IntoIter;

use hcl_edit::Span as _;
use hcl_edit::template::{Directive, Element, Strip, Template};

use crate::diagnostic::Span;
use crate::eval::Value;
use crate::syntax::ast::{Expr, ExprKind, Part};
use crate::syntax::native::{Reader, to_span};

enum Piece {
    Literal(String),
    Interpolation { expr: Expr, span: Span },
    If(Expr),
    Else,
    EndIf,
    For { key_name: Option<String>, value_name: String, collection: Expr },
    EndFor,
}

struct Pieces {
    list: Vec<Piece>,
    heredoc: bool,
    /// The piece before ended in `~}`.
    strip_next: bool,
}

/// A quoted template: `"…${x}…"`.
pub(crate) fn quoted(reader: &mut Reader<'_>, template: &Template) -> ExprKind {
    build(reader, template, false, false)
}

/// A heredoc; `indented` for `<<-`.
pub(crate) fn heredoc(reader: &mut Reader<'_>, template: &Template, indented: bool) -> ExprKind {
    build(reader, template, true, indented)
}

fn build(reader: &mut Reader<'_>, template: &Template, heredoc: bool, indented: bool) -> ExprKind {
    let mut pieces = Pieces { list: Vec::new(), heredoc, strip_next: false };
    pieces.collect(reader, template);
    if indented {
        dedent(&mut pieces.list);
    }
    let parts = nest(&mut pieces.list.into_iter().peekable());
    match parts.as_slice() {
        [] => ExprKind::Literal(Value::String(String::new())),
        [Part::Literal(text)] => ExprKind::Literal(Value::String(text.clone())),
        _ => ExprKind::Template(parts),
    }
}

impl Pieces {
    fn collect(&mut self, reader: &mut Reader<'_>, template: &Template) {
        for element in template {
            match element {
                Element::Literal(text) => {
                    let span = to_span(text.span());
                    if self.heredoc {
                        let raw = reader.slice(span).replace("$${", "${").replace("%%{", "%{");
                        raw.split_inclusive('\n').for_each(|line| self.literal(line));
                    } else {
                        if reader.slice(span).contains('\n') {
                            reader.multi_line(span);
                        }
                        self.literal(text.as_str());
                    }
                }
                Element::Interpolation(interpolation) => {
                    self.strip_before(interpolation.strip);
                    let expr = reader.expr(&interpolation.expr);
                    let span = interpolation.span().map_or(expr.span, |range| Span::new(range.start, range.end));
                    self.list.push(Piece::Interpolation { expr, span });
                    self.strip_after(interpolation.strip);
                }
                Element::Directive(directive) => self.directive(reader, directive),
            }
        }
    }

    fn directive(&mut self, reader: &mut Reader<'_>, directive: &Directive) {
        match directive {
            Directive::If(directive) => {
                let head = &directive.if_expr;
                self.strip_before(head.strip);
                self.list.push(Piece::If(reader.expr(&head.cond_expr)));
                self.strip_after(head.strip);
                self.collect(reader, &head.template);
                if let Some(otherwise) = &directive.else_expr {
                    self.strip_before(otherwise.strip);
                    self.list.push(Piece::Else);
                    self.strip_after(otherwise.strip);
                    self.collect(reader, &otherwise.template);
                }
                self.strip_before(directive.endif_expr.strip);
                self.list.push(Piece::EndIf);
                self.strip_after(directive.endif_expr.strip);
            }
            Directive::For(directive) => {
                let head = &directive.for_expr;
                self.strip_before(head.strip);
                self.list.push(Piece::For {
                    key_name: head.key_var.as_ref().map(|name| name.as_str().to_owned()),
                    value_name: head.value_var.as_str().to_owned(),
                    collection: reader.expr(&head.collection_expr),
                });
                self.strip_after(head.strip);
                self.collect(reader, &head.template);
                self.strip_before(directive.endfor_expr.strip);
                self.list.push(Piece::EndFor);
                self.strip_after(directive.endfor_expr.strip);
            }
        }
    }

    fn literal(&mut self, text: &str) {
        let text = if std::mem::take(&mut self.strip_next) { text.trim_start() } else { text };
        self.list.push(Piece::Literal(text.to_owned()));
    }

    fn strip_before(&mut self, strip: Strip) {
        self.strip_next = false;
        if strip.strip_start()
            && let Some(Piece::Literal(text)) = self.list.last_mut()
        {
            text.truncate(text.trim_end().len());
        }
    }

    fn strip_after(&mut self, strip: Strip) {
        self.strip_next = strip.strip_end();
    }
}

/// Removes the smallest indentation of all lines that are not blank.
fn dedent(pieces: &mut [Piece]) {
    let mut at_line_start = true;
    let mut smallest = usize::MAX;
    let mut starts = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        if std::mem::take(&mut at_line_start) {
            let indentation = match piece {
                Piece::Literal(text) => {
                    let trimmed = text.trim_start();
                    if trimmed.is_empty() && text.ends_with('\n') {
                        usize::MAX
                    } else {
                        starts.push(index);
                        text[..text.len() - trimmed.len()].chars().count()
                    }
                }
                _ => 0,
            };
            smallest = smallest.min(indentation);
        }
        if let Piece::Literal(text) = piece {
            at_line_start = text.ends_with('\n');
        }
    }
    for index in starts {
        if let Piece::Literal(text) = &mut pieces[index] {
            let cut = text.char_indices().nth(smallest).map_or(text.len(), |(at, _)| at);
            text.drain(..cut);
        }
    }
}

/// Turns the flat list back into a tree; neighbouring literals are joined.
fn nest(pieces: &mut Peekable<IntoIter<Piece>>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    while let Some(piece) = pieces.next_if(|piece| !matches!(piece, Piece::Else | Piece::EndIf | Piece::EndFor)) {
        match piece {
            Piece::Literal(text) => match parts.last_mut() {
                Some(Part::Literal(before)) => before.push_str(&text),
                _ => parts.push(Part::Literal(text)),
            },
            Piece::Interpolation { expr, span } => parts.push(Part::Interpolation { expr, span }),
            Piece::If(test) => {
                let yes = nest(pieces);
                let no = match pieces.next_if(|piece| matches!(piece, Piece::Else)) {
                    Some(_) => nest(pieces),
                    None => Vec::new(),
                };
                pieces.next_if(|piece| matches!(piece, Piece::EndIf));
                parts.push(Part::If { test, yes, no });
            }
            Piece::For { key_name, value_name, collection } => {
                let body = nest(pieces);
                pieces.next_if(|piece| matches!(piece, Piece::EndFor));
                parts.push(Part::For { key_name, value_name, collection, body });
            }
            Piece::Else | Piece::EndIf | Piece::EndFor => {}
        }
    }
    parts
}
