//! Templates of the proxy: sprig by its own names, data as dot.

use std::collections::BTreeMap;

use baton_template::{Delimiters, FunctionSet, Template, functions, render_value};

fn rendered(text: &str, data: serde_json::Value) -> String {
    let template = Template::parse_with("rule", text, &Delimiters::default(), FunctionSet::Sprig).unwrap();
    let env = BTreeMap::from([("DOMAIN".to_owned(), "example.com".to_owned())]);
    render_value(&template, data, &env).unwrap()
}

#[test]
fn default_rules() {
    let data = serde_json::json!({"Name": "web_app@1", "Labels": {"host": "a.example.com"}});
    assert_eq!(rendered("Host(`{{ normalize .Name }}`)", data.clone()), "Host(`web-app-1`)");
    let text = "Host(`{{ .Name }}.{{ index .Labels \"host\" }}`)";
    assert_eq!(rendered(text, data.clone()), "Host(`web_app@1.a.example.com`)");
    assert_eq!(
        rendered("Host(`{{ index (split .Name \"_\") 0 }}.{{ env \"DOMAIN\" }}`)", data),
        "Host(`web.example.com`)"
    );
}

#[test]
fn absent_labels_are_empty_texts() {
    let data = serde_json::json!({"Name": "a", "Labels": {}});
    assert_eq!(rendered("[{{ index .Labels \"x\" }}] {{ .Labels.x }}", data), "[] <no value>");
}

#[test]
fn dynamic_files() {
    let text = "{{ range $i, $e := until 3 }}router{{ $e }}:\n  rule: {{ printf \"Host(`h%d`)\" (add 1 $e) | quote }}\n{{ end }}";
    assert_eq!(
        rendered(text, serde_json::Value::Null),
        "router0:\n  rule: \"Host(`h1`)\"\nrouter1:\n  rule: \"Host(`h2`)\"\nrouter2:\n  rule: \"Host(`h3`)\"\n"
    );
    assert_eq!(
        rendered(
            "{{ ternary \"a\" \"b\" (contains \"x\" \"xyz\") }}{{ dict \"a\" 1 | toJson }}",
            serde_json::Value::Null
        ),
        "a{\"a\":1}"
    );
}

#[test]
fn consul_template_is_not_there() {
    for text in ["{{key \"a\"}}", "{{service \"a\"}}", "{{file \"a\"}}"] {
        let error = Template::parse_with("f", text, &Delimiters::default(), FunctionSet::Sprig).unwrap_err();
        assert!(error.message().contains("not defined"), "{error}");
    }
    assert!(functions::names(FunctionSet::Sprig).contains(&"normalize"));
    assert!(!functions::names(FunctionSet::ConsulTemplate).contains(&"normalize"));
}
