//! Type constraints of `variable` blocks and the conversion of values to them.

use std::collections::BTreeMap;

use crate::diagnostic::{Flaw, Span};
use crate::eval::{Ordered, Value};
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
    Object(BTreeMap<String, (Type, bool)>),
    Tuple(Vec<Type>),
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
                        let (value, optional) = match &value.kind {
                            ExprKind::Call { name, args, .. } if name == "optional" && !args.is_empty() => {
                                (&args[0], true)
                            }
                            _ => (value, false),
                        };
                        attributes.insert(key.clone(), (Self::parse(value)?, optional));
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
            (Self::List(item), Value::List(items)) => {
                items.into_iter().map(|value| item.convert(value)).collect::<Result<_, _>>().map(Value::List)
            }
            (Self::Set(item), Value::List(items)) => {
                let items: Vec<_> = items.into_iter().map(|value| item.convert(value)).collect::<Result<_, _>>()?;
                Ok(Value::List(as_set(items)))
            }
            (Self::Map(item), Value::Map(items)) => items
                .into_iter()
                .map(|(key, value)| Ok((key, item.convert(value)?)))
                .collect::<Result<_, String>>()
                .map(Value::Map),
            (Self::Object(attributes), Value::Map(mut items)) => {
                let mut out = BTreeMap::new();
                for (name, (kind, optional)) in attributes {
                    match items.remove(name) {
                        Some(value) => {
                            let value = kind.convert(value).map_err(|why| format!("attribute {name:?}: {why}"))?;
                            out.insert(name.clone(), value);
                        }
                        None if *optional => {
                            out.insert(name.clone(), Value::Null);
                        }
                        None => return Err(format!("attribute {name:?} is required")),
                    }
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

/// Sets are ordered and hold each value once.
pub(crate) fn as_set(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by(|a, b| Ordered(a).cmp(&Ordered(b)));
    items.dedup_by(|a, b| Ordered(a) == Ordered(b));
    items
}

fn invalid(span: Span, detail: impl Into<String>) -> Flaw {
    Flaw::new(span, "Invalid type specification", detail)
}
