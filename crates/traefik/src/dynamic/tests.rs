use std::collections::BTreeMap;

use baton_routing::{
    Config, Kind, ObjectRef,
    config::{Middleware, Service},
    problem,
};
use proptest::prelude::*;

use super::*;
use crate::finding::Severity;

fn read(name: &str, text: &str) -> FileConfig {
    parse_file(name, text.as_bytes(), &Context::default()).unwrap_or_else(|findings| panic!("{findings:?}"))
}

fn shown(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn keys_ignore_case_and_lists_take_text() {
    let file = read(
        "a.yml",
        "HTTP:\n  Routers:\n    r: {RULE: 'Host(`a`)', Service: s, entrypoints: 'web, websecure'}\n  services:\n    s: {loadbalancer: {Servers: [{URL: 'http://127.0.0.1:1'}]}}\n  middlewares:\n    w: {ipWhiteList: {sourcerange: 127.0.0.1/32}}\n",
    );
    assert_eq!(file.config.http.routers["r"].entry_points, ["web", "websecure"]);
    let Service::LoadBalancer(balancer) = &file.config.http.services["s"] else { panic!("not a load balancer") };
    assert_eq!(balancer.servers[0].url, "http://127.0.0.1:1");
    let Middleware::IpWhiteList(list) = &file.config.http.middlewares["w"] else { panic!("not a list") };
    assert_eq!(list.source_range, ["127.0.0.1/32"]);
    assert!(!file.refused);
    assert_eq!(
        shown(&file.findings),
        ["a.yml:7:5: warning: ipWhiteList is deprecated: write ipAllowList (http.middlewares.w)"]
    );
}

#[test]
fn toml_and_json_say_the_same() {
    let toml =
        read("a.toml", "[http.routers.r]\nrule = \"Host(`a`)\"\nservice = \"s\"\npriority = 7\n[http.routers.r.tls]\n");
    let json = read(
        "a.json",
        r#"{"http": {"routers": {"r": {"rule": "Host(`a`)", "service": "s", "priority": 7, "tls": {}}}}}"#,
    );
    assert_eq!(toml.config, json.config);
    assert!(toml.config.http.routers["r"].tls.is_some());
    assert_eq!(toml.place(&ObjectRef::new(Kind::Router, "r")), Some((1, 15)));
}

#[test]
fn every_mistake_is_found_at_once() {
    let file = read(
        "bad.yml",
        r"http:
  routers:
    one:
      rule: Hots(`a`)
      sevice: s
      priority: high
    two: {rule: 'Host(`b`) &', service: s}
  midlewares: {}
  middlewares:
    limit:
      rateLimit: {average: many, period: 5 parsecs, burst: 3}
    odd:
      redirectSheme: {scheme: https}
    both: {addPrefix: {prefix: /a}, stripPrefix: {prefixes: [/b]}}
  services:
    s:
      loadBalancer:
        servers:
          - {url: 'http://a:1', wieght: 3}
extra: 1
",
    );
    assert!(file.refused);
    assert_eq!(
        shown(&file.findings),
        [
            "bad.yml:4:13: error: unsupported function: Hots (http.routers.one.rule); did you mean \"Host\"?",
            "bad.yml:5:7: error: unknown key \"sevice\" (http.routers.one.sevice); did you mean \"service\"?",
            "bad.yml:6:17: error: expected a whole number, found \"high\" (http.routers.one.priority)",
            "bad.yml:7:28: error: expected && or || or the end, found '&' (http.routers.two.rule)",
            "bad.yml:8:3: error: unknown key \"midlewares\" (http.midlewares); did you mean \"middlewares\"?",
            "bad.yml:11:28: error: expected a whole number, found \"many\" (http.middlewares.limit.rateLimit.average)",
            "bad.yml:11:42: error: \"5 parsecs\" is not a duration: write a number with a unit (ns, us, ms, s, m, h), such as \"1m30s\", or seconds (http.middlewares.limit.rateLimit.period)",
            "bad.yml:13:7: error: unknown kind \"redirectSheme\" (http.middlewares.odd.redirectSheme); did you mean \"redirectScheme\"?",
            "bad.yml:14:37: error: cannot create middleware: multi-types middleware not supported, consider declaring two different pieces of middleware instead (http.middlewares.both)",
            "bad.yml:19:33: error: unknown key \"wieght\" (http.services.s.loadBalancer.servers[0].wieght); did you mean \"weight\"?",
            "bad.yml:20:1: warning: unknown section \"extra\" is ignored (extra)",
        ]
    );
    let severity = |kind, name: &str| {
        file.config.problems.iter().filter(|p| p.object == ObjectRef::new(kind, name)).map(|p| p.severity).max()
    };
    assert_eq!(severity(Kind::Router, "one"), Some(problem::Severity::Closed));
    assert_eq!(severity(Kind::Router, "two"), Some(problem::Severity::Disabled));
    assert_eq!(severity(Kind::Middleware, "limit"), Some(problem::Severity::Closed));
    assert_eq!(severity(Kind::Middleware, "odd"), Some(problem::Severity::Closed));
    assert_eq!(severity(Kind::Service, "s"), Some(problem::Severity::Warning));
    let Middleware::RateLimit(limit) = &file.config.http.middlewares["limit"] else { panic!("not a limit") };
    assert_eq!(limit.burst, 3, "what is right is read");
}

#[test]
fn a_key_without_value_counts_as_absent() {
    let file = read(
        "n.yml",
        "http:\n  routers:\n    r: {rule: 'Host(`a`)', service: s, tls: }\n  middlewares:\n    m: {compress: }\n",
    );
    assert!(!file.refused && file.config.http.routers["r"].tls.is_none());
    assert_eq!(file.config.http.middlewares["m"], Middleware::Invalid);
    assert!(
        file.findings[0].to_string().starts_with("n.yml:3:43: warning: nothing stands here"),
        "{}",
        file.findings[0]
    );
}

#[test]
fn empty_options_are_refused_where_they_mean_nothing() {
    let text = "http: {middlewares: {a: {compress: {}}, b: {contentType: {}}, c: {retry: {}}}}";
    let file = read("e.yml", text);
    assert!(file.refused);
    assert_eq!(
        shown(&file.findings),
        ["e.yml:1:74: error: retry cannot be a standalone element: it needs options (http.middlewares.c.retry)"]
    );
}

#[test]
fn broken_text_is_one_clear_finding() {
    for (name, text, message) in [
        ("a.yml", "http: {", "not valid YAML"),
        ("a.yml", "a: 1\na: 2\n", "stands here twice, first in line 1"),
        ("a.yml", "- a\n  b: [", "not valid YAML"),
        ("a.yml", "a: &a [*a]", "the alias names nothing"),
        ("a.yml", "a: {<<: b}", "<< takes a map"),
        ("a.yml", "%YAML 1.2\n---\na: 1\n", "only version 1.1"),
        ("a.toml", "a = \n", "not valid TOML"),
        ("a.txt", "", "not a configuration file"),
        ("a.yml", "x: {{ nope }}", "template"),
    ] {
        let findings = parse_file(name, text.as_bytes(), &Context::default()).unwrap_err();
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains(message), "{text}: {}", findings[0]);
        assert_eq!(findings[0].severity, Severity::Fatal);
    }
    assert!(parse_file("a.yml", b"\xff", &Context::default()).is_err());
}

