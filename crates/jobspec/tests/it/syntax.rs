//! What HCL accepts and refuses, with the place of each mistake.

use crate::{canonical, job_with_group, job_with_task, messages, read};

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let found = messages(&read(text).expect_err("must be refused"));
    for part in expected {
        assert!(found.contains(part), "{part:?} is not in:\n{found}");
    }
    assert_eq!(found.lines().count(), expected.len(), "{found}");
}

#[test]
fn syntax_errors_have_their_place() {
    for (line, expected) in [
        ("count = ", "3:13: Invalid expression"),
        ("count = 1 2", "3:15: Missing newline after argument"),
        ("count : 1", "3:11: Argument or block definition required"),
        ("\"count\" = 1", "3:5: Invalid argument name"),
        ("meta = { a = 1 b = 2 }", "3:20: Missing attribute separator"),
        ("meta = { a 1 }", "3:16: Missing key/value separator"),
        ("meta { a = 1 b = 2 }", "3:18: Invalid single-argument block definition"),
        ("meta {} count = 1", "3:13: Missing newline after block definition"),
        ("service \"x\"", "3:16: Invalid block definition"),
        ("meta = { a = [1 2] }", "3:21: Missing item separator"),
        ("meta = { a = f(1 2) }", "3:22: Missing argument separator"),
        ("meta = { a = 'x' }", "3:18: Invalid character"),
        ("meta = { a = \"\\d\" }", "3:19: Invalid escape sequence"),
        ("meta = { a = \"\\u12\" }", "3:19: Invalid escape sequence"),
        ("meta = { a = \"${x:-y}\" }", "3:22: Extra characters after interpolation expression"),
        ("meta = { a = \"${x y}\" }", "3:23: Extra characters after interpolation expression"),
        ("meta = { a = \"${}\" }", "3:21: Invalid expression"),
        ("meta = { a = \"%{x}\" }", "3:19: Invalid template directive"),
        ("meta = { a = \"x }", "3:18: Invalid multi-line string"),
        ("count = 1\n    count = 2", "4:5: Attribute redefined"),
        ("meta = { a.b = 1 }", "3:14: Ambiguous attribute key"),
    ] {
        let found = messages(&read(&job_with_group(&format!("    {line}"))).expect_err(line));
        assert!(found.starts_with(&format!("test.nomad:{expected}")), "{line}: {found}");
    }
}

#[test]
fn what_is_not_closed_is_shown_where_it_opens() {
    refused("job \"j\" {\n  group \"g\" {\n", &["2:13: Unclosed configuration block"]);
    refused("job \"j\" {\n  meta = {\n    a = 1\n", &["2:10: Unterminated object constructor expression"]);
    refused("job \"j\" {\n  datacenters = [\n", &["2:17: Unterminated tuple constructor expression"]);
    refused("job \"j\" {\n  name = <<EOF\nx\n}\n", &["2:10: Unterminated template string"]);
    refused("job \"j\" {\n  /* x\n}\n", &["2:3: Unterminated comment"]);
}

#[test]
fn several_syntax_errors_at_once() {
    let text = job_with_task(
        "      env {\n        A = \"\\d\"\n        B = \"ok\"\n        C = \"${x:-1}\"\n      }\n      template {\n        data = <<EOF\n${y:-2}\n$${z:-3}\n%{bogus}\nEOF\n      }",
    );
    refused(
        &text,
        &[
            "6:14: Invalid escape",
            "8:17: Extra characters",
            "12:4: Extra characters",
            "14:1: Invalid template directive",
        ],
    );
}

#[test]
fn every_schema_mistake_is_reported() {
    let text = "job \"j\" {\n  typ = \"batch\"\n  group \"g\" {\n    count = \"many\"\n    tasks \"t\" {}\n    task {}\n    task \"a\" \"b\" {}\n    update = {}\n    restart {}\n    restart {}\n    task \"c\" {\n      driver = [\"x\"]\n      kill_timeout = \"5\"\n      lifecycle {}\n    }\n  }\n}\n";
    refused(
        text,
        &[
            "2:3: Unsupported argument; An argument named \"typ\" is not expected here. (Did you mean \"type\"?)",
            "4:13: Unsuitable value type; Unsuitable value: a number is required",
            "5:5: Unsupported block type; Blocks of type \"tasks\" are not expected here. (Did you mean \"task\"?)",
            "6:5: Missing name for task",
            "7:14: Extraneous label for task",
            "8:5: Unsupported argument; An argument named \"update\" is not expected here. (update is a block here",
            "10:5: Duplicate restart block",
            "12:16: Unsuitable value type; Unsuitable value: string required",
            "13:22: Unsuitable value type; Unsuitable duration value: time: missing unit in duration \"5\" (add a unit",
            "14:7: Missing required argument; The argument \"hook\" is required",
        ],
    );
}

#[test]
fn top_level() {
    refused("", &["Missing job block"]);
    refused("job {\n}\n", &["1:1: Missing name for job"]);
    refused(
        "jobs \"x\" {}\n",
        &[
            "1:1: Missing job block",
            "1:1: Unsupported block type; Blocks of type \"jobs\" are not expected here. (Did you mean \"job\"?)",
        ],
    );
    refused("x = 1\njob \"j\" {\n}\njob \"k\" {\n}\n", &["1:1: Unsupported argument", "4:1: Duplicate job block"]);
}

