//! Lists, sets and maps.

use std::collections::{BTreeMap, BTreeSet};

use super::{Args, CallError, Outcome, failed};
use crate::eval::{Number, Ordered, Type, Value};

/// Longest list that `range` makes.
const LONGEST_LIST: usize = 1024;
/// Most work that the rows of `setproduct` may be, in the unit of [`Value::weight`].
const LARGEST_PRODUCT: u64 = 1 << 18;

/// Elements of several kinds become texts.
fn as_set(items: Vec<Value>) -> Outcome {
    let kind = if items.iter().all(Value::is_primitive) && items.iter().any(|item| item.kind() != items[0].kind()) {
        Type::String
    } else {
        Type::Any
    };
    Type::Set(Box::new(kind)).convert(Value::List(items)).map_err(CallError::Failed)
}

pub(super) fn chunklist(args: &Args<'_>) -> Outcome {
    let items = args.list(0)?;
    let size = usize::try_from(args.whole(1)?)
        .map_err(|_| CallError::Argument(1, "the size argument must be positive".to_owned()))?;
    if size == 0 {
        return Ok(Value::List(vec![Value::List(items.to_vec())]));
    }
    Ok(Value::List(items.chunks(size).map(|chunk| Value::List(chunk.to_vec())).collect()))
}

pub(super) fn coalesce(args: &Args<'_>) -> Outcome {
    match args.0.iter().find(|value| **value != Value::Null) {
        Some(value) => Ok(value.clone()),
        None => failed("no non-null arguments"),
    }
}

pub(super) fn coalescelist(args: &Args<'_>) -> Outcome {
    for index in 0..args.len() {
        if *args.value(index) != Value::Null && !args.sequence(index)?.is_empty() {
            return Ok(args.value(index).clone());
        }
    }
    failed("no non-null arguments")
}

pub(super) fn compact(args: &Args<'_>) -> Outcome {
    let kept = args.list(0)?.iter().filter(|value| !matches!(value, Value::Null));
    let texts: Vec<String> = kept
        .map(|value| value.to_text().map_err(|_| CallError::Argument(0, "list of string required".to_owned())))
        .collect::<Result<_, _>>()?;
    Ok(Value::List(texts.into_iter().filter(|text| !text.is_empty()).map(Value::String).collect()))
}

pub(super) fn concat(args: &Args<'_>) -> Outcome {
    let mut out = Vec::new();
    for index in 0..args.len() {
        out.extend_from_slice(args.sequence(index)?);
    }
    Ok(Value::List(out))
}

pub(super) fn contains(args: &Args<'_>) -> Outcome {
    Ok(Value::Bool(args.list(0)?.contains(args.value(1))))
}

pub(super) fn distinct(args: &Args<'_>) -> Outcome {
    let mut seen = BTreeSet::new();
    let kept = args.list(0)?.iter().filter(|item| seen.insert(Ordered(item)));
    Ok(Value::List(kept.cloned().collect()))
}

/// Wraps around on both ends: `element(["a", "b"], 3)` and `element(["a", "b"], -1)` are `"b"`.
pub(super) fn element(args: &Args<'_>) -> Outcome {
    let (items, index) = (args.sequence(0)?, args.whole(1)?);
    if items.is_empty() {
        return failed("cannot use element function with an empty list");
    }
    Ok(items[index.rem_euclid(items.len() as i64) as usize].clone())
}

pub(super) fn flatten(args: &Args<'_>) -> Outcome {
    fn into(items: &[Value], out: &mut Vec<Value>) {
        for item in items {
            match item {
                Value::List(inner) | Value::Set(inner) => into(inner, out),
                other => out.push(other.clone()),
            }
        }
    }
    let mut out = Vec::new();
    into(args.list(0)?, &mut out);
    Ok(Value::List(out))
}

pub(super) fn index(args: &Args<'_>) -> Outcome {
    match (args.value(0), args.value(1)) {
        (Value::List(items), key) => {
            let position = key.to_number().map_err(|why| CallError::Argument(1, why))?.as_i64();
            let found = position.and_then(|position| usize::try_from(position).ok()).and_then(|at| items.get(at));
            found.cloned().ok_or_else(|| CallError::Failed("invalid index".to_owned()))
        }
        (Value::Map(items), key) => {
            let key = key.to_text().map_err(|why| CallError::Argument(1, why))?;
            items.get(&key).cloned().ok_or_else(|| CallError::Failed("invalid index".to_owned()))
        }
        (other, _) => Err(CallError::Argument(0, format!("a list or a map is required, but have {}", other.kind()))),
    }
}

pub(super) fn keys(args: &Args<'_>) -> Outcome {
    Ok(Value::List(args.map(0)?.keys().map(Value::text).collect()))
}

