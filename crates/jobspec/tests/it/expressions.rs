//! Operators, conversions, templates and functions, as a job's `meta` shows them.

use crate::{job_with_group, messages, read};

/// The JSON of an expression's value, or the first finding's message.
fn eval(expression: &str) -> Result<String, String> {
    let text = format!("locals {{\n  v = {expression}\n}}\n{}", job_with_group("meta = { v = jsonencode(local.v) }"));
    match read(&text) {
        Ok(parsed) => Ok(parsed.job.task_groups[0].meta["v"].clone()),
        Err(diagnostics) => Err(messages(&diagnostics)),
    }
}

#[track_caller]
fn gives(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        assert_eq!(eval(expression).as_deref(), Ok(*expected), "{expression}");
    }
}

#[track_caller]
fn fails(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        let error = eval(expression).expect_err(expression);
        assert!(error.contains(expected), "{expression}: {error}");
    }
}

#[test]
fn operators() {
    gives(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3.5"),
        ("6 / 3", "2"),
        ("7 % 3", "1"),
        ("0.1 + 0.2", "0.3"),
        ("-5 + 2", "-3"),
        ("\"2\" + 1", "3"),
        ("1 == 1.0", "true"),
        ("1 == \"1\"", "false"),
        ("\"a\" != \"b\"", "true"),
        ("2 > 1 && !false", "true"),
        ("false || \"true\"", "true"),
        ("[1, 2] == [1, 2]", "true"),
        ("null == null", "true"),
        ("1e3", "1000"),
        ("9007199254740993", "9007199254740993"),
    ]);
    fails(&[
        ("1 + \"a\"", "a number is required"),
        ("1 / 0", "Division by zero"),
        ("!\"yes\"", "Unsuitable value for unary operand"),
        ("[] < 1", "Invalid operand"),
        ("null + 1", "null"),
    ]);
}

#[test]
fn conditionals_and_traversals() {
    gives(&[
        ("true ? 1 : 2", "1"),
        ("true ? 1 : \"a\"", "\"1\""),
        ("true ? \"a\" : 1", "\"a\""),
        ("true ? null : \"a\"", "null"),
        ("false ? [1] : []", "[]"),
        ("[10, 20][1]", "20"),
        ("{ a = { b = 1 } }.a.b", "1"),
        ("{ a = 1 }[\"a\"]", "1"),
        ("[{ n = 1 }, { n = 2 }][*].n", "[1,2]"),
        ("[{ n = 1 }, { n = 2 }].*.n", "[1,2]"),
        ("[[1, 2], [3, 4]].*[0]", "[1,2]"),
        ("[[1, 2], [3, 4]][*][0]", "[1,3]"),
        ("\"x\"[*]", "[\"x\"]"),
        ("null[*]", "[]"),
        ("[[5]].0.0", "5"),
    ]);
    fails(&[
        ("[1][1]", "greater than or equal to the length"),
        ("[1][-1]", "Invalid index"),
        ("{ a = 1 }.b", "does not have an attribute named \"b\""),
        ("1 ? 2 : 3", "Incorrect condition type"),
        ("null ? 2 : 3", "Null condition"),
        ("true ? 1 : false", "Inconsistent conditional result types"),
        ("true ? [1] : 1", "Inconsistent conditional result types"),
    ]);
}

#[test]
fn for_expressions() {
    gives(&[
        ("[for x in [1, 2, 3]: x * 2 if x != 2]", "[2,6]"),
        ("[for i, x in [\"a\", \"b\"]: \"${i}${x}\"]", "[\"0a\",\"1b\"]"),
        ("{ for k, v in { b = 1, a = 2 }: upper(k) => v }", "{\"A\":2,\"B\":1}"),
        ("{ for x in [\"aa\", \"ab\", \"b\"]: substr(x, 0, 1) => x... }", "{\"a\":[\"aa\",\"ab\"],\"b\":[\"b\"]}"),
        ("[for k, v in { b = 1, a = 2 }: k]", "[\"a\",\"b\"]"),
    ]);
    fails(&[
        ("{ for x in [1, 1]: x => x }", "produced the key \"1\""),
        ("[for x in 5: x]", "Iteration over non-iterable value"),
        ("[for x in null: x]", "Iteration over null value"),
        ("[for x in [1]: x if 7]", "Invalid 'for' condition"),
    ]);
}

