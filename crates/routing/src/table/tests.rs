use std::cell::Cell;

use ipnet::IpNet;
use proptest::prelude::*;

use super::{Implemented, RouteTable, compile};
use crate::{
    config::{
        Chain, Config, EntryPoint, IpAllowList, LoadBalancer, Middleware, RedirectScheme, Router, RouterTls, Server,
        Service, TlsOptions, Weighted, WeightedService,
    },
    problem::{Kind, Problem, Severity, Status},
    rule::{Pattern, Request, Rule, tests::Ask},
};

fn host(name: &str) -> Rule {
    Rule::Host(name.to_owned())
}

fn prefix(path: &str) -> Rule {
    Rule::PathPrefix(path.to_owned())
}

fn router(rule: Rule, text: &str) -> Router {
    Router { rule: text.to_owned(), matcher: Some(rule), service: "s".to_owned(), ..Router::default() }
}

fn base() -> Config {
    let mut config = Config::default();
    for (name, address) in [("web", ":80"), ("secure", ":443")] {
        config.entry_points.insert(name.to_owned(), EntryPoint { address: address.to_owned(), ..Default::default() });
    }
    let server = Server { url: "http://127.0.0.1:1".to_owned(), ..Server::default() };
    let balancer = LoadBalancer { servers: vec![server], ..LoadBalancer::default() };
    config.http.services.insert("s@file".to_owned(), Service::LoadBalancer(balancer));
    config
}

fn built(config: &Config) -> RouteTable {
    compile(config, &Implemented::ALL)
}

fn found(table: &RouteTable, ask: &Ask) -> Option<String> {
    table.lookup("web", false, ask).map(|r| r.name.to_string())
}

#[test]
fn longer_rule_wins_and_priority_beats_length() {
    let mut config = base();
    config.http.routers.insert("short@file".into(), router(prefix("/foo"), "PathPrefix(`/foo`)"));
    config.http.routers.insert("long@file".into(), router(prefix("/foobar"), "PathPrefix(`/foobar`)"));
    let mut boosted = router(prefix("/foobar/x"), "p");
    boosted.priority = 500;
    config.http.routers.insert("boosted@file".into(), boosted);
    let table = built(&config);
    let at = |path: &str| found(&table, &Ask::new("h", path)).unwrap_or_default();
    assert_eq!(
        ["/foo", "/foox", "/foobar", "/foobar/x", "/no"].map(at),
        ["short@file", "short@file", "long@file", "boosted@file", ""]
    );
}

#[test]
fn tls_and_plain_routes_do_not_see_each_other() {
    let mut config = base();
    let mut secure = router(host("a.test"), "Host(`a.test`)");
    secure.tls = Some(RouterTls::default());
    config.http.routers.insert("secure@file".into(), secure);
    config.http.routers.insert("plain@file".into(), router(host("b.test"), "Host(`b.test`)"));
    let table = built(&config);
    let on = |host: &str, secure| table.lookup("web", secure, &Ask::new(host, "/")).is_some();
    assert_eq!(
        [on("a.test", true), on("a.test", false), on("b.test", true), on("b.test", false)],
        [true, false, false, true]
    );
}

#[test]
fn entry_point_defaults_make_copies() {
    let mut config = base();
    config.entry_points["secure"].http.middlewares = vec!["first@file".into()];
    let redirect = Middleware::RedirectScheme(RedirectScheme { scheme: "https".into(), ..Default::default() });
    config.http.middlewares.insert("first@file".into(), redirect.clone());
    config.http.middlewares.insert("own@file".into(), redirect);
    let mut shop = router(host("a.test"), "Host(`a.test`)");
    shop.middlewares = vec!["own".into()];
    config.http.routers.insert("shop@file".into(), shop.clone());
    shop.entry_points = vec!["secure".into()];
    config.http.routers.insert("alone@file".into(), shop);
    let table = built(&config);
    let mut names: Vec<_> = table.report.routers.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alone@file", "secure-shop@file", "shop@file"]);
    let copy = table.routes.iter().find(|r| &*r.name == "secure-shop@file").unwrap();
    let order: Vec<_> = copy.middlewares.iter().map(|m| &*m.name).collect();
    assert_eq!(order, ["first@file", "own@file"]);
    assert_eq!(copy.config.entry_points, ["secure"]);
}

