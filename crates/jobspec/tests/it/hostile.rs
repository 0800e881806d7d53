//! Whatever the bytes are: an answer, soon, without a panic or an overflow of the stack.

use baton_jobspec::{canonicalize, validate};
use proptest::prelude::*;

use crate::{job_with_group, read};

const EDGE: &str = include_str!("../golden/edge.nomad");

/// Without limits these inputs take minutes or all memory.
#[track_caller]
fn is_refused(text: &str, expected: &str) {
    let found = read(text).expect_err("must be refused");
    assert!(found.iter().any(|finding| finding.message().contains(expected)), "{}", found[0].message());
}

#[test]
fn deep_nesting() {
    const DEEP: usize = 10_000;
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{a=", "}"),
        ("\"${", "}\""),
        ("f(", ")"),
        ("!", ""),
        ("x[", "]"),
        ("\"%{if x}", "%{endif}\""),
    ] {
        let value = format!("{}1{}", open.repeat(DEEP), close.repeat(DEEP));
        is_refused(&job_with_group(&format!("meta = {{ a = {value} }}")), "");
    }
    is_refused(&format!("{}{}", "a {\n".repeat(DEEP), "}\n".repeat(DEEP)), "Nesting too deep");
    is_refused(&job_with_group(&format!("count = 1{}", "+1".repeat(DEEP))), "too long");
    is_refused(&format!("{{\"job\":{}{}", "[".repeat(DEEP), "]".repeat(DEEP)), "Nesting too deep");
}

#[test]
fn large_values() {
    let doubling: String =
        (1..60).map(|n| format!("  l{n} = \"${{local.l{}}}${{local.l{}}}\"\n", n - 1, n - 1)).collect();
    is_refused(
        &format!("locals {{\n  l0 = \"aaaaaaaaaaaaaaaa\"\n{doubling}}}\n{}", job_with_group("")),
        "Too much work",
    );
    let loops = "[for a in range(1024): [for b in range(1024): [for c in range(1024): c]]]";
    is_refused(&job_with_group(&format!("meta = {{ a = jsonencode({loops}) }}")), "Too much work");
    let blocks = "dynamic \"task\" {\n for_each = range(1000)\n labels = [\"t${task.key}\"]\n content {\n driver = \"raw_exec\"\n dynamic \"template\" {\n for_each = range(1000)\n content {\n data = \"${template.value}\"\n dynamic \"wait\" {\n for_each = range(1000)\n content {}\n }\n }\n }\n }\n }";
    is_refused(&job_with_group(blocks), "Too much work");
    is_refused(&"x".repeat(baton_jobspec::MAX_SOURCE_BYTES + 1), "File too large");
}

#[test]
fn long_files_are_read() {
    let meta: String = (0..20_000).map(|n| format!("    k{n} = \"value of {n}\"\n")).collect();
    let parsed = read(&job_with_group(&format!("meta {{\n{meta}}}"))).unwrap();
    assert_eq!(parsed.job.task_groups[0].meta.len(), 20_000);
    let wrong: String = (0..5_000).map(|n| format!("    k{n} = 1\n")).collect();
    assert!(!read(&job_with_group(&wrong)).unwrap_err().is_empty());
}

/// Changes some bytes of a valid file: cut, doubled, replaced by what means something to HCL.
fn mutated() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{", "}", "\"", "${", "%{", "<<EOF\n", "\n", "[", "]", "(", "=", "\\", "~}", "é", "*", ".", "for ", "$${", "#",
        "/*", "",
    ]);
    prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, pieces), 1..6).prop_map(|changes| {
        let mut text = EDGE.to_owned();
        for (index, cut, piece) in changes {
            let at = text.floor_char_boundary(index.index(text.len().max(1)));
            let end = text.floor_char_boundary((at + cut).min(text.len()));
            text.replace_range(at..end, piece);
        }
        text
    })
}

fn survives(text: &str) {
    if let Ok(parsed) = read(text) {
        parsed.problems();
        parsed.unsupported();
        baton_jobspec::diff(None, Some(&parsed.job), true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text(text in ".{0,200}") {
        survives(&text);
    }

    #[test]
    fn arbitrary_expressions(text in "[a-z0-9\"${}%\\[\\]()=~.,:?*+<>&|! \\\\\\n-]{0,80}") {
        survives(&job_with_group(&format!("meta = {{ a = {text} }}")));
        survives(&format!("{{\"job\":{{\"j\":{{\"group\":{{\"g\":{{\"meta\":{{\"a\":{}}}}}}}}}}}}}", serde_json::Value::from(text.as_str())));
    }

    #[test]
    fn mutated_files(text in mutated()) {
        if let Err(found) = read(&text) {
            let source = baton_jobspec::Source::new("test.nomad", text.as_str());
            for finding in found {
                prop_assert!(finding.file != "test.nomad" || finding.span.is_none() || finding.line > 0);
                finding.render(&source, false);
            }
        } else {
            survives(&text);
        }
    }

    #[test]
    fn mutated_json(path in 0usize..60, wrong in prop::sample::select(vec!["null", "-1", "\"x\"", "[]", "{}", "true", "1e99"])) {
        let mut job = serde_json::to_value(&read(EDGE).unwrap().job).unwrap();
        let mut pointers = Vec::new();
        pointers_of(&job, String::new(), &mut pointers);
        let pointer = pointers[path * pointers.len() / 60].clone();
        if let Some(place) = job.pointer_mut(&pointer) {
            *place = serde_json::from_str(wrong).unwrap();
        }
        if let Ok(job) = canonicalize(job) {
            validate(&job);
        }
    }
}

fn pointers_of(value: &serde_json::Value, path: String, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(key, value)| {
                pointers_of(value, format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), out)
            });
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| pointers_of(value, format!("{path}/{index}"), out));
        }
        _ => {}
    }
    out.push(path);
}