#[test]
fn elements_of_sets_are_their_own_keys() {
    let set = "setunion([\"b\"], [\"a\", \"b\"])";
    gives(&[
        (set, "[\"a\",\"b\"]"),
        (&format!("[for k, v in {set}: \"${{k}}=${{v}}\"]"), "[\"a=a\",\"b=b\"]"),
        (&format!("{{ for k, v in {set}: k => v }}"), "{\"a\":\"a\",\"b\":\"b\"}"),
        (&format!("\"%{{ for k, v in {set} }}${{k}}${{v}},%{{ endfor }}\""), "\"aa,bb,\""),
        (&format!("[for v in {set}: upper(v)]"), "[\"A\",\"B\"]"),
        (&format!("join(\"-\", {set})"), "\"a-b\""),
        (&format!("length({set})"), "2"),
        (&format!("{set}[*]"), "[\"a\",\"b\"]"),
        (&format!("{set} == [\"a\", \"b\"]"), "false"),
        (&format!("convert({set}, list(string)) == [\"a\", \"b\"]"), "true"),
        ("max(setunion([1], [3])...)", "3"),
        (&format!("flatten([{set}, \"c\"])"), "[\"a\",\"b\",\"c\"]"),
        (&format!("jsondecode(yamlencode({set}) == yamlencode([\"a\", \"b\"]) ? 1 : 2)"), "1"),
        (&format!("formatlist(\"x%s\", {set})"), "[\"xa\",\"xb\"]"),
    ]);
    fails(&[
        (&format!("{set}[0]"), "have no index"),
        (&format!("element({set}, 0)"), "list required, but have set"),
        (&format!("slice({set}, 0, 1)"), "list required, but have set"),
        (&format!("concat({set}, [\"c\"])"), "list required, but have set"),
    ]);
}

#[test]
fn regular_expressions_are_go_s() {
    gives(&[
        ("regex_replace(\"a.b\", \"\\\\Q.\\\\E\", \"-\")", "\"a-b\""),
        ("regex_replace(\"a{b\", \"a{\", \"-\")", "\"-b\""),
        ("regex_replace(\"é1\", \"\\\\w\", \"-\")", "\"é-\""),
        ("regex_replace(\"abc\", \"(?P<x>a)\", \"$${x}y\")", "\"aybc\""),
    ]);
    fails(&[("regex_replace(\"a\", \"a{1001}\", \"\")", "invalid repeat count")]);
}

#[test]
fn templates() {
    gives(&[
        ("\"a${1 + 1}b\"", "\"a2b\""),
        ("\"${[1, 2]}\"", "[1,2]"),
        ("\"${true}\"", "true"),
        ("\"x ${~ 1 ~} y\"", "\"x1y\""),
        ("\"%{ if true }yes%{ else }no%{ endif }\"", "\"yes\""),
        ("\"%{ for x in [1, 2] }[${x}]%{ endfor }\"", "\"[1][2]\""),
        ("\"%{ for i, x in [\"a\"] }${i}=${x}%{ endfor }\"", "\"0=a\""),
        ("\"$${x} %%{y} $5 100%\"", "\"${x} %{y} $5 100%\""),
        ("\"\\u00e9\\t\\\"\\\\\"", "\"é\\t\\\"\\\\\""),
        ("\"${meta.x}-${env[\"HOME\"]}\"", "\"${meta.x}-${env[\\\"HOME\\\"]}\""),
        ("\"${ meta.x }\"", "\"${ meta.x }\""),
        ("meta.x", "\"${meta.x}\""),
        ("upper(meta.x)", "\"${META.X}\""),
        ("\"{\\\"p\\\":${NOMAD_PORT_http}}\"", "\"{\\\"p\\\":${NOMAD_PORT_http}}\""),
    ]);
    fails(&[("\"a${[1]}\"", "string required"), ("\"a${null}\"", "Cannot include a null value")]);
}

