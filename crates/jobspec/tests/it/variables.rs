//! Declarations, sources of values, precedence, locals.

use baton_jobspec::{Inputs, VarFile};

use crate::{job_with_group, messages, read_with};

fn inputs(given: &[(&str, &str)]) -> Inputs {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Inputs { given, strict: true, ..Inputs::default() }
}

/// The JSON of `var.v` for a declaration, or the findings.
fn value(declaration: &str, inputs: Inputs) -> Result<String, String> {
    let text = format!("{declaration}\n{}", job_with_group("meta = { v = jsonencode(var.v) }"));
    match read_with(&text, inputs) {
        Ok(parsed) => Ok(parsed.job.task_groups[0].meta["v"].clone()),
        Err(found) => Err(messages(&found)),
    }
}

fn declared(kind: &str, default: &str) -> String {
    format!("variable \"v\" {{\n  type = {kind}\n  default = {default}\n}}")
}

#[test]
fn the_later_source_wins() {
    let declaration = declared("string", "\"default\"");
    let mut inputs = Inputs { strict: true, ..Inputs::default() };
    assert_eq!(value(&declaration, inputs.clone()).as_deref(), Ok("\"default\""));
    inputs.environment =
        vec![("NOMAD_VAR_v".into(), "env".into()), ("NOMAD_VAR_other".into(), "x".into()), ("HOME".into(), "/".into())];
    assert_eq!(value(&declaration, inputs.clone()).as_deref(), Ok("\"env\""));
    inputs.files = vec![
        VarFile { name: "a.hcl".into(), text: "v = \"file 1\"".into() },
        VarFile { name: "b.json".into(), text: "{\"v\": \"file 2\"}".into() },
    ];
    assert_eq!(value(&declaration, inputs.clone()).as_deref(), Ok("\"file 2\""));
    inputs.given = vec![("v".into(), "first".into()), ("v".into(), "last".into())];
    assert_eq!(value(&declaration, inputs).as_deref(), Ok("\"last\""));
}

#[test]
fn texts_are_read_as_the_type_asks() {
    for (kind, default, text, expected) in [
        ("number", "0", "5", "5"),
        ("bool", "false", "true", "true"),
        ("list(string)", "[]", "[\"a\", 1]", "[\"a\",\"1\"]"),
        ("map(number)", "{}", "{ a = \"1\" }", "{\"a\":1}"),
        ("set(string)", "[]", "[\"b\", \"a\", \"b\"]", "[\"a\",\"b\"]"),
        (
            "object({ a = string, b = optional(number) })",
            "{ a = \"\" }",
            "{ a = 1, c = 2 }",
            "{\"a\":\"1\",\"b\":null}",
        ),
        ("tuple([string, number])", "[\"\", 0]", "[1, \"2\"]", "[\"1\",2]"),
        ("string", "\"\"", "[1]", "\"[1]\""),
        ("any", "1", "x", "\"x\""),
    ] {
        assert_eq!(value(&declared(kind, default), inputs(&[("v", text)])).as_deref(), Ok(expected), "{kind}");
    }
}

#[test]
fn optional_attributes_have_defaults() {
    for (kind, default, expected) in [
        ("object({ a = optional(string, \"x\"), b = optional(number) })", "{}", "{\"a\":\"x\",\"b\":null}"),
        ("object({ a = optional(number, \"5\") })", "{ a = null }", "{\"a\":5}"),
        ("object({ a = optional(number, 5) })", "{ a = 6 }", "{\"a\":6}"),
        (
            "map(object({ a = optional(object({ b = optional(bool, true) }), {}) }))",
            "{ k = {} }",
            "{\"k\":{\"a\":{\"b\":true}}}",
        ),
    ] {
        assert_eq!(value(&declared(kind, default), inputs(&[])).as_deref(), Ok(expected), "{kind}");
    }
    for (kind, expected) in [
        ("object({ a = optional(number, \"x\") })", "Invalid default: a number is required"),
        ("object({ a = optional(string, meta.x) })", "Variables not allowed"),
        ("object({ a = optional() })", "optional takes a type"),
        ("optional(string)", "not a valid type constructor"),
    ] {
        let error = value(&declared(kind, "{}"), inputs(&[])).expect_err(kind);
        assert!(error.contains(expected), "{kind}: {error}");
    }
}

