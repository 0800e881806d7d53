//! Comparison of two JSON objects, whatever they mean.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::{DiffType, FieldDiff, ObjectDiff};

type Object = Map<String, Json>;

/// Lists whose name in the diff is the singular.
const SINGULAR: &[(&str, &str)] = &[
    ("Affinities", "Affinity"),
    ("Artifacts", "Artifact"),
    ("Checks", "Check"),
    ("Constraints", "Constraint"),
    ("Devices", "Device"),
    ("DynamicPorts", "Dynamic Port"),
    ("Identities", "Identity"),
    ("Links", "Link"),
    ("Networks", "Network"),
    ("ReservedPorts", "Static Port"),
    ("Services", "Service"),
    ("Spreads", "Spread"),
    ("Templates", "Template"),
    ("VolumeMounts", "VolumeMount"),
    ("Volumes", "Volume"),
    ("Actions", "Action"),
];

/// Maps of plain values whose keys are shown as `Meta[key]`.
const FLAT: &[&str] = &["Meta", "Env", "CanaryMeta", "TaggedAddresses", "GetterOptions", "GetterHeaders"];

/// Fields by which the members of a list are told apart, the first that is there.
const IDENTITIES: &[&str] = &["Name", "Label", "DestPath", "Volume", "Value"];

#[derive(Default)]
pub(super) struct Comparison {
    pub(super) diff_type: DiffType,
    pub(super) fields: Vec<FieldDiff>,
    pub(super) objects: Vec<ObjectDiff>,
}

pub(super) fn json(value: &impl Serialize) -> Object {
    match serde_json::to_value(value) {
        Ok(Json::Object(object)) => object,
        _ => Object::new(),
    }
}

pub(super) fn compare(old: Option<&Object>, new: Option<&Object>, contextual: bool) -> Comparison {
    let mut out = Comparison::default();
    let empty = Object::new();
    let (before, after) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        part(name, before.get(name), after.get(name), contextual, &mut out);
    }
    out.fields.sort_by(|a, b| a.name.cmp(&b.name));
    out.objects.sort_by(|a, b| a.name.cmp(&b.name));
    let changed = out.fields.iter().any(|field| field.diff_type != DiffType::None)
        || out.objects.iter().any(|object| object.diff_type != DiffType::None);
    out.diff_type = match (old, new) {
        (None, Some(_)) => DiffType::Added,
        (Some(_), None) => DiffType::Deleted,
        _ if changed => DiffType::Edited,
        _ => DiffType::None,
    };
    out
}

fn part(name: &str, old: Option<&Json>, new: Option<&Json>, contextual: bool, out: &mut Comparison) {
    let (old, new) = (old.filter(|value| !value.is_null()), new.filter(|value| !value.is_null()));
    match old.or(new) {
        None => {}
        Some(Json::Object(_)) => {
            let (old, new) = (old.and_then(Json::as_object), new.and_then(Json::as_object));
            if FLAT.contains(&name) {
                flat(name, old, new, contextual, out);
            } else if name == "Volumes" {
                let members =
                    |object: Option<&Object>| object.map(|o| o.values().cloned().collect()).unwrap_or_default();
                list(name, members(old), members(new), contextual, out);
            } else if name == "Config" || name == "Policy" {
                push(
                    out,
                    name,
                    compare(old.map(flattened).as_ref(), new.map(flattened).as_ref(), contextual),
                    contextual,
                );
            } else {
                push(out, name, compare(old, new, contextual), contextual);
            }
        }
        Some(Json::Array(_)) => {
            let members = |value: Option<&Json>| value.and_then(Json::as_array).cloned().unwrap_or_default();
            list(name, members(old), members(new), contextual, out);
        }
        Some(_) => field(name.to_owned(), old.map(text), new.map(text), contextual, &mut out.fields),
    }
}

/// An object without changes is left out, even with context.
fn push(out: &mut Comparison, name: &str, comparison: Comparison, contextual: bool) {
    if comparison.diff_type == DiffType::None {
        return;
    }
    let Comparison { diff_type, mut fields, objects } = comparison;
    if !contextual {
        fields.retain(|field| field.diff_type != DiffType::None);
    }
    out.objects.push(ObjectDiff { diff_type, name: name.to_owned(), fields, objects });
}

fn flat(name: &str, old: Option<&Object>, new: Option<&Object>, contextual: bool, out: &mut Comparison) {
    let keys: BTreeSet<&String> = old.into_iter().chain(new).flat_map(|object| object.keys()).collect();
    for key in keys {
        let find = |object: Option<&Object>| object.and_then(|object| object.get(key)).map(text);
        field(format!("{name}[{key}]"), find(old), find(new), contextual, &mut out.fields);
    }
}

