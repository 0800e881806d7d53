//! sprig's dictionaries, defaults and type questions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{MANY, Row, args, compare, grouping};
use crate::context::Context;
use crate::value::Value;

pub(crate) const ROWS: &[Row] = &[
    ("dict", 0, MANY, |_, a| {
        let mut entries = BTreeMap::new();
        for at in (0..a.len()).step_by(2) {
            let value = a.get(at + 1).cloned().unwrap_or_else(|| Value::text(""));
            entries.insert(Arc::from(args::any_text(a, at).as_ref()), value);
        }
        Ok(Value::map(entries))
    }),
    ("get", 2, 2, |_, a| {
        let found = args::map(a, 0)?.get(args::text(a, 1)?.as_ref()).cloned();
        Ok(found.unwrap_or_else(|| Value::text("")))
    }),
    ("set", 3, 3, |_, a| {
        let mut entries = (**args::map(a, 0)?).clone();
        entries.insert(args::text(a, 1)?.as_ref().into(), a[2].clone());
        Ok(Value::map(entries))
    }),
    ("unset", 2, 2, |_, a| {
        let mut entries = (**args::map(a, 0)?).clone();
        entries.remove(args::text(a, 1)?.as_ref());
        Ok(Value::map(entries))
    }),
    ("hasKey", 2, 2, |_, a| Ok(args::map(a, 0)?.contains_key(args::text(a, 1)?.as_ref()).into())),
    ("keys", 1, MANY, |_, a| each_entry(a, |key, _| Value::Text(key.clone()))),
    ("values", 1, 1, |_, a| each_entry(a, |_, value| value.clone())),
    ("pluck", 1, MANY, |_, a| {
        let key = args::text(a, 0)?;
        let mut found = Vec::new();
        for at in 1..a.len() {
            found.extend(args::map(a, at)?.get(key.as_ref()).cloned());
        }
        Ok(Value::list(found))
    }),
    ("pick", 1, MANY, |_, a| choose(a, true)),
    ("omit", 1, MANY, |_, a| choose(a, false)),
    ("merge", 1, MANY, |_, a| merge(a, false)),
    ("mergeOverwrite", 1, MANY, |_, a| merge(a, true)),
    ("dig", 3, MANY, dig),
    ("deepCopy", 1, 1, |_, a| Ok(a[0].clone())),
    ("default", 1, 2, |_, a| Ok(if a.len() == 2 && a[1].is_true() { a[1].clone() } else { a[0].clone() })),
    ("empty", 1, 1, |_, a| Ok((!a[0].is_true()).into())),
    ("coalesce", 0, MANY, |_, a| Ok(a.iter().find(|value| value.is_true()).cloned().unwrap_or(Value::Nil))),
    ("all", 0, MANY, |_, a| Ok(a.iter().all(Value::is_true).into())),
    ("any", 0, MANY, |_, a| Ok(a.iter().any(Value::is_true).into())),
    ("ternary", 3, 3, |_, a| Ok(a[usize::from(!a[2].is_true())].clone())),
    ("fail", 1, 1, |_, a| Err(args::text(a, 0)?.into_owned())),
    ("typeOf", 1, 1, |_, a| Ok(a[0].kind().into())),
    ("kindOf", 1, 1, |_, a| Ok(kind(&a[0]).into())),
    ("kindIs", 2, 2, |_, a| Ok((args::text(a, 0)? == kind(&a[1])).into())),
    ("typeIs", 2, 2, |_, a| Ok((args::text(a, 0)? == a[1].kind()).into())),
    ("deepEqual", 2, 2, |_, a| Ok(compare::equal(&a[0], &a[1]).into())),
];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "invalid",
        Value::List(_) => "slice",
        Value::Record(_) => "struct",
        other => other.kind(),
    }
}

fn each_entry(a: &[Value], take: fn(&Arc<str>, &Value) -> Value) -> Result<Value, String> {
    let mut items = Vec::new();
    for at in 0..a.len() {
        items.extend(args::map(a, at)?.iter().map(|(key, value)| take(key, value)));
    }
    Ok(Value::list(items))
}

/// The entries with these keys, or without them. Keys may also come as lists.
fn choose(a: &[Value], wanted: bool) -> Result<Value, String> {
    let mut keys = Vec::new();
    for (at, key) in a.iter().enumerate().skip(1) {
        match key {
            Value::List(list) => keys.extend(list.iter().map(Value::to_string)),
            _ => keys.push(args::text(a, at)?.into_owned()),
        }
    }
    let entries = args::map(a, 0)?
        .iter()
        .filter(|(key, _)| keys.iter().any(|known| known.as_str() == key.as_ref()) == wanted)
        .map(|(key, value)| (key.clone(), value.clone()));
    Ok(Value::map(entries.collect()))
}

fn merge(a: &[Value], over: bool) -> Result<Value, String> {
    let mut merged = a[0].clone();
    for at in 0..a.len() {
        args::map(a, at)?;
        if at > 0 {
            merged = grouping::merge_two(&merged, &a[at], over);
        }
    }
    Ok(merged)
}

/// `dig "a" "b" default dict`.
fn dig(_: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (keys, default) = (&a[..a.len() - 2], &a[a.len() - 2]);
    let mut value = args::last(a).clone();
    for at in 0..keys.len() {
        let key = args::text(keys, at)?;
        let Some(next) = value.as_map().and_then(|map| map.get(key.as_ref()).cloned()) else {
            return Ok(default.clone());
        };
        value = next;
    }
    Ok(value)
}