#[test]
fn spellings_that_are_accepted() {
    let text = "\u{feff}# comment\njob j { // a label may be bare\r\n  datacenters = [ # trailing comma\n    \"a\",\n  ]\n  meta = {\n    a : 1, \"b\" = 2\n    (upper(\"c\")) = 3\n  }\n  group g {\n    task t { driver = \"raw_exec\" }\n  } /* done */\n}";
    let job = canonical(&read(text).unwrap_or_else(|found| panic!("{}", messages(&found))));
    assert_eq!(job["Meta"], serde_json::json!({"a": "1", "b": "2", "C": "3"}));
    assert_eq!(job["Datacenters"], serde_json::json!(["a"]));
}

#[test]
fn meta_and_env_as_block_or_argument_but_not_both() {
    for form in ["meta { a = 1 }", "meta = { a = 1 }"] {
        assert_eq!(read(&job_with_group(form)).unwrap().job.task_groups[0].meta["a"], "1", "{form}");
    }
    refused(&job_with_group("    meta = { a = 1 }\n    meta { b = 2 }"), &["4:5: Duplicate meta block"]);
}

#[test]
fn nothing_is_no_text() {
    refused(
        &job_with_group("    meta {\n      a = null\n    }"),
        &["4:11: Unsuitable value type; Unsuitable value: null"],
    );
    refused(&job_with_group("    meta = { a = null }"), &["3:12: Unsuitable value type; Unsuitable value: null"]);
    refused(&job_with_task("      env {\n        A = null\n      }"), &["Unsuitable value: null value is not allowed"]);
}

#[test]
fn what_templates_may_leave_out() {
    let text = job_with_task(
        "template {\n data = \"x\"\n destination = \"a\"\n change_mode = \"script\"\n change_script {\n command = \"x\"\n }\n wait {\n min = \"1s\"\n }\n}",
    );
    assert!(read(&text).is_ok_and(|parsed| parsed.problems().is_empty()));
    refused(&job_with_group("    scaling {\n    }"), &["3:5: Missing required argument; The argument \"max\""]);
}

#[test]
fn free_form_configuration() {
    let text = job_with_task(
        "config {\n command = \"x\"\n mount {\n a = 1\n }\n mount {\n a = 2.5\n }\n labels \"l\" \"m\" {\n b = null\n }\n dynamic \"port\" {\n for_each = { x = 1 }\n content {\n name = port.key\n }\n }\n list = [\"${meta.y}\"]\n}",
    );
    let job = canonical(&read(&text).unwrap());
    assert_eq!(
        job["TaskGroups"][0]["Tasks"][0]["Config"],
        serde_json::json!({
            "command": "x", "mount": [{"a": 1}, {"a": 2.5}], "labels": [{"l": [{"m": [{"b": null}]}]}],
            "port": [{"name": "x"}], "list": ["${meta.y}"]
        })
    );
}

#[test]
fn short_forms_of_constraints() {
    for (form, expected) in [
        ("distinct_hosts = true", ("", "distinct_hosts", "true")),
        ("distinct_hosts = false", ("", "distinct_hosts", "false")),
        ("distinct_property = \"${meta.rack}\"", ("${meta.rack}", "distinct_property", "")),
        ("attribute = \"${meta.x}\"\n regexp = \"^a\"", ("${meta.x}", "regexp", "^a")),
        ("attribute = \"${meta.x}\"\n version = \">= 1\"", ("${meta.x}", "version", ">= 1")),
        ("attribute = \"${meta.x}\"\n semver = \">= 1.0.0\"", ("${meta.x}", "semver", ">= 1.0.0")),
        ("attribute = \"${meta.x}\"\n set_contains = \"a\"", ("${meta.x}", "set_contains", "a")),
        ("attribute = \"${meta.x}\"\n set_contains_any = \"a,b\"", ("${meta.x}", "set_contains_any", "a,b")),
        ("attribute = \"${meta.x}\"\n is_set = \"true\"", ("${meta.x}", "is_set", "")),
        ("is_not_set = \"${meta.x}\"", ("${meta.x}", "is_not_set", "")),
        ("attribute = \"${meta.x}\"\n operator = \"!=\"\n value = \"a\"", ("${meta.x}", "!=", "a")),
        ("attribute = meta.x\n value = \"a\"", ("${meta.x}", "=", "a")),
    ] {
        let parsed = read(&job_with_group(&format!("constraint {{\n {form}\n }}"))).unwrap();
        let constraint = &parsed.job.task_groups[0].constraints[0];
        let got = (constraint.l_target.as_str(), constraint.operand.as_str(), constraint.r_target.as_str());
        assert_eq!(got, expected, "{form}");
        assert!(parsed.problems().is_empty(), "{form}: {}", messages(&parsed.problems()));
    }
}

#[test]
fn json_mistakes_have_their_place() {
    refused("{\"job\": {\"j\": {\"typ\": 1}}}", &["1:16: Unsupported argument"]);
    refused("{\"job\": {\"j\": {}}", &["1:18: Unclosed object"]);
    refused("{\"job\": {\"j\": {},}}", &["1:18: Trailing comma in object"]);
    refused("{\"job\": {\"j\": {\"group\": {\"g\": {\"count\": \"${x:-1}\"}}}}}", &["1:41: Extra characters"]);
    refused("{\"job\": {\"j\": {\"group\": 5}}}", &["Incorrect JSON value type"]);
    let parsed = read("{\"Job\": {\"ID\": \"a b\", \"TaskGroups\": []}}").unwrap();
    let problems = messages(&parsed.problems());
    assert!(problems.contains("test.nomad:1:16: Job ID contains a space"), "{problems}");
}
