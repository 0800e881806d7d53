use baton_routing::{Rule, rule::TcpRule};
use proptest::prelude::*;

use super::*;

fn v3(text: &str) -> Rule {
    parse_http(text, Syntax::V3).unwrap_or_else(|e| panic!("{text}: {e}")).rule
}

fn v2(text: &str) -> Rule {
    parse_http(text, Syntax::V2).unwrap_or_else(|e| panic!("{text}: {e}")).rule
}

fn shown(rule: &Rule) -> String {
    format!("{rule:?}")
}

#[test]
fn and_binds_tighter_than_or() {
    let rule = v3("Host(`a`) && !(PathPrefix(`/no`) || Method(`delete`)) || Host(\"b\")");
    assert_eq!(shown(&rule), r#"Or([And([Host("a"), Not(Or([PathPrefix("/no"), Method("DELETE")]))]), Host("b")])"#);
}

#[test]
fn matcher_names_in_four_cases() {
    for name in ["HostRegexp", "hostregexp", "HOSTREGEXP", "Hostregexp"] {
        v3(&format!("{name}(`^a$`)"));
    }
    assert_eq!(parse_http("hOsT(`a`)", Syntax::V3).unwrap_err().message, "unsupported function: hOsT");
}

#[test]
fn errors_say_where_and_what_instead() {
    let cases = [
        ("Hots(`bad.test`)", 0, "unsupported function: Hots", Some("Host")),
        ("Host(`a`) && Headers(`k`, `v`)", 13, "unsupported function: Headers", Some("Header")),
        ("Host(`a`, `b`)", 0, "got 2, expected 1", Some("Host(`a`) || Host(`b`)")),
        ("Host(`a`", 8, "expected , or ), but the rule ends here", None),
        ("Host(`a", 5, "the ` is never closed", None),
        ("Host(a)", 5, "expected an argument in ` or \", found 'a'", None),
        ("Host('a')", 5, "not in '", None),
        ("Host(`a`) Path(`/`)", 10, "expected && or || or the end, found 'P'", None),
        ("Host(`a`) &&", 12, "expected a matcher", None),
        ("", 0, "the rule is empty", None),
        ("Path(`x`)", 6, "path \"x\" does not start with a '/'", None),
        ("PathRegexp(`(`)", 12, "is not a regular expression", None),
        ("ClientIP(`10.0.0.0/33`)", 10, "neither an address nor a CIDR range", None),
        ("Host(`é`)", 6, "non-ASCII", None),
    ];
    for (text, offset, message, suggestion) in cases {
        let error = parse_http(text, Syntax::V3).unwrap_err();
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!(error.offset, offset, "{text}: {error}");
        assert_eq!(error.suggestion.as_deref(), suggestion, "{text}");
    }
}

#[test]
fn v2_templates() {
    assert_eq!(
        shown(&v2("Host(`t18s.fr`) || HostRegexp(`{subdomain:[a-z]+}.t18s.fr`)")),
        r#"Or([Host("t18s.fr"), HostRegexp(/^(?:[a-z]+)\.t18s\.fr$/)])"#
    );
    assert_eq!(
        shown(&v2("HostRegexp(`lit.test`, `{n}.X.test`)")),
        r#"Or([Host("lit.test"), HostRegexp(/^(?:[^.]+)\.x\.test$/)])"#
    );
    assert_eq!(shown(&v2("PathPrefix(`/pre/{x:(a|b)}`)")), "PathRegexp(/^/pre/(?:(a|b))/)");
    assert_eq!(
        shown(&v2("Path(`/p/{id:[0-9]{2}}`, `/lit`)")),
        r#"Or([PathRegexp(/^/p/(?:[0-9]{2})$/), Path("/lit")])"#
    );
    assert_eq!(
        shown(&v2("Query(`a=b`, `id={id:[0-9]+}`, `k=`)")),
        r#"And([Query("a", "b"), QueryRegexp("id", /^(?:[0-9]+)$/), QueryRegexp("k", //)])"#
    );
    assert_eq!(shown(&v2("Headers(`X-A`, `1`)")), r#"Header("X-A", "1")"#);
    assert!(parse_http("Headers(`X-A`)", Syntax::V2).is_err());
    assert!(parse_http("Host(`a`) && HostRegexp(`{x`)", Syntax::V2).unwrap_err().message.contains("never closed"));
}

#[test]
fn v2_template_under_v3_is_read_as_meant() {
    let parsed = parse_http("HostRegexp(`{subdomain:[a-z]+}.t18s.fr`)", Syntax::V3).unwrap();
    assert_eq!(shown(&parsed.rule), r"HostRegexp(/^(?:[a-z]+)\.t18s\.fr$/)");
    assert!(parsed.warnings[0].contains("v2 syntax"));
    for plain in [r"^[a-z]{2,3}\.x$", r"^\p{Greek}+$", r"a{2}b", r"\{name\}"] {
        assert!(parse_http(&format!("HostRegexp(`{plain}`)"), Syntax::V3).unwrap().warnings.is_empty(), "{plain}");
    }
}

#[test]
fn query_of_one_argument_wants_an_empty_value() {
    assert_eq!(v3("Query(`flag`)"), Rule::Query("flag".into(), String::new()));
    assert_eq!(v3("QueryRegexp(`flag`)"), Rule::Query("flag".into(), String::new()));
}

#[test]
fn tcp_rules() {
    let rule = |text: &str, syntax| parse_tcp(text, syntax).unwrap().rule;
    assert_eq!(rule("HostSNI(`*`)", Syntax::V3), TcpRule::HostSni("*".into()));
    assert_eq!(format!("{:?}", rule("HostSNI(`a`, `B`)", Syntax::V2)), r#"Or([HostSni("a"), HostSni("b")])"#);
    assert!(parse_tcp("HostSNI(`a`, `b`)", Syntax::V3).is_err());
    assert!(parse_tcp("Host(`a`)", Syntax::V3).unwrap_err().suggestion.is_none());
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("{}Host(`a`){}", "(".repeat(5000), ")".repeat(5000));
    assert!(parse_http(&deep, Syntax::V3).unwrap_err().message.contains("nested deeper"));
    let many = format!("{}Host(`a`)", "!".repeat(5000));
    assert!(parse_http(&many, Syntax::V3).is_err());
}

proptest! {
    #[test]
    fn never_panics(text in "[A-Za-z(){}`\"'!&|,/\\\\ .:\\[\\]é+^$*-]{0,60}") {
        for syntax in [Syntax::V2, Syntax::V3] {
            if let Err(error) = parse_http(&text, syntax) {
                prop_assert!(error.offset <= text.len());
            }
            let _checked = parse_tcp(&text, syntax).is_ok();
        }
    }

    #[test]
    fn never_panics_on_nearly_rules(parts in prop::collection::vec(prop::sample::select(&[
        "Host(`a`)", "HostRegexp(`{a:b}`)", "HostRegexp(`{`)", "Path(`/{x}`)", "&&", "||", "!", "(", ")", "Query(`a=`)", " ", "\"\\x4", "`",
    ][..]), 0..12)) {
        let text = parts.concat();
        for syntax in [Syntax::V2, Syntax::V3] {
            let _checked = parse_http(&text, syntax).is_ok();
        }
    }
}
