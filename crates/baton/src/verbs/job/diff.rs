//! The differences of a plan, as text: `+` added, `-` removed, `+/-` edited.

use serde_json::Value;

/// The whole job.
pub fn job(diff: &Value) -> String {
    let mut out = vec![format!("{}Job: {:?}", marker(diff), text(diff, "ID"))];
    body(diff, 0, &mut out);
    for group in list(diff, "TaskGroups") {
        if kind(group) == "None" && updates(group).is_empty() {
            continue;
        }
        out.push(format!("{}Task Group: {:?}{}", marker(group), text(group, "Name"), updates(group)));
        body(group, 2, &mut out);
        for task in list(group, "Tasks").iter().filter(|task| kind(task) != "None") {
            out.push(format!("  {}Task: {:?}{}", marker(task), text(task, "Name"), annotations(task)));
            body(task, 4, &mut out);
        }
        out.push(String::new());
    }
    out.join("\n")
}

/// Fields and nested objects.
fn body(diff: &Value, indent: usize, out: &mut Vec<String>) {
    let pad = " ".repeat(indent);
    for field in list(diff, "Fields").iter().filter(|field| kind(field) != "None") {
        let (old, new) = (text(field, "Old"), text(field, "New"));
        let values = match kind(field) {
            "Added" => format!("{new:?}"),
            "Deleted" => format!("{old:?}"),
            _ => format!("{old:?} => {new:?}"),
        };
        out.push(format!("{pad}{}{}: {values}{}", marker(field), text(field, "Name"), annotations(field)));
    }
    for object in list(diff, "Objects").iter().filter(|object| kind(object) != "None") {
        out.push(format!("{pad}{}{} {{", marker(object), text(object, "Name")));
        body(object, indent + 2, out);
        out.push(format!("{pad}    }}"));
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn kind(value: &Value) -> &str {
    text(value, "Type")
}

fn marker(value: &Value) -> &'static str {
    match kind(value) {
        "Added" => "+   ",
        "Deleted" => "-   ",
        "Edited" => "+/- ",
        _ => "    ",
    }
}

/// ` (1 create, 2 in-place update)`
fn updates(group: &Value) -> String {
    let counts = group.get("Updates").and_then(Value::as_object);
    let parts: Vec<_> = counts
        .into_iter()
        .flatten()
        .filter(|(_, count)| count.as_u64().unwrap_or(0) > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn annotations(value: &Value) -> String {
    let parts: Vec<_> = list(value, "Annotations").iter().filter_map(Value::as_str).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn shows_what_changes() {
        let diff = json!({
            "Type": "Edited", "ID": "web",
            "Fields": [{ "Type": "Edited", "Name": "Priority", "Old": "50", "New": "60" }],
            "TaskGroups": [{
                "Type": "Edited", "Name": "g", "Updates": { "create/destroy update": 2, "ignore": 0 },
                "Tasks": [{
                    "Type": "Edited", "Name": "t", "Annotations": ["forces create/destroy update"],
                    "Objects": [{ "Type": "Edited", "Name": "Config", "Fields": [
                        { "Type": "Added", "Name": "args[1]", "Old": "", "New": "-v" },
                        { "Type": "None", "Name": "command", "Old": "x", "New": "x" },
                    ] }],
                }],
            }],
        });
        let expected = "+/- Job: \"web\"\n\
                        +/- Priority: \"50\" => \"60\"\n\
                        +/- Task Group: \"g\" (2 create/destroy update)\n  \
                        +/- Task: \"t\" (forces create/destroy update)\n    \
                        +/- Config {\n      \
                        +   args[1]: \"-v\"\n        }\n";
        assert_eq!(super::job(&diff), expected);
    }
}