#[test]
fn heredocs() {
    gives(&[
        ("<<EOT\n  a\n b\nEOT\n", "\"  a\\n b\\n\""),
        ("<<-EOT\n    a\n\n      b\n    EOT\n", "\"a\\n\\n  b\\n\""),
        ("<<-EOT\n    a\n  ${1}\n    EOT\n", "\"  a\\n1\\n\""),
        ("<<EOT\n$${A:-b} %%{x} \\n \"q\"\nEOT\n", "\"${A:-b} %{x} \\\\n \\\"q\\\"\\n\""),
        ("<<EOT\n%{ for x in [1, 2] ~}\nn${x}\n%{ endfor ~}\nEOT\n", "\"n1\\nn2\\n\""),
        ("<<EOT\nEOT\n", "\"\""),
        (
            "<<EOT\n{{ range service \"db|any\" }}{{ .Address }}{{ end }}\nEOT\n",
            "\"{{ range service \\\"db|any\\\" }}{{ .Address }}{{ end }}\\n\"",
        ),
    ]);
}

#[test]
fn text_functions() {
    gives(&[
        ("chomp(\"a\\n\\n\")", "\"a\""),
        ("format(\"%s-%03d-%.2f-%v-%q-%%\", \"a\", 7, 1.5, true, \"x\")", "\"a-007-1.50-true-\\\"x\\\"-%\""),
        ("format(\"%5s|%-5s|%+d|%x|%b\", \"a\", \"b\", 3, 255, 5)", "\"    a|b    |+3|ff|101\""),
        ("format(\"%#v\", [1])", "\"[1]\""),
        ("formatlist(\"%s=%d\", [\"a\", \"b\"], [1, 2])", "[\"a=1\",\"b=2\"]"),
        ("indent(2, \"a\\nb\")", "\"a\\n  b\""),
        ("join(\",\", [\"a\"], [\"b\", 1])", "\"a,b,1\""),
        ("split(\",\", \"a,b,\")", "[\"a\",\"b\",\"\"]"),
        ("lower(\"ÄB\")", "\"äb\""),
        ("upper(\"éß\")", "\"Éß\""),
        ("title(\"hello world\")", "\"Hello World\""),
        ("replace(\"a.b.c\", \".\", \"-\")", "\"a-b-c\""),
        ("regex_replace(\"a12\", \"([a-z])([0-9]+)\", \"$2$1\")", "\"12a\""),
        ("reverse(\"abc\")", "\"cba\""),
        ("strlen(\"é\")", "1"),
        ("substr(\"hello\", 1, 3)", "\"ell\""),
        ("substr(\"hello\", -3, -1)", "\"llo\""),
        ("trim(\"?!a!?\", \"!?\")", "\"a\""),
        ("trimprefix(\"v1\", \"v\")", "\"1\""),
        ("trimsuffix(\"a.yml\", \".yml\")", "\"a\""),
        ("trimspace(\" a \")", "\"a\""),
    ]);
    fails(&[
        ("format(\"%d\", \"x\")", "a number is required"),
        ("format(\"%s\")", "not enough arguments"),
        ("format(\"a\", 1)", "too many arguments"),
        ("upper()", "expects 1 argument(s)"),
        ("upper(\"a\", \"b\")", "expects only 1 argument(s)"),
        ("uper(\"a\")", "Did you mean \"upper\"?"),
        ("regex_replace(\"a\", \"(\", \"\")", "Invalid value for argument 2"),
    ]);
}