pub(super) fn values(args: &Args<'_>) -> Outcome {
    Ok(Value::List(args.map(0)?.values().cloned().collect()))
}

pub(super) fn length(args: &Args<'_>) -> Outcome {
    match args.value(0) {
        Value::List(items) | Value::Set(items) => Ok(Value::Number(items.len().into())),
        Value::Map(items) => Ok(Value::Number(items.len().into())),
        other => Err(CallError::Argument(
            0,
            format!("a collection is required, but have {}; strlen counts characters", other.kind()),
        )),
    }
}

pub(super) fn lookup(args: &Args<'_>) -> Outcome {
    let key = args.text(1)?;
    Ok(args.map(0)?.get(&key).unwrap_or(args.value(2)).clone())
}

pub(super) fn merge(args: &Args<'_>) -> Outcome {
    let mut out = BTreeMap::new();
    for index in 0..args.len() {
        if *args.value(index) != Value::Null {
            out.extend(args.map(index)?.clone());
        }
    }
    Ok(Value::Map(out))
}

pub(super) fn range(args: &Args<'_>) -> Outcome {
    let number = |index| args.number(index).map(Number::as_f64);
    let (start, end) = if args.len() == 1 { (0.0, number(0)?) } else { (number(0)?, number(1)?) };
    let step = if args.len() == 3 {
        number(2)?
    } else if end < start {
        -1.0
    } else {
        1.0
    };
    if step == 0.0 {
        return failed("step must not be zero");
    }
    if (end < start) != (step < 0.0) && end != start {
        return failed("the step leads away from the end");
    }
    let mut out = Vec::new();
    let mut at = start;
    while (step > 0.0 && at < end) || (step < 0.0 && at > end) {
        if out.len() >= LONGEST_LIST {
            return failed(format!(
                "more than {LONGEST_LIST} values were generated; either decrease the difference between start and end or use a smaller step"
            ));
        }
        out.push(Value::Number(Number::rounded(at)));
        at = start + step * out.len() as f64;
    }
    Ok(Value::List(out))
}

pub(super) fn setunion(args: &Args<'_>) -> Outcome {
    let mut all = Vec::new();
    for index in 0..args.len() {
        all.extend_from_slice(args.list(index)?);
    }
    as_set(all)
}

pub(super) fn setintersection(args: &Args<'_>) -> Outcome {
    let mut kept = args.list(0)?.to_vec();
    for index in 1..args.len() {
        let other: BTreeSet<_> = args.list(index)?.iter().map(Ordered).collect();
        kept.retain(|item| other.contains(&Ordered(item)));
    }
    as_set(kept)
}

pub(super) fn setproduct(args: &Args<'_>) -> Outcome {
    let lists = (0..args.len()).map(|index| args.list(index)).collect::<Result<Vec<_>, _>>()?;
    // Each item of a list stands in so many rows as the other lists make.
    let rows = lists.iter().fold(1u64, |rows, items| rows.saturating_mul(items.len() as u64));
    if rows == 0 {
        return Ok(Value::List(Vec::new()));
    }
    let weights = lists.iter().map(|items| {
        let weight = items.iter().map(Value::weight).sum::<u64>();
        (rows / items.len() as u64).saturating_mul(weight)
    });
    if weights.fold(rows, u64::saturating_add) > LARGEST_PRODUCT {
        return failed("the product has too many elements");
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for items in lists {
        rows = rows
            .iter()
            .flat_map(|row| items.iter().map(move |item| row.iter().cloned().chain([item.clone()]).collect()))
            .collect();
    }
    Ok(Value::List(rows.into_iter().map(Value::List).collect()))
}

pub(super) fn slice(args: &Args<'_>) -> Outcome {
    let (items, start, end) = (args.sequence(0)?, args.whole(1)?, args.whole(2)?);
    if start < 0 {
        return Err(CallError::Argument(1, "start index must not be less than zero".to_owned()));
    }
    if start > end {
        return Err(CallError::Argument(1, "start index must not be greater than end index".to_owned()));
    }
    if end > items.len() as i64 {
        return Err(CallError::Argument(2, "end index must not be greater than the length of the list".to_owned()));
    }
    Ok(Value::List(items[start as usize..end as usize].to_vec()))
}

pub(super) fn sort(args: &Args<'_>) -> Outcome {
    let mut texts = args.texts(0)?;
    texts.sort();
    Ok(Value::List(texts.into_iter().map(Value::String).collect()))
}

pub(super) fn zipmap(args: &Args<'_>) -> Outcome {
    let (keys, values) = (args.texts(0)?, args.list(1)?);
    if keys.len() != values.len() {
        return failed(format!("number of keys ({}) does not match number of values ({})", keys.len(), values.len()));
    }
    Ok(Value::Map(keys.into_iter().zip(values.iter().cloned()).collect()))
}