#[test]
fn templates_are_rendered() {
    let env = BTreeMap::from([("HOST".to_owned(), "env.test".to_owned())]);
    let moment = baton_template::Moment { now: "2026-01-02T03:04:05Z".parse().unwrap(), random: [0; 16] };
    let context = Context { env, moment: Some(moment), ..Context::default() };
    let text = "http:\n  middlewares: {m: {headers: {customResponseHeaders: {X-Loaded: '{{ now | date \"2006\" }}'}}}}\n  routers:\n{{ range $i, $e := until 3 }}    t{{ $e }}: {rule: 'Host(`t{{ $e }}.{{ env \"HOST\" }}`)', service: s}\n{{ end }}";
    let file = parse_file("t.yml", text.as_bytes(), &context).unwrap();
    assert_eq!(file.config.http.routers["t2"].rule, "Host(`t2.env.test`)");
    let Middleware::Headers(headers) = &file.config.http.middlewares["m"] else { panic!() };
    assert_eq!(headers.custom_response_headers["X-Loaded"], "2026");
}

#[test]
fn bombs_are_defused() {
    let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        text.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(",")));
    }
    let findings = parse_file("bomb.yml", text.as_bytes(), &Context::default()).unwrap_err();
    assert!(findings[0].message.contains("aliases expanded"), "{}", findings[0]);
    let deep = format!("a: {}{}", "[".repeat(4000), "]".repeat(4000));
    assert!(parse_file("deep.yml", deep.as_bytes(), &Context::default()).is_err());
}

