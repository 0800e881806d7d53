//! Type constraints of `variable` blocks and the conversion of values to them.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::diagnostic::{Flaw, Span};
use crate::eval::{Evaluator, Scope, Value};
use crate::syntax::ast::{Expr, ExprKind};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Any,
    String,
    Number,
    Bool,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>),
    Object(BTreeMap<String, Attribute>),
    Tuple(Vec<Type>),
}

/// One attribute of an object type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attribute {
    kind: Type,
    /// What an optional one is where it is absent.
    default: Option<Value>,
}

impl Type {
    /// Reads `string`, `list(number)`, `object({ a = string, b = optional(bool) })` and the like.
    pub(crate) fn parse(expr: &Expr) -> Result<Self, Flaw> {
        match &expr.kind {
            ExprKind::Variable(name) => match name.as_str() {
                "any" => Ok(Self::Any),
                "string" => Ok(Self::String),
                "number" => Ok(Self::Number),
                "bool" => Ok(Self::Bool),
                "list" | "set" | "map" => Err(invalid(
                    expr.span,
                    format!("The {name} type constructor requires one argument specifying the element type."),
                )),
                "object" => Err(invalid(
                    expr.span,
                    "The object type constructor requires one argument specifying the attribute types and values as a map.",
                )),
                "tuple" => Err(invalid(
                    expr.span,
                    "The tuple type constructor requires one argument specifying the element types as a list.",
                )),
                other => Err(invalid(expr.span, format!("The keyword {other:?} is not a valid type specification."))),
            },
            ExprKind::Literal(Value::String(name)) => match name.as_str() {
                "string" | "number" | "bool" => Err(invalid(
                    expr.span,
                    format!("Type constraints must not be given in quotes: write {name} instead of {name:?}."),
                )),
                _ => Err(invalid(expr.span, "Type constraints must not be given in quotes.")),
            },
            ExprKind::Call { name, args, .. } => Self::constructor(name, args, expr.span),
            _ => Err(invalid(
                expr.span,
                "A type specification is either a primitive type keyword (bool, number, string) or a complex type \
                 constructor call, like list(string).",
            )),
        }
    }

    fn constructor(name: &str, args: &[Expr], span: Span) -> Result<Self, Flaw> {
        let [arg] = args else {
            return Err(invalid(span, format!("The {name} type constructor requires one argument.")));
        };
        match name {
            "list" => Ok(Self::List(Box::new(Self::parse(arg)?))),
            "set" => Ok(Self::Set(Box::new(Self::parse(arg)?))),
            "map" => Ok(Self::Map(Box::new(Self::parse(arg)?))),
            "tuple" => match &arg.kind {
                ExprKind::Tuple(items) => items.iter().map(Self::parse).collect::<Result<_, _>>().map(Self::Tuple),
                _ => Err(invalid(arg.span, "Tuple type constructor requires a list of element types.")),
            },
            "object" => match &arg.kind {
                ExprKind::Object(items) => {
                    let mut attributes = BTreeMap::new();
                    for (key, value) in items {
                        let ExprKind::Literal(Value::String(key)) = &key.kind else {
                            return Err(invalid(key.span, "Object constructor map keys must be attribute names."));
                        };
                        attributes.insert(key.clone(), Attribute::parse(value)?);
                    }
                    Ok(Self::Object(attributes))
                }
                _ => Err(invalid(
                    arg.span,
                    "Object type constructor requires a map whose keys are attribute names and whose values are the \
                     corresponding attribute types.",
                )),
            },
            _ => Err(invalid(span, format!("Keyword {name:?} is not a valid type constructor."))),
        }
    }