#[test]
fn types_that_nomad_refuses_are_told() {
    for (kind, word) in [("any", "any"), ("list(any)", "any"), ("object({ a = optional(string) })", "optional")] {
        let text = format!("variable \"v\" {{\n  type = {kind}\n  default = null\n}}\n{}", job_with_group(""));
        let warnings = messages(&read_with(&text, inputs(&[])).unwrap().warnings());
        assert!(warnings.contains(&format!("2:10: Nomad refuses {word:?} in the type of a variable")), "{warnings}");
    }
    let exact = format!("{}\n{}", declared("object({ a = list(string) })", "{ a = [] }"), job_with_group(""));
    assert_eq!(messages(&read_with(&exact, inputs(&[])).unwrap().warnings()), "");
}

#[test]
fn locals_that_look_names_up() {
    for (locals, expected) in [
        ("n = \"b\"\n a = local[local.n]\n b = 1", "1"),
        ("a = local[local.m[\"x\"]].y\n m = { x = local.n }\n n = \"z\"\n z = { y = 7 }", "7"),
        ("a = local[\"b\"]\n b = local[local.n]\n n = \"c\"\n c = 5", "5"),
        ("a = local.b\n b = local[local.n]\n n = \"c\"\n c = local[local.o]\n o = \"d\"\n d = 3", "3"),
        ("a = 1\n}\nlocals {\n a = 2", "2"),
    ] {
        let text = format!("locals {{\n {locals}\n}}\n{}", job_with_group("meta = { v = jsonencode(local.a) }"));
        let parsed = read_with(&text, inputs(&[])).unwrap_or_else(|found| panic!("{locals}: {}", messages(&found)));
        assert_eq!(parsed.job.task_groups[0].meta["v"], expected, "{locals}");
    }
    for (locals, expected) in [
        ("locals {\n n = \"none\"\n a = local[local.n]\n}", "3:11: Invalid index"),
        ("locals {\n n = \"a\"\n a = local[local.n]\n}", "3:11: Invalid index"),
        ("locals \"x\" {\n a = 1\n}", "1:8: Extraneous label for locals"),
        ("locals {\n a {\n b = 1\n}\n}", "2:2: Unexpected \"a\" block"),
    ] {
        let error = messages(&read_with(&format!("{locals}\n{}", job_with_group("")), inputs(&[])).unwrap_err());
        assert!(error.contains(expected), "{locals}: {error}");
    }
    let twice = format!("locals {{\n a = 1\n}}\nlocals {{\n a = 2\n}}\n{}", job_with_group(""));
    let warnings = messages(&read_with(&twice, inputs(&[])).unwrap().warnings());
    assert!(warnings.contains("5:2: local.a is set twice"), "{warnings}");
}

#[test]
fn wrong_values_and_names_are_said() {
    for (declaration, given, expected) in [
        ("variable \"v\" {}", vec![], "Unset variable \"v\""),
        ("variable \"v\" { type = number }", vec![("v", "x")], "not compatible with the variable's type constraint"),
        ("variable \"v\" { default = 1 }", vec![("w", "1")], "Undefined -var variable"),
        ("variable \"v\" {\n type = number\n default = \"x\"\n}", vec![], "Invalid default value for variable"),
        ("variable \"v\" { type = \"string\" }", vec![("v", "x")], "must not be given in quotes"),
        ("variable \"v\" { type = lists(string) }", vec![("v", "x")], "not a valid type constructor"),
        ("variable \"v\" {\n default = upper(\"a\")\n}", vec![], "Function calls not allowed"),
        ("variable \"v\" {\n default = 1\n sensitive = true\n}", vec![], "Unsupported argument"),
        ("variable \"v\" { defualt = 1 }", vec![("v", "x")], "Did you mean \"default\"?"),
        ("variable \"v\" { default = 1 }\nvariable \"v\" { default = 2 }", vec![], "Duplicate variable"),
        ("variable \"1v\" { default = 1 }\nvariable \"v\" { default = 2 }", vec![], "Invalid variable name"),
    ] {
        let error = value(declaration, inputs(&given)).expect_err(declaration);
        assert!(error.contains(expected), "{declaration}: {error}");
    }
}

