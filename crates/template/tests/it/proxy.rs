//! Templates of the proxy: sprig by its own names, data as dot.

use std::collections::BTreeMap;

use baton_template::{Delimiters, FunctionSet, Moment, Template, functions, render_value_at};

fn rendered(text: &str, data: serde_json::Value) -> String {
    let template = Template::parse_with("rule", text, &Delimiters::default(), FunctionSet::Sprig).unwrap();
    let env = BTreeMap::from([("DOMAIN".to_owned(), "example.com".to_owned())]);
    let moment = Moment { now: "2026-01-02T03:04:05Z".parse().unwrap(), random: [7; 16] };
    render_value_at(&template, data, &env, Some(moment)).unwrap()
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

#[test]
fn time_and_chance() {
    for (text, expected) in [
        ("{{ now }}", "2026-01-02T03:04:05Z"),
        ("{{ now | date \"02 Jan 2006\" }}", "02 Jan 2026"),
        ("{{ date \"15:04\" 3600 }}", "01:00"),
        ("{{ htmlDate now }} {{ now | unixEpoch }}", "2026-01-02 1767323045"),
    ] {
        assert_eq!(rendered(text, serde_json::Value::Null), expected, "{text}");
    }
    let two = rendered("{{ uuidv4 }} {{ uuidv4 }}", serde_json::Value::Null);
    let (first, second) = two.split_once(' ').unwrap();
    assert!(first != second && first.len() == 36 && first.as_bytes()[14] == b'4', "{two}");
    let line = rendered("{{ htpasswd \"me\" \"secret\" }}", serde_json::Value::Null);
    let hash = line.strip_prefix("me:").unwrap();
    assert!(hash.starts_with("$2a$10$") && bcrypt::verify("secret", hash).unwrap(), "{line}");
    let template =
        Template::parse_with("f", "{{ htpasswd \"a:b\" \"x\" }}", &Delimiters::default(), FunctionSet::Sprig).unwrap();
    let error = render_value_at(&template, serde_json::Value::Null, &BTreeMap::new(), None).unwrap_err();
    assert!(error.message().contains("invalid username"), "{error}");
    let template = Template::parse_with("f", "{{ now }}", &Delimiters::default(), FunctionSet::Sprig).unwrap();
    let error = render_value_at(&template, serde_json::Value::Null, &BTreeMap::new(), None).unwrap_err();
    assert!(error.message().contains("not available in this template"), "{error}");
}