#[test]
fn a_mistake_disables_its_own_object_only() {
    let mut config = base();
    let mut add = |name: &str, edit: fn(&mut Router)| {
        let mut broken = router(host("x.test"), "Host(`x.test`)");
        edit(&mut broken);
        config.http.routers.insert(format!("{name}@file"), broken);
    };
    add("service", |r| r.service = "gone".into());
    add("middleware", |r| r.middlewares = vec!["gone".into()]);
    add("rule", |r| r.matcher = None);
    add("entry", |r| r.entry_points = vec!["gone".into()]);
    add("options", |r| r.tls = Some(RouterTls { options: "gone".into(), ..Default::default() }));
    add("good", |r| r.entry_points = vec!["gone".into(), "web".into()]);
    config.problems.push(Problem::new(Kind::Router, "rule@file", Severity::Disabled, "bad rule"));
    let table = built(&config);
    let names: Vec<_> = table.routes.iter().map(|r| &*r.name).collect();
    assert_eq!(names, ["good@file"]);
    let says = |name: &str, text: &str| {
        let entry = &table.report.routers[name];
        assert!(entry.errors.iter().any(|e| e.contains(text)), "{name}: {:?}", entry.errors);
        entry.status
    };
    assert_eq!(says("service@file", "\"gone@file\" does not exist"), Status::Disabled);
    assert_eq!(says("middleware@file", "middleware \"gone@file\" does not exist"), Status::Disabled);
    assert_eq!(says("rule@file", "bad rule"), Status::Disabled);
    assert_eq!(says("entry@file", "entryPoint \"gone\" doesn't exist"), Status::Disabled);
    assert_eq!(says("options@file", "unknown TLS options: gone@file"), Status::Disabled);
    assert_eq!(says("good@file", "doesn't exist"), Status::Warning);
    assert!(table.entry_points["web"].tls_hosts.get("x.test").unwrap().closed.is_some());
}

#[test]
fn server_urls_are_read_as_urls_are() {
    for (url, fine) in [
        ("http://a.test:80", true),
        ("HTTP://a.test", true),
        ("h2c://a.test:8080/path", true),
        ("https://user:secret@a.test:8443/", true),
        ("http://user@[::1]:80", true),
        ("http://user:secret@", false),
        ("http://user@a.test:x", false),
        ("ftp://a.test", false),
        ("a.test:80", false),
    ] {
        let mut config = base();
        let servers = vec![Server { url: url.into(), ..Default::default() }];
        let service = Service::LoadBalancer(LoadBalancer { servers, ..Default::default() });
        config.http.services.insert("s@file".into(), service);
        let told = &built(&config).report.services["s@file"];
        assert_eq!(told.status == Status::Enabled, fine, "{url}: {:?}", told.errors);
    }
}

#[test]
fn closed_objects_close_their_routes() {
    let mut config = base();
    let list = IpAllowList { source_range: vec!["10.0.0.0/8".into()], ..Default::default() };
    config.http.middlewares.insert("guard@file".into(), Middleware::IpAllowList(list));
    config.http.middlewares.insert("outer@file".into(), Middleware::Chain(Chain { middlewares: vec!["guard".into()] }));
    let mut guarded = router(host("a.test"), "Host(`a.test`)");
    guarded.middlewares = vec!["outer".into()];
    config.http.routers.insert("guarded@file".into(), guarded);
    assert_eq!(built(&config).routes[0].closed, None);

    config.problems.push(Problem::new(Kind::Middleware, "guard@file", Severity::Closed, "unknown key \"depht\""));
    let closed = built(&config).routes[0].closed.clone().unwrap();
    assert!(closed.contains("guard@file") && closed.contains("depht"), "{closed}");

    config.problems.clear();
    let only_headers = Implemented { middlewares: &["headers"], ..Implemented::ALL };
    let table = compile(&config, &only_headers);
    assert!(table.routes[0].closed.as_ref().unwrap().contains("not implemented"));
    assert_eq!(table.report.middlewares["guard@file"].status, Status::Disabled);
}