#[test]
fn undeclared_names_pass_when_not_strict() {
    let mut relaxed = inputs(&[("w", "1")]);
    relaxed.files = vec![VarFile { name: "f".into(), text: "other = 1".into() }];
    let declaration = declared("number", "1");
    let error = value(&declaration, relaxed.clone()).unwrap_err();
    assert!(error.contains("f:1:1: Undefined variable"), "{error}");
    relaxed.strict = false;
    assert_eq!(value(&declaration, relaxed).as_deref(), Ok("1"));
}

#[test]
fn validations_hold() {
    let declaration = "variable \"v\" {\n type = number\n default = 2\n validation {\n condition = var.v < 10\n error_message = \"Too many.\"\n }\n}";
    assert_eq!(value(declaration, inputs(&[("v", "9")])).as_deref(), Ok("9"));
    let error = value(declaration, inputs(&[("v", "12")])).unwrap_err();
    assert!(error.contains("Invalid value for cmd variable; Too many."), "{error}");
    for (bad, expected) in [
        (declaration.replace("var.v <", "var.w <"), "can only refer to the variable itself"),
        (declaration.replace("var.v <", "1 <"), "must refer to var.v"),
        (declaration.replace("Too many.", ""), "empty or blank"),
    ] {
        let error = value(&bad, inputs(&[])).expect_err(&bad);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_older_block_and_locals_in_any_order() {
    let declaration =
        "variables {\n n = 2\n v = { a = [1] }\n}\nlocals {\n a = local.b + 1\n}\nlocals {\n b = var.n * 10\n}";
    assert_eq!(value(declaration, inputs(&[("n", "3")])).as_deref(), Ok("{\"a\":[1]}"));
    let text = format!("{declaration}\n{}", job_with_group("count = local.a"));
    assert_eq!(read_with(&text, inputs(&[("n", "3")])).unwrap().job.task_groups[0].count, 31);
}

#[test]
fn circles_among_locals_are_said() {
    let error = value("variable \"v\" { default = 1 }\nlocals {\n a = local.b\n b = \"${local.a}\"\n}", inputs(&[]))
        .unwrap_err();
    assert!(error.contains("Circular reference in locals"), "{error}");
}

#[test]
fn variables_of_json_files() {
    let text = r#"{
      "variable": {"n": {"type": "number", "default": 2, "validation": {"condition": "${var.n > 1}", "error_message": "no"}}},
      "locals": {"type": "x${var.n}"},
      "job": {"j": {"group": {"g": {"count": "${var.n + 1}", "meta": {"l": "${local.type}"},
        "task": {"t": {"driver": "raw_exec", "env": {"A": "${NOMAD_ALLOC_ID}"}}}}}}}
    }"#;
    let job = read_with(text, inputs(&[("n", "4")])).unwrap_or_else(|found| panic!("{}", messages(&found))).job;
    assert_eq!(job.task_groups[0].count, 5);
    assert_eq!(job.task_groups[0].meta["l"], "x4");
    assert_eq!(job.task_groups[0].tasks[0].env["A"], "${NOMAD_ALLOC_ID}");
    assert!(messages(&read_with(text, inputs(&[("n", "1")])).unwrap_err()).contains("no"));
}