/// An empty text counts as not there.
fn field(name: String, old: Option<String>, new: Option<String>, contextual: bool, out: &mut Vec<FieldDiff>) {
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let diff_type = match (old.is_empty(), new.is_empty()) {
        _ if old == new => DiffType::None,
        (true, false) => DiffType::Added,
        (false, true) => DiffType::Deleted,
        _ => DiffType::Edited,
    };
    if diff_type != DiffType::None || (contextual && !old.is_empty()) {
        out.push(FieldDiff { diff_type, name, old, new, annotations: Vec::new() });
    }
}

fn list(name: &str, old: Vec<Json>, new: Vec<Json>, contextual: bool, out: &mut Comparison) {
    let singular = SINGULAR.iter().find(|(plural, _)| *plural == name).map_or(name, |(_, singular)| *singular);
    if !old.iter().chain(&new).any(Json::is_object) {
        return set(name, &old, &new, contextual, out);
    }
    for (old, new) in matched(name, &old, &new) {
        let comparison = compare(old.and_then(Json::as_object), new.and_then(Json::as_object), contextual);
        push(out, singular, comparison, contextual);
    }
}

/// Plain values: what is only in one of the lists.
fn set(name: &str, old: &[Json], new: &[Json], contextual: bool, out: &mut Comparison) {
    let (before, after): (Vec<String>, Vec<String>) = (old.iter().map(text).collect(), new.iter().map(text).collect());
    let mut fields = Vec::new();
    for value in before.iter().filter(|value| !after.contains(value)) {
        field(name.to_owned(), Some(value.clone()), None, contextual, &mut fields);
    }
    for value in after.iter().filter(|value| !before.contains(value)) {
        field(name.to_owned(), None, Some(value.clone()), contextual, &mut fields);
    }
    if fields.is_empty() {
        // The same values in another order, such as arguments.
        if before != after {
            let join = |values: &[String]| Some(values.join(", "));
            field(name.to_owned(), join(&before), join(&after), contextual, &mut fields);
        } else {
            return;
        }
    } else if contextual {
        for value in before.iter().filter(|value| after.contains(value)) {
            field(name.to_owned(), Some(value.clone()), Some(value.clone()), true, &mut fields);
        }
    }
    let diff_type = match (before.is_empty(), after.is_empty()) {
        (true, false) => DiffType::Added,
        (false, true) => DiffType::Deleted,
        _ => DiffType::Edited,
    };
    out.objects.push(ObjectDiff { diff_type, name: name.to_owned(), fields, objects: Vec::new() });
}

type Pair<'a> = (Option<&'a Json>, Option<&'a Json>);

/// Members with the same identity are compared; without one, equal members cancel out.
fn matched<'a>(name: &str, old: &'a [Json], new: &'a [Json]) -> Vec<Pair<'a>> {
    let identity = |value: &Json| -> String {
        let named = !matches!(name, "Constraints" | "Affinities" | "Spreads" | "Artifacts");
        let known = IDENTITIES
            .iter()
            .filter(|_| named)
            .find_map(|field| value.get(*field)?.as_str().filter(|text| !text.is_empty()));
        known.map_or_else(|| if named && name == "Networks" { String::new() } else { value.to_string() }, str::to_owned)
    };
    let mut waiting: BTreeMap<String, Vec<&Json>> = BTreeMap::new();
    for member in new.iter().rev() {
        waiting.entry(identity(member)).or_default().push(member);
    }
    let mut out: Vec<Pair<'a>> =
        old.iter().map(|member| (Some(member), waiting.get_mut(&identity(member)).and_then(Vec::pop))).collect();
    let left: Vec<&Json> =
        new.iter().filter(|member| waiting.values().flatten().any(|left| std::ptr::eq(*left, *member))).collect();
    out.extend(left.into_iter().map(|member| (None, Some(member))));
    out
}

/// `{"args": ["-v"]}` → `{"args[0]": "-v"}`.
fn flattened(object: &Object) -> Object {
    fn into(path: &str, value: &Json, out: &mut Object) {
        match value {
            Json::Object(members) => {
                members.iter().for_each(|(key, value)| into(&format!("{path}[{key}]"), value, out))
            }
            Json::Array(items) => {
                items.iter().enumerate().for_each(|(index, value)| into(&format!("{path}[{index}]"), value, out))
            }
            other => {
                out.insert(path.to_owned(), other.clone());
            }
        }
    }
    let mut out = Object::new();
    object.iter().for_each(|(key, value)| into(key, value, &mut out));
    out
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
