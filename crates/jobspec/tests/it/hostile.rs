//! Whatever the bytes are: an answer, soon, without a panic or an overflow of the stack.

use baton_jobspec::{canonicalize, validate};
use proptest::prelude::*;

use crate::{job_with_group, read};

const EDGE: &str = include_str!("../golden/edge.nomad");

/// Without limits these inputs take minutes or all memory.
#[track_caller]
fn is_refused(text: &str, expected: &str) {
    let Err(found) = read(text) else { panic!("{expected}: not refused") };
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
    let blocks = "dynamic \"task\" {\n for_each = range(1000)\n labels = [\"t${task.key}\"]\n content {\n driver = \"raw_exec\"\n dynamic \"template\" {\n for_each = range(1000)\n content {\n data = \"${template.value}\"\n }\n }\n }\n }";
    is_refused(&job_with_group(blocks), "Too much work");
    is_refused(&"x".repeat(baton_jobspec::MAX_SOURCE_BYTES + 1), "File too large");
}

/// A little text that would become very much, or take very long.
#[test]
fn amplifying_functions() {
    let job = |local: &str, value: &str| {
        format!("locals {{\n s = {local}\n}}\n{}", job_with_group(&format!("meta = {{ a = jsonencode({value}) }}")))
    };
    let long = format!("\"{}\"", "x".repeat(100_000));
    let lines = format!("\"{}\"", "\\n".repeat(100_000));
    let table = format!("\"{}\\n{}\"", "x".repeat(10_000), "a\\n".repeat(10_000));
    let numbers = format!("concat({})", "range(1024), ".repeat(100));
    const TOO_LONG: &str = "the result is longer than 8388608 bytes";
    for (local, value, expected) in [
        (long.as_str(), "replace(local.s, \"x\", local.s)", TOO_LONG),
        (&long, "replace(local.s, \"\", local.s)", TOO_LONG),
        (&long, "regex_replace(local.s, \"x\", local.s)", TOO_LONG),
        (&long, "join(local.s, range(1024))", TOO_LONG),
        (&lines, "indent(1000, local.s)", TOO_LONG),
        (&table, "csvdecode(local.s)", TOO_LONG),
        ("\"x\"", &format!("format(\"{}\", local.s)", "%1000[1]s".repeat(10_000)), TOO_LONG),
        (&long, "setproduct(range(256), range(256), [local.s])", "the product has too many elements"),
        ("[1]", &format!("setproduct(range(256), range(256){})", ", local.s".repeat(500)), "too many elements"),
        ("\"conf\"", "[for i in range(1000): fileset(local.s, \"*\")]", "Too much work"),
        ("\"x\"", "regex_replace(local.s, \"((a{100}){100}){100}\", \"\")", "it is too large"),
        ("[\"x\"]", &format!("local.s{}", "[*]".repeat(1000)), "At most 64 splats"),
        ("\"x\"", &format!("jsondecode(\"{}\")", "[".repeat(100_000)), "recursion limit exceeded"),
        ("\"x\"", &format!("yamldecode(\"{}\")", "[".repeat(100_000)), "recursion limit exceeded"),
        ("\"x\"", "cidrsubnet(\"10.0.0.0/8\", 9223372036854775807, 0)", "insufficient address space"),
    ] {
        is_refused(&job(local, value), expected);
    }
    let kept = read(&job(&numbers, "[length(distinct(local.s)), length(setunion(local.s, local.s))]")).unwrap();
    assert_eq!(kept.job.task_groups[0].meta["a"], "[1024,1024]");
}

/// Values of many kinds have an order, too: sorting by half of one may panic.
#[test]
fn sets_of_many_kinds() {
    let items =
        "\"b\", 1, [], \"a\", 0, {}, true, null, 2, \"z\", 9, 8, 7, 6, 5, 4, 3, 1, 1, [1], [0], {a = 1}, 3.5, false";
    let parsed =
        read(&job_with_group(&format!("meta = {{ a = jsonencode(setunion([{items}], [{items}])) }}"))).unwrap();
    assert_eq!(
        parsed.job.task_groups[0].meta["a"],
        "[null,false,true,0,1,2,3,3.5,4,5,6,7,8,9,\"a\",\"b\",\"z\",[],[0],[1],{},{\"a\":1}]"
    );
}

/// Names that refer to each other, in any order and however many.
#[test]
fn chains_of_locals() {
    let chain: String = (1..5000).map(|n| format!("  l{n} = local.l{}\n", n - 1)).collect();
    let text = format!("locals {{\n{chain}  l0 = \"end\"\n}}\n{}", job_with_group("meta { a = local.l4999 }"));
    assert_eq!(read(&text).unwrap().job.task_groups[0].meta["a"], "end");
    let nested: String = (1..2000).map(|n| format!("  l{n} = [local.l{}]\n", n - 1)).collect();
    is_refused(&format!("locals {{\n  l0 = 1\n{nested}}}\n{}", job_with_group("")), "at most 256 levels deep");
    let big: String = (0..2000).map(|n| format!("k{n} = \"{n}\", ")).collect();
    let uses: String = (0..2000).map(|n| format!("    m{n} = local.big.k{n}\n")).collect();
    let text = format!("locals {{\n  big = {{ {big} }}\n}}\n{}", job_with_group(&format!("meta {{\n{uses}}}")));
    assert_eq!(read(&text).unwrap().job.task_groups[0].meta["m1999"], "1999");
}

#[test]
fn crowded_files() {
    let keys: String = (0..10_000).map(|n| format!("k{n} = 1, ")).collect();
    is_refused(&job_with_group(&format!("meta = {{ {keys} }}")), "Object too large");
    let line: String = (0..20_000).map(|n| format!("\"k{n}\": 1,")).collect();
    is_refused(&format!("{{\"job\": {{\"j\": {{{line} \"type\": 1}}}}}}"), "An argument named \"k0\"");
    is_refused(&format!("{{{}}}", " ".repeat(baton_jobspec::MAX_SOURCE_BYTES)), "File too large");
    let text = job_with_group(&format!("meta = {{ a = timeadd(\"{}\", \"1h\") }}", "x".repeat(100_000)));
    let found = read(&text).expect_err("no time");
    assert!(found[0].message().len() < 2000, "the message repeats the file");
    assert!(found[0].render(&baton_jobspec::Source::new("test.nomad", text.as_str()), false).len() < 2000);
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