#[test]
fn number_functions() {
    gives(&[
        ("abs(-3)", "3"),
        ("ceil(1.2)", "2"),
        ("floor(-1.2)", "-2"),
        ("log(8, 2)", "3"),
        ("pow(2, 10)", "1024"),
        ("pow(2, 0.5)", "1.4142135623730951"),
        ("signum(-7)", "-1"),
        ("max(1, 3, 2)", "3"),
        ("min([3, 1, 2]...)", "1"),
        ("parseint(\"ff\", 16)", "255"),
        ("range(3)", "[0,1,2]"),
        ("range(1, 4)", "[1,2,3]"),
        ("range(4, 0, -2)", "[4,2]"),
    ]);
    fails(&[
        ("range(2000)", "more than 1024 values"),
        ("range(1, 5, 0)", "step must not be zero"),
        ("parseint(\"z\", 10)", "base 10"),
    ]);
}

#[test]
fn collection_functions() {
    gives(&[
        ("chunklist([1, 2, 3], 2)", "[[1,2],[3]]"),
        ("coalesce(null, \"\", \"a\")", "\"\""),
        ("coalescelist([], [1])", "[1]"),
        ("compact([\"a\", \"\", \"b\"])", "[\"a\",\"b\"]"),
        ("concat([1], [2, 3])", "[1,2,3]"),
        ("contains([\"a\"], \"a\")", "true"),
        ("distinct([1, 2, 1])", "[1,2]"),
        ("element([\"a\", \"b\"], 3)", "\"b\""),
        ("element([\"a\", \"b\"], -1)", "\"b\""),
        ("flatten([[1], [2, [3]]])", "[1,2,3]"),
        ("index([\"a\", \"b\"], 1)", "\"b\""),
        ("keys({ b = 1, a = 2 })", "[\"a\",\"b\"]"),
        ("values({ b = 1, a = 2 })", "[2,1]"),
        ("length({ a = 1 })", "1"),
        ("lookup({ a = 1 }, \"b\", 9)", "9"),
        ("merge({ a = 1, b = 1 }, { b = 2 })", "{\"a\":1,\"b\":2}"),
        ("setunion([\"b\"], [\"a\", \"b\"])", "[\"a\",\"b\"]"),
        ("setintersection([1, 2], [2, 3])", "[2]"),
        ("setproduct([1, 2], [\"a\"])", "[[1,\"a\"],[2,\"a\"]]"),
        ("slice([1, 2, 3], 1, 2)", "[2]"),
        ("sort([\"b\", \"a\"])", "[\"a\",\"b\"]"),
        ("zipmap([\"a\"], [1])", "{\"a\":1}"),
        ("try(local.none, \"x\")", "\"x\""),
        ("can([1][3])", "false"),
    ]);
    fails(&[
        ("element([], 0)", "empty list"),
        ("length(\"abc\")", "strlen"),
        ("zipmap([\"a\"], [])", "does not match"),
        ("merge([1])", "map required"),
        ("try([1][3])", "no expression succeeded"),
    ]);
}

#[test]
fn encodings_and_digests() {
    gives(&[
        ("base64encode(\"hi\")", "\"aGk=\""),
        ("base64decode(\"aGk=\")", "\"hi\""),
        ("jsondecode(\"{\\\"a\\\":[1,null]}\")", "{\"a\":[1,null]}"),
        ("jsonencode({ b = 1, a = \"<\" })", "\"{\\\"a\\\":\\\"\\\\u003c\\\",\\\"b\\\":1}\""),
        ("csvdecode(\"a,b\\n1,\\\"x, y\\\"\\n\")", "[{\"a\":\"1\",\"b\":\"x, y\"}]"),
        ("yamldecode(\"a: [1, x]\\nb: true\")", "{\"a\":[1,\"x\"],\"b\":true}"),
        (
            "yamlencode({ a = [1, { b = \"c\" }], d = {} })",
            "\"\\\"a\\\":\\n- 1\\n- \\\"b\\\": \\\"c\\\"\\n\\\"d\\\": {}\\n\"",
        ),
        ("urlencode(\"a b&c/é\")", "\"a+b%26c%2F%C3%A9\""),
        ("md5(\"a\")", "\"0cc175b9c0f1b6a831c399e269772661\""),
        ("sha1(\"a\")", "\"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8\""),
        ("sha256(\"a\")", "\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\""),
        ("substr(sha512(\"a\"), 0, 8)", "\"1f40fc92\""),
        ("uuidv4()", "\"07070707-0707-4707-8707-070707070707\""),
        ("uuidv5(\"dns\", \"example.org\")", "\"aad03681-8b63-5304-89e0-8ca8f49461b5\""),
        ("substr(bcrypt(\"a\", 4), 0, 7)", "\"$2a$04$\""),
    ]);
    fails(&[
        ("base64decode(\"!\")", "failed to decode base64"),
        ("jsondecode(\"{\")", "not valid JSON"),
        ("csvdecode(\"a,a\\n1,2\")", "duplicate column name"),
        ("rsadecrypt(\"a\", \"b\")", "not supported"),
    ]);
}

