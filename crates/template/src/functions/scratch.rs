//! `scratch`: named values that live for one rendering, across blocks and defined templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Row, args};
use crate::context::Context;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[("scratch", 0, 0, |_, _| Ok(Value::Scratch))];

/// `Key k`, `Get k`, `Set k v`, `SetX k v`, `MapSet k field v`, `MapSetX k field v`, `MapValues k`.
///
/// The setters print nothing. The ones with X leave a value that is there already.
pub(crate) fn method(context: &mut Context<'_>, name: &str, a: &[Value]) -> Result<Value, String> {
    let wanted = match name {
        "Key" | "Get" | "MapValues" => 1,
        "Set" | "SetX" => 2,
        "MapSet" | "MapSetX" => 3,
        _ => {
            return Err(format!("scratch has no {name}; it has Key, Get, Set, SetX, MapSet, MapSetX, MapValues"));
        }
    };
    if a.len() != wanted {
        return Err(format!("scratch.{name}: wants {wanted} argument(s), got {}", a.len()));
    }
    let key = args::text(a, 0)?;
    let known = context.scratch.get(key.as_ref()).cloned();
    let field = |at| args::text(a, at).map(|field| Arc::<str>::from(field.as_ref()));
    let next = match name {
        "Key" => return Ok(known.is_some().into()),
        "Get" => return Ok(known.unwrap_or(Value::Nil)),
        "MapValues" => {
            return match known.as_ref().map(Value::as_map) {
                Some(Some(map)) => Ok(Value::list(map.values().cloned().collect())),
                None => Ok(Value::list(Vec::new())),
                Some(None) => Err(format!("scratch.MapValues: {key} is not a map")),
            };
        }
        "SetX" if known.is_some() => return Ok(Value::text("")),
        "Set" | "SetX" => a[1].clone(),
        _ => {
            let mut entries: BTreeMap<Arc<str>, Value> = match known.as_ref().map(Value::as_map) {
                Some(Some(map)) => (**map).clone(),
                None => BTreeMap::new(),
                Some(None) => return Err(format!("scratch.{name}: {key} is not a map")),
            };
            let field = field(1)?;
            if name == "MapSet" || !entries.contains_key(&field) {
                entries.insert(field, a[2].clone());
            }
            Value::map(entries)
        }
    };
    context.admit(&next)?;
    context.scratch.insert(key.as_ref().into(), next);
    Ok(Value::text(""))
}
