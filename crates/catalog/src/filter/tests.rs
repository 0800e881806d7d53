use super::*;
use serde_json::{Value, json};

fn instance() -> Value {
    json!({
        "Node": {"ID": "1", "Node": "edge-1", "Meta": {"zone": "b"}},
        "Service": {"ID": "web-1", "Service": "web", "Tags": ["v1", "traefik.enable=true"], "Port": 80,
            "Meta": {"a b": "c", "version": "12"}, "EnableTagOverride": false},
        "Checks": [{"Status": "passing", "Name": "x"}, {"Status": "critical", "Name": "y"}],
    })
}

#[track_caller]
fn check(text: &str, expected: bool) {
    let filter = Filter::parse(text, &schema::ENTRY).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(filter.accepts(&instance()), expected, "{text}");
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = Filter::parse(text, &schema::ENTRY).unwrap_err().to_string();
    assert_eq!(error, format!("Failed to create boolean expression evaluator: {expected}"));
}

#[test]
fn comparisons() {
    check("Service.Service == web", true);
    check("Service.Service==\"web\"", true);
    check("Service.Service != `web`", false);
    check("Service.Port == 80", true);
    check("Service.Port != 81", true);
    check("Service.EnableTagOverride == false", true);
    check("Service.Tags contains v1", true);
    check("Service.Tags not contains v1", false);
    check("\"traefik.enable=true\" in Service.Tags", true);
    check("v2 not in Service.Tags", true);
    check("Service.Meta[\"a b\"] == c", true);
    check("Service.Meta.version == 12", true);
    check("Service.Meta contains version", true);
    check("zone in Node.Meta", true);
    check("Node.Meta.absent == x", false);
    check("Node.Meta.absent != x", true);
    check("Node.TaggedAddresses is empty", true);
    check("Service.Tags is not empty", true);
    check("Node.Node matches `^edge-[0-9]$`", true);
    check("Node.Node not matches edge", false);
}

#[test]
fn a_list_of_records_needs_one_that_fits() {
    check("Checks.Status == critical", true);
    check("Checks.Status == warning", false);
    check("not Checks.Status == critical", false);
    check("Checks is empty", false);
}

#[test]
fn precedence_and_parentheses() {
    check("Service.Port == 1 and Service.Port == 1 or Service.Port == 80", true);
    check("Service.Port == 1 and (Service.Port == 1 or Service.Port == 80)", false);
    check("not Service.Port == 1 and Service.Service == web", true);
    check("not (Service.Port == 80 or Service.Port == 1)", false);
    check("Service.ID == not", false);
    check("Service.ID == web-1 and Node.Node == edge-1", true);
}

#[test]
fn mistakes_are_named() {
    refused("Bogus == 1", "Selector \"Bogus\" is not valid");
    refused("Service.Tagz contains x", "Selector \"Service.Tagz\" is not valid");
    refused("Service.Port == http", "failed to coerce value \"http\" for selector \"Service.Port\"");
    refused("Service.Port contains 8", "Invalid match operator \"contains\" for selector \"Service.Port\"");
    refused("", "1:1 (0): no match found, expected: a selector or a value");
    refused("(Service.Port == 80", "1:20 (19): no match found, expected: \")\"");
    refused("Service.Port == 80 80", "1:20 (19): no match found, expected: \"and\", \"or\" or the end");
    refused(
        "Service.Port like 80",
        "1:14 (13): no match found, expected: \"==\", \"!=\", \"is empty\", \"contains\", \"matches\" or \"in\"",
    );
    assert!(Filter::parse("Node.Node matches `(`", &schema::ENTRY).is_err());
    assert!(Filter::parse(&"(".repeat(100), &schema::ENTRY).unwrap_err().to_string().contains("nested deeper"));
    assert!(Filter::parse(&"a".repeat(5000), &schema::ENTRY).is_err());
}

#[test]
fn hostile_text_never_panics() {
    for text in
        ["\"", "`", "é == é", "a[", "a[\"x\"", "a.", "not", "in", "a in", "a is", "\u{0}", "a == \"\\u00\"", "a not"]
    {
        assert!(Filter::parse(text, &schema::ENTRY).is_err(), "{text:?}");
    }
}