#[test]
fn networks_and_times() {
    gives(&[
        ("cidrhost(\"10.0.0.0/24\", 5)", "\"10.0.0.5\""),
        ("cidrhost(\"10.0.0.0/24\", -1)", "\"10.0.0.255\""),
        ("cidrnetmask(\"10.0.0.0/20\")", "\"255.255.240.0\""),
        ("cidrsubnet(\"10.0.0.0/16\", 8, 2)", "\"10.0.2.0/24\""),
        ("cidrsubnet(\"fd00::/48\", 16, 1)", "\"fd00:0:0:1::/64\""),
        ("cidrsubnets(\"10.0.0.0/16\", 4, 8)", "[\"10.0.0.0/20\",\"10.0.16.0/24\"]"),
        ("timeadd(\"2020-01-01T00:00:00Z\", \"90m\")", "\"2020-01-01T01:30:00Z\""),
        (
            "formatdate(\"EEE, DD MMM YYYY hh:mm:ss ZZZ\", \"2018-01-02T23:12:01Z\")",
            "\"Tue, 02 Jan 2018 23:12:01 UTC\"",
        ),
        ("formatdate(\"h'o''clock' AA\", \"2018-01-02T03:12:01+02:00\")", "\"3o'clock AM\""),
    ]);
    fails(&[
        ("cidrhost(\"10.0.0.0/30\", 9)", "does not accommodate"),
        ("cidrsubnet(\"10.0.0.0/30\", 8, 0)", "insufficient address space"),
        ("timeadd(\"yesterday\", \"1h\")", "RFC3339"),
        ("formatdate(\"QQ\", \"2018-01-02T03:12:01Z\")", "no meaning"),
    ]);
}

#[test]
fn files_go_through_the_host() {
    gives(&[
        ("file(\"motd\")", "\"hello\\n\""),
        ("file(\"~/motd\")", "\"hello\\n\""),
        ("filebase64(\"binary\")", "\"//4=\""),
        ("fileexists(\"motd\")", "true"),
        ("fileset(\"conf\", \"*.{yml,toml}\")", "[\"a.yml\",\"b.toml\"]"),
        ("fileset(\"conf\", \"**/*.yml\")", "[\"a.yml\",\"sub/c.yml\"]"),
        ("abspath(\"x\")", "\"/here/x\""),
        ("basename(\"/a/b.c\")", "\"b.c\""),
        ("dirname(\"/a/b.c\")", "\"/a\""),
        ("pathexpand(\"~/x\")", "\"/home/me/x\""),
    ]);
    fails(&[("file(\"none\")", "no file exists"), ("file(\"binary\")", "not valid UTF-8")]);
    let text = job_with_group("meta = { a = file(\"/etc/passwd\") }");
    let refused =
        baton_jobspec::parse(&text, "x", &baton_jobspec::ParseOptions::default()).expect_err("no host, no files");
    assert!(refused[0].detail.contains("filesystem functions are disabled"), "{}", refused[0].detail);
}
