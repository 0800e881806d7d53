//! What users hand in: job files and templates.

use baton_jobspec::{ParseOptions, parse};
use baton_template::{Delimiters, FunctionSet, Template, render_value};
use std::collections::BTreeMap;

use crate::Target;

const WORDS: &[&str] = &[
    "\n",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "=",
    "\"",
    "${",
    "%{",
    "<<EOF\n",
    "\nEOF\n",
    "<<-X\n",
    "#",
    "/*",
    "*/",
    "//",
    ",",
    ".",
    "...",
    "?",
    ":",
    "&&",
    "!",
    "-",
    "*",
    "job \"x\" {",
    "group \"g\" {",
    "task \"t\" {",
    "variable \"v\" {",
    "locals {",
    "dynamic \"port\" {",
    "for_each",
    "content",
    "for x in [1] : x",
    "var.v",
    "local.a",
    "range(1,99999999)",
    "join(\",\",[])",
    "format(\"%s\",1)",
    "null",
    "true",
    "1e99",
    "-9223372036854775808",
    "\"5m\"",
    "é",
    "\\u0000",
    "\0",
];

pub(crate) const JOB_HCL: Target = Target {
    name: "job_hcl",
    run: job,
    seeds: &[
        "job \"x\" {\n  datacenters = [\"dc1\"]\n  type = \"service\"\n  constraint {\n    attribute = \"${meta.a}\"\n    operator = \"distinct_hosts\"\n    value = \"true\"\n  }\n  update { max_parallel = 1 }\n  group \"g\" {\n    count = 2\n    network { port \"http\" { static = 8080 } }\n    restart { attempts = 3 }\n    task \"t\" {\n      driver = \"raw_exec\"\n      config { command = \"/bin/sh\" args = [\"-c\", \"x\"] }\n      template {\n        data = <<EOF\n{{ key \"a\" }}\nEOF\n        destination = \"local/x\"\n      }\n      resources { cpu = 100 memory = 64 }\n      service {\n        name = \"x\"\n        port = \"http\"\n        tags = [\"a=b\"]\n        check { type = \"http\" path = \"/\" interval = \"10s\" timeout = \"2s\" }\n      }\n    }\n  }\n}\n",
        "variable \"v\" {\n  type = list(object({ a = string, b = optional(number, 1) }))\n  default = [{ a = \"x\" }]\n  validation {\n    condition = length(var.v) > 0\n    error_message = \"none\"\n  }\n}\nlocals { l = { for i, x in var.v : i => upper(x.a) if x.b > 0 } }\njob \"y\" {\n  group \"g\" {\n    dynamic \"task\" {\n      for_each = local.l\n      labels = [task.value]\n      content {\n        driver = \"raw_exec\"\n        config { command = \"x-${task.key}%{ if true }y%{ endif }\" }\n      }\n    }\n  }\n}\n",
    ],
    words: WORDS,
};

pub(crate) const JOB_JSON: Target = Target {
    name: "job_json",
    run: job,
    seeds: &[
        "{\"job\": {\"x\": {\"datacenters\": [\"dc1\"], \"group\": {\"g\": {\"count\": 1, \"task\": {\"t\": {\"driver\": \"raw_exec\", \"config\": {\"command\": \"x\"}}}}}}}}",
        "{\"Job\": {\"ID\": \"x\", \"TaskGroups\": [{\"Name\": \"g\", \"Tasks\": [{\"Name\": \"t\", \"Driver\": \"raw_exec\"}]}]}}",
    ],
    words: &[
        "{", "}", "[", "]", "\"", ":", ",", "null", "true", "1e999", "-1", "\"ID\"", "\"Job\"", "\"${x}\"", "\\u0000",
        "é",
    ],
};

/// A job that reads can be judged, and every complaint has its place.
fn job(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(parsed) = parse(text, "fuzz.nomad", &ParseOptions::default()) {
        parsed.problems();
        parsed.unsupported();
        parsed.warnings();
    }
}

const ACTIONS: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{ end }}",
    "{{ if .a }}",
    "{{ else }}",
    "{{ range $i, $x := .a }}",
    "{{ with .b }}",
    "{{ define \"d\" }}",
    "{{ template \"d\" . }}",
    "{{ block \"e\" . }}",
    "{{ break }}",
    "{{/*",
    "*/}}",
    "|",
    "(",
    ")",
    "$",
    "$x",
    ".",
    ".a.b",
    ":=",
    "=",
    ",",
    "\"",
    "`",
    "'a'",
    "\\",
    "printf",
    "index",
    "len",
    "slice",
    "toJSON",
    "parseJSON",
    "split",
    "join",
    "replaceAll",
    "regexReplaceAll",
    "loop 3",
    "add 1",
    "multiply",
    "divide 0",
    "base64Decode",
    "sprig_repeat 1000",
    "repeat 1000",
    "until 1000",
    "dict",
    "list",
    "9223372036854775807",
    "-1",
    "1e999",
    "nil",
    "true",
    "é",
];

const TEMPLATES: &[&str] = &[
    "{{ range $i, $x := .a }}{{ if gt $i 0 }}, {{ end }}{{ $x | printf \"%q\" }}{{ else }}none{{ end }}\n",
    "{{ with $y := index .b \"k\" }}{{ $y }}{{ end }}{{- /* note */ -}}\n{{ define \"d\" }}[{{ . }}]{{ end }}{{ template \"d\" .c }}",
    "{{ $s := \"a,b\" }}{{ len $s }} {{ slice $s 0 1 }} {{ and true (not false) }} {{ eq 1 1 }} {{ .a | len | printf \"%05d\" }}",
];

pub(crate) const JOB_TEMPLATE: Target = Target {
    name: "job_template",
    run: |input| template(input, FunctionSet::ConsulTemplate),
    seeds: TEMPLATES,
    words: ACTIONS,
};

pub(crate) const FILE_TEMPLATE: Target = Target {
    name: "file_template",
    run: |input| template(input, FunctionSet::Sprig),
    seeds: TEMPLATES,
    words: ACTIONS,
};

/// A template that reads renders or says why not.
fn template(input: &[u8], set: FunctionSet) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(template) = Template::parse_with("fuzz", text, &Delimiters::default(), set) {
        let data = serde_json::json!({ "a": ["x", 1, null, true], "b": { "k": { "l": 2.5 } }, "c": "text" });
        let _ = render_value(&template, data, &BTreeMap::new());
    }
}