#[test]
fn cycles_are_refused() {
    let mut config = base();
    let chain = |name: &str| Middleware::Chain(Chain { middlewares: vec![name.into()] });
    config.http.middlewares.insert("a@file".into(), chain("b"));
    config.http.middlewares.insert("b@file".into(), chain("a"));
    let weighted = |name: &str| {
        let services = vec![WeightedService { name: name.into(), weight: None }];
        Service::Weighted(Weighted { services, ..Default::default() })
    };
    config.http.services.insert("x@file".into(), weighted("y"));
    config.http.services.insert("y@file".into(), weighted("x"));
    let mut one = router(host("a.test"), "Host(`a.test`)");
    one.middlewares = vec!["a".into()];
    config.http.routers.insert("one@file".into(), one);
    let mut two = router(host("b.test"), "Host(`b.test`)");
    two.service = "x".into();
    config.http.routers.insert("two@file".into(), two);
    let table = built(&config);
    assert!(table.routes.is_empty() && !table.services.contains_key("x@file"));
    for name in ["one@file", "two@file"] {
        assert!(table.report.routers[name].errors[0].contains("recursion detected"), "{name}");
    }
}

#[test]
fn conflicting_tls_options_fall_back_or_disable() {
    let mut config = base();
    for name in ["max12", "mtls"] {
        config.tls.options.insert(format!("{name}@file"), TlsOptions::default());
        let mut conflicting = router(host("c.test"), "Host(`c.test`)");
        conflicting.tls = Some(RouterTls { options: name.into(), ..Default::default() });
        config.http.routers.insert(format!("r-{name}@file"), conflicting);
    }
    let mut own = router(host("*.d.test"), "Host(`*.d.test`)");
    own.tls = Some(RouterTls { options: "max12".into(), ..Default::default() });
    config.http.routers.insert("own@file".into(), own);
    let table = built(&config);
    let hosts = &table.entry_points["web"].tls_hosts;
    assert_eq!(&*hosts.get("c.test").unwrap().name, "default");
    assert_eq!(&*hosts.get("x.d.test").unwrap().name, "max12@file");
    assert!(hosts.get("d.test").is_none() && hosts.get("x.y.d.test").is_none());
    assert_eq!(table.report.routers["r-mtls@file"].status, Status::Warning);
    assert_eq!(table.routes.len(), 3);

    let told = |table: &RouteTable| table.report.routers["r-max12@file"].errors.join(" ");
    assert!(!told(&table).contains("client certificates"), "{}", told(&table));

    // One router's options can take another's client certificates away: both are told.
    config.tls.options["mtls@file"].client_auth.ca_files = vec!["ca.pem".into()];
    let table = built(&config);
    assert!(told(&table).contains("so client certificates are NOT verified there"), "{}", told(&table));
    assert_eq!(table.report.routers["r-max12@file"].errors, table.report.routers["r-mtls@file"].errors);

    config.strict_tls_options = true;
    let table = built(&config);
    assert_eq!(table.routes.len(), 1);
    assert!(table.report.routers["r-mtls@file"].errors[0].contains("r-max12@file, r-mtls@file"));
}

