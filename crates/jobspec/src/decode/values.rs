//! One argument's value, converted to what its rule asks for.

use baton_model::Nanos;
use serde_json::Value as Json;

use super::Decoder;
use super::schema::Kind;
use crate::diagnostic::{Flaw, Span};
use crate::eval::{Scope, Value};
use crate::syntax::ast::Expr;

impl Decoder<'_> {
    /// Nothing when the value is null or wrong (which is then reported).
    pub(super) fn value(&mut self, expr: &Expr, kind: Kind, scope: &Scope<'_>) -> Option<Json> {
        let value = self.eval(expr, scope)?;
        match convert(&value, kind, expr.span) {
            Ok(value) => value,
            Err(flaw) => {
                self.flaws.push(flaw);
                None
            }
        }
    }
}

pub(super) fn convert(value: &Value, kind: Kind, span: Span) -> Result<Option<Json>, Flaw> {
    let unsuitable = |why: &str| Flaw::new(span, "Unsuitable value type", format!("Unsuitable value: {why}"));
    if *value == Value::Null {
        return match kind {
            Kind::Duration => Err(Flaw::new(span, "Unsuitable value", "Unsuitable duration value: nil")),
            _ => Ok(None),
        };
    }
    let json = match kind {
        Kind::Text => Json::String(value.to_text().map_err(|_| unsuitable("string required"))?),
        Kind::Bool => Json::Bool(value.to_bool().map_err(|why| unsuitable(&why))?),
        Kind::Whole | Kind::Byte => {
            let number = value.to_number().map_err(|why| unsuitable(&why))?;
            let number = number.as_i64().ok_or_else(|| unsuitable("value must be a whole number"))?;
            if kind == Kind::Byte && !(0..=255).contains(&number) {
                return Err(unsuitable("value must be a whole number, between 0 and 255 inclusive"));
            }
            Json::from(number)
        }
        Kind::Anything => value.to_json(),
        Kind::Refused(why) => return Err(unsuitable(why)),
        Kind::Duration => Json::from(duration(value, span)?.0),
        Kind::Texts => match value {
            Value::List(items) | Value::Set(items) => Json::Array(
                items
                    .iter()
                    .map(|item| item.to_text().map(Json::String).map_err(|_| unsuitable("list of string required")))
                    .collect::<Result<_, _>>()?,
            ),
            _ => return Err(unsuitable("list of string required").help("write the value in brackets: [\"…\"]")),
        },
        Kind::TextMap => match value {
            Value::Map(items) => Json::Object(
                items
                    .iter()
                    .map(|(key, item)| {
                        if *item == Value::Null {
                            return Err(null(span));
                        }
                        let text = item.to_text().map_err(|_| unsuitable("map of string required"))?;
                        Ok((key.clone(), Json::String(text)))
                    })
                    .collect::<Result<_, Flaw>>()?,
            ),
            _ => return Err(unsuitable("map of string required")),
        },
    };
    Ok(Some(json))
}

/// Nothing where something must be.
pub(super) fn null(span: Span) -> Flaw {
    Flaw::new(span, "Unsuitable value type", "Unsuitable value: null value is not allowed")
}

fn duration(value: &Value, span: Span) -> Result<Nanos, Flaw> {
    match value {
        Value::String(text) => text.parse().map_err(|why| {
            let flaw = Flaw::new(span, "Unsuitable value type", format!("Unsuitable duration value: time: {why}"));
            match text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()) {
                Some(days) => flaw.help(format!("there is no unit for days; write \"{}h\"", days.saturating_mul(24))),
                None if text.parse::<f64>().is_ok() => flaw.help(format!("add a unit, such as \"{text}s\"")),
                None => flaw,
            }
        }),
        Value::Number(number) => number.as_i64().map(Nanos).ok_or_else(|| {
            Flaw::new(span, "Unsuitable value type", "Unsuitable value: value must be a whole number of nanoseconds")
        }),
        other => Err(Flaw::new(
            span,
            "Unsuitable value type",
            format!("Unsuitable value: expected a string but found {}", other.kind()),
        )),
    }
}