    /// Converts as cty does: element by element, numbers and bools to text and back. Null stays null.
    pub(crate) fn convert(&self, value: Value) -> Result<Value, String> {
        match (self, value) {
            (Self::Any, value) => Ok(value),
            (_, Value::Null) => Ok(Value::Null),
            (Self::String, value) => value.to_text().map(Value::String).map_err(|_| "string required".to_owned()),
            (Self::Number, value) => value.to_number().map(Value::Number),
            (Self::Bool, value) => value.to_bool().map(Value::Bool),
            (Self::List(item), Value::List(items) | Value::Set(items)) => {
                items.into_iter().map(|value| item.convert(value)).collect::<Result<_, _>>().map(Value::List)
            }
            (Self::Set(item), Value::List(items) | Value::Set(items)) => {
                items.into_iter().map(|value| item.convert(value)).collect::<Result<_, _>>().map(Value::set)
            }
            (Self::Map(item), Value::Map(items)) => items
                .into_iter()
                .map(|(key, value)| Ok((key, item.convert(value)?)))
                .collect::<Result<_, String>>()
                .map(Value::Map),
            (Self::Object(attributes), Value::Map(mut items)) => {
                let mut out = BTreeMap::new();
                for (name, attribute) in attributes {
                    let value = match (items.remove(name), &attribute.default) {
                        (Some(Value::Null) | None, Some(default)) => default.clone(),
                        (Some(value), _) => {
                            attribute.kind.convert(value).map_err(|why| format!("attribute {name:?}: {why}"))?
                        }
                        (None, None) => return Err(format!("attribute {name:?} is required")),
                    };
                    out.insert(name.clone(), value);
                }
                Ok(Value::Map(out))
            }
            (Self::Tuple(kinds), Value::List(items)) => {
                if kinds.len() != items.len() {
                    return Err(format!("tuple required, with {} elements", kinds.len()));
                }
                kinds
                    .iter()
                    .zip(items)
                    .map(|(kind, value)| kind.convert(value))
                    .collect::<Result<_, _>>()
                    .map(Value::List)
            }
            (kind, _) => Err(format!("{} required", kind.name())),
        }
    }

    /// The word in a type that Nomad takes for no exact one.
    pub(crate) fn inexact(&self) -> Option<&'static str> {
        match self {
            Self::Any => Some("any"),
            Self::String | Self::Number | Self::Bool => None,
            Self::List(item) | Self::Set(item) | Self::Map(item) => item.inexact(),
            Self::Tuple(items) => items.iter().find_map(Self::inexact),
            Self::Object(attributes) => attributes.values().find_map(|attribute| match attribute.default {
                Some(_) => Some("optional"),
                None => attribute.kind.inexact(),
            }),
        }
    }

    /// As error texts say it: `list of string`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Any => "any value".to_owned(),
            Self::String => "string".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::List(item) => format!("list of {}", item.name()),
            Self::Set(item) => format!("set of {}", item.name()),
            Self::Map(item) => format!("map of {}", item.name()),
            Self::Object(_) => "object".to_owned(),
            Self::Tuple(_) => "tuple".to_owned(),
        }
    }

    /// Whether a value given as text (`-var x=…`, the environment) is an expression for this type, not the text itself.
    pub(crate) fn is_structured(&self) -> bool {
        !matches!(self, Self::String | Self::Number | Self::Bool | Self::Any)
    }
}

impl Attribute {
    /// Reads a type, `optional(type)` or `optional(type, default)`.
    fn parse(expr: &Expr) -> Result<Self, Flaw> {
        let ExprKind::Call { name, args, .. } = &expr.kind else {
            return Ok(Self { kind: Type::parse(expr)?, default: None });
        };
        let (kind, default) = match (name.as_str(), args.as_slice()) {
            ("optional", [kind]) => (Type::parse(kind)?, Value::Null),
            ("optional", [kind, default]) => {
                let kind = Type::parse(kind)?;
                let value = Evaluator::constants(&Cell::new(0)).eval(default, &Scope::new(&[]))?;
                let value =
                    kind.convert(value).map_err(|why| invalid(default.span, format!("Invalid default: {why}.")))?;
                (kind, value)
            }
            ("optional", _) => return Err(invalid(expr.span, "optional takes a type and perhaps a default value.")),
            _ => return Ok(Self { kind: Type::parse(expr)?, default: None }),
        };
        Ok(Self { kind, default: Some(default) })
    }
}

fn invalid(span: Span, detail: impl Into<String>) -> Flaw {
    Flaw::new(span, "Invalid type specification", detail)
}