#[test]
fn ten_thousand_hosts_are_one_look_each() {
    let mut config = base();
    for i in 0..10_000 {
        let (name, rule) = (format!("h{i}.test"), format!("Host(`h{i}.test`)"));
        config.http.routers.insert(format!("r{i}@file"), router(host(&name), &rule));
    }
    let table = built(&config);
    let counting = Counting { ask: Ask::new("h7777.test", "/"), hosts: Cell::new(0) };
    assert_eq!(table.lookup("web", false, &counting).map(|r| r.name.to_string()).as_deref(), Some("r7777@file"));
    assert!(counting.hosts.get() <= 2, "the host was asked for {} times", counting.hosts.get());
}

/// Counts how often rules look at the host.
struct Counting {
    ask: Ask,
    hosts: Cell<u32>,
}

impl Request for Counting {
    fn host(&self) -> &str {
        self.hosts.set(self.hosts.get() + 1);
        self.ask.host()
    }

    fn path(&self) -> &str {
        self.ask.path()
    }

    fn method(&self) -> &str {
        self.ask.method()
    }

    fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.ask.headers(name)
    }

    fn query(&self) -> &str {
        self.ask.query()
    }

    fn client_ip(&self) -> std::net::IpAddr {
        self.ask.client_ip()
    }
}

fn leaf() -> impl Strategy<Value = Rule> {
    let pick = |options: &'static [&'static str]| prop::sample::select(options).prop_map(str::to_owned);
    prop_oneof![
        4 => pick(&["a.test", "b.test", "*.test", "*.a.test", "*", "x.a.test"]).prop_map(Rule::Host),
        2 => prop::sample::select(&[r"^[a-z]+\.a\.test$", r"^x", r"\.test$", r"^b.test$"][..])
            .prop_map(|r| Rule::HostRegexp(Pattern::new(r).unwrap())),
        2 => pick(&["/", "/foo", "/foo/bar"]).prop_map(Rule::Path),
        4 => pick(&["/", "/foo", "/fo", "/foo/b"]).prop_map(Rule::PathPrefix),
        1 => Just(Rule::PathRegexp(Pattern::new("bar$").unwrap())),
        1 => pick(&["GET", "PUT"]).prop_map(Rule::Method),
        1 => Just(Rule::Header("x-a".into(), "1".into())),
        1 => Just(Rule::Query("q".into(), "1".into())),
        1 => Just(Rule::ClientIp("127.0.0.0/8".parse::<IpNet>().unwrap())),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::Or),
            inner.prop_map(|r| Rule::Not(Box::new(r))),
        ]
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let hosts = prop::sample::select(&["a.test", "b.test", "x.a.test", "y.x.a.test", "test", "", "bxtest"][..]);
    let paths = prop::sample::select(&["/", "/foo", "/foo/", "/foo/bar", "/fo", "/é"][..]);
    (hosts, paths, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(host, path, put, header, query)| {
        let mut ask = Ask::new(host, path);
        if put {
            ask.method = "PUT".to_owned();
        }
        if header {
            ask.headers.push(("X-A".to_owned(), "1".to_owned()));
        }
        if query {
            ask.query = "q=1".to_owned();
        }
        ask
    })
}

proptest! {
    #[test]
    fn lookup_equals_naive_order(
        rules in prop::collection::vec((rule(), 1i64..5), 1..24),
        asks in prop::collection::vec(ask(), 1..16),
    ) {
        let mut config = base();
        for (i, (rule, priority)) in rules.iter().enumerate() {
            let mut one = router(rule.clone(), "r");
            one.priority = *priority;
            config.http.routers.insert(format!("r{i:02}@file"), one);
        }
        let table = built(&config);
        for ask in asks {
            let mut naive: Vec<(i64, String)> = Vec::new();
            for (i, (rule, priority)) in rules.iter().enumerate() {
                if rule.matches(&ask) {
                    naive.push((-priority, format!("r{i:02}@file")));
                }
            }
            let expected = naive.into_iter().min().map(|(_, name)| name);
            prop_assert_eq!(found(&table, &ask), expected);
        }
    }
}