#[test]
fn aliases_and_merge_keys_work() {
    let file = read(
        "m.yml",
        "x: &base {service: s, entryPoints: [web]}\nhttp:\n  routers:\n    a: {<<: *base, rule: 'Host(`a`)'}\n    b: {<<: *base, rule: 'Host(`b`)', service: t}\n",
    );
    let routers = &file.config.http.routers;
    assert_eq!((routers["a"].service.as_str(), routers["b"].service.as_str()), ("s", "t"));
}

#[test]
fn first_file_keeps_a_name() {
    let one = read("a.yml", "http: {routers: {r: {rule: 'Host(`a`)', service: s}}}");
    let two = read(
        "b.yml",
        "http:\n  routers:\n    r: {rule: 'Hots(`b`)', service: s}\n    q: {rule: 'Host(`q`)', service: s}\n",
    );
    let (merged, findings) = merge_files(vec![("b.yml".into(), two), ("a.yml".into(), one)]);
    assert_eq!(merged.http.routers["r"].rule, "Host(`a`)");
    assert!(merged.http.routers.contains_key("q") && merged.problems.is_empty());
    assert_eq!(
        shown(&findings),
        ["b.yml:3:5: warning: the name is taken by an earlier file; this one is left out (r)"]
    );
}

#[test]
fn providers_are_qualified() {
    let text = "http: {routers: {r: {rule: 'Hots(`b`)', service: s}}}\ntls: {options: {default: {}, own: {bogus: 1}}}";
    let mut config = Config::default();
    merge(&mut config, vec![("file".into(), read("a.yml", text).config), ("http".into(), read("b.yml", text).config)]);
    assert!(config.http.routers.contains_key("r@file") && config.http.routers.contains_key("r@http"));
    let names: Vec<_> = config.tls.options.keys().map(String::as_str).collect();
    assert_eq!(names, ["default", "own@file", "own@http"]);
    let about: Vec<_> = config.problems.iter().map(|p| p.object.name.as_str()).collect();
    assert_eq!(about, ["r@file", "own@file", "default", "r@http", "own@http"]);
}

proptest! {
    #[test]
    fn never_panics_on_any_text(text in "[a-zA-Z0-9:{}\\[\\]\"'`,.&*<|>!%@#\\- \n]{0,200}") {
        for name in ["a.yml", "a.toml"] {
            let _read = parse_file(name, text.as_bytes(), &Context::default()).is_ok();
        }
    }

    #[test]
    fn never_panics_on_nearly_configurations(parts in prop::collection::vec(prop::sample::select(&[
        "http:", "tls:", "tcp:", "\n  ", "\n    ", "\n      ", "routers:", "services:", "middlewares:", "options:", "a:", "rule: 'Host(`a`)'",
        "loadBalancer:", "servers:", "- url: x", "headers:", "compress:", "{}", "null", "true", "[1,2]", "5s", "-1", "certificates:", "retry: {attempts: x}",
    ][..]), 0..24)) {
        let _read = parse_file("a.yml", parts.concat().as_bytes(), &Context::default()).is_ok();
    }
}
