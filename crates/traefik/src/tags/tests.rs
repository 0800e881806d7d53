use baton_routing::{
    Kind,
    config::{Domain, Middleware, Server},
};
use proptest::prelude::*;

use super::*;
use crate::rules::Syntax;

fn options() -> ConsulCatalog {
    let default_rule = "Host(`{{ normalize .Name }}.svc.test`)".to_owned();
    ConsulCatalog { exposed_by_default: false, default_rule, ..ConsulCatalog::default() }
}

fn instance(name: &str, id: &str, port: u16, tags: &[&str]) -> Instance {
    Instance {
        id: id.to_owned(),
        name: name.to_owned(),
        tags: std::iter::once(&"traefik.enable=true").chain(tags).map(|t| (*t).to_owned()).collect(),
        address: "10.0.0.1".to_owned(),
        port,
        node_address: "10.0.0.9".to_owned(),
        status: "passing".to_owned(),
        index: 1,
        draining: false,
    }
}

fn all(instances: &[Instance]) -> Catalog {
    read(instances, &options(), &Context { default_syntax: Syntax::V2, ..Context::default() })
}

fn servers(catalog: &Catalog, service: &str) -> Vec<Server> {
    match catalog.config.http.services.get(service) {
        Some(baton_routing::config::Service::LoadBalancer(balancer)) => balancer.servers.clone(),
        _ => Vec::new(),
    }
}

fn urls(catalog: &Catalog, service: &str) -> Vec<String> {
    servers(catalog, service).into_iter().map(|s| s.url).collect()
}

#[test]
fn instances_merge_under_the_default_rule() {
    let catalog = all(&[instance("my_Web", "w2", 82, &[]), instance("my_Web", "w1", 81, &[])]);
    assert_eq!(catalog.config.http.routers["my-Web"].rule, "Host(`my-Web.svc.test`)");
    assert!(catalog.config.http.routers["my-Web"].matcher.is_some() && catalog.config.problems.is_empty());
    assert_eq!(urls(&catalog, "my-Web"), ["http://10.0.0.1:81", "http://10.0.0.1:82"]);
    assert!(catalog.findings.is_empty(), "{:?}", catalog.findings);
}

#[test]
fn only_the_exposed_take_part() {
    let mut hidden = instance("hidden", "h", 1, &[]);
    hidden.tags = vec!["other=1".to_owned()];
    let skipped = instance("skipped", "s", 1, &["skipme"]);
    let options = ConsulCatalog { constraints: "!Tag(`skipme`)".to_owned(), ..options() };
    let catalog = read(&[hidden, skipped, instance("seen", "x", 1, &[])], &options, &Context::default());
    let names: Vec<_> = catalog.config.http.routers.keys().cloned().collect();
    assert_eq!(names, ["seen"]);
    let broken = ConsulCatalog { constraints: "Tag(".to_owned(), ..options };
    let catalog = read(&[instance("seen", "x", 1, &[])], &broken, &Context::default());
    assert!(catalog.config.is_empty() && catalog.findings[0].is_error());
}

#[test]
fn tags_of_a_redirecting_site() {
    let tags = [
        "traefik.http.routers.www-site.rule=Host(`site.test`) || HostRegexp(`{subdomain:[a-z]+}.site.test`)",
        "traefik.http.routers.www-site.entrypoints=web,websecure",
        "traefik.http.routers.www-site.tls=true",
        "traefik.http.routers.www-site.tls.certresolver=letsencrypt",
        "traefik.http.routers.www-site.tls.domains[0].main=site.test",
        "traefik.http.routers.www-site.tls.domains[0].sans=*.site.test,b.test",
        r"traefik.http.middlewares.www-redirect.redirectRegex.regex=^https?://(?:.+\.)?site.test",
        "traefik.http.middlewares.www-redirect.redirectRegex.replacement=https://site.test",
        "traefik.http.middlewares.www-redirect.redirectRegex.permanent=true",
        "traefik.http.routers.www-site.middlewares=www-redirect@consulcatalog,secure-headers@file",
        "traefik.http.middlewares.h.headers.customresponseheaders.X-Tag=tv",
    ];
    let catalog = all(&[instance("www-site", "a", 1, &tags), instance("www-site", "b", 2, &tags)]);
    assert!(catalog.findings.is_empty(), "{:?}", catalog.findings);
    let router = &catalog.config.http.routers["www-site"];
    assert_eq!(router.entry_points, ["web", "websecure"]);
    assert_eq!(router.middlewares, ["www-redirect@consulcatalog", "secure-headers@file"]);
    assert_eq!(router.service, "www-site");
    let tls = router.tls.as_ref().unwrap();
    assert_eq!(tls.domains, [Domain { main: "site.test".into(), sans: vec!["*.site.test".into(), "b.test".into()] }]);
    let Middleware::RedirectRegex(redirect) = &catalog.config.http.middlewares["www-redirect"] else { panic!() };
    assert!(redirect.permanent && redirect.regex.contains(r"\."));
    let Middleware::Headers(headers) = &catalog.config.http.middlewares["h"] else { panic!() };
    assert_eq!(headers.custom_response_headers["X-Tag"], "tv");
    assert_eq!(urls(&catalog, "www-site").len(), 2);
}

#[test]
fn addresses_ports_and_weights_of_instances() {
    let mut bare = instance("p", "p1", 1, &["traefik.http.services.p.loadbalancer.server.port=8080"]);
    bare.address = String::new();
    let scheme = "traefik.http.services.p.loadbalancer.server.scheme=https";
    let weight = "traefik.http.services.p.loadbalancer.server.weight=3";
    let catalog = all(&[bare, instance("p", "p2", 443, &[scheme, weight])]);
    assert_eq!(urls(&catalog, "p"), ["http://10.0.0.9:8080", "https://10.0.0.1:443"]);
    assert_eq!(servers(&catalog, "p")[1].weight, Some(3));
    assert!(catalog.findings.is_empty(), "server options do not conflict: {:?}", catalog.findings);
    let url = "traefik.http.services.p.loadbalancer.server.url=http://x:1";
    let catalog = all(&[instance("p", "p3", 1, &[url, scheme])]);
    assert!(catalog.config.is_empty() && catalog.findings[0].message.contains("not allowed when URL"));
}

#[test]
fn health_decides_who_is_served() {
    let with = |status: &str, id: &str, port| Instance { status: status.to_owned(), ..instance("c", id, port, &[]) };
    let catalog = all(&[with("critical", "a", 1), with("warning", "b", 2), with("maintenance", "c", 3)]);
    assert_eq!(urls(&catalog, "c"), ["http://10.0.0.1:2"]);
    let down = [with("critical", "a", 1)];
    assert!(all(&down).config.is_empty());
    let keeping = ConsulCatalog { keep_unhealthy_routes: true, ..options() };
    let kept = read(&down, &keeping, &Context::default());
    assert!(kept.config.http.routers.contains_key("c") && servers(&kept, "c").is_empty());
    let leaving = Instance { draining: true, ..instance("c", "d", 4, &[]) };
    assert!(servers(&all(&[leaving]), "c")[0].fenced);
}

#[test]
fn the_newest_definition_wins() {
    let old = instance("web", "old", 1, &["traefik.http.routers.web.rule=Host(`old.test`)"]);
    let mut new = instance("web", "new", 2, &["traefik.http.routers.web.rule=Host(`new.test`)"]);
    new.index = 7;
    let catalog = all(&[old, new]);
    assert_eq!(catalog.config.http.routers["web"].rule, "Host(`new.test`)");
    assert_eq!(urls(&catalog, "web").len(), 2, "both instances go on serving");
    assert!(catalog.findings[0].message.contains("defined differently by old of web"), "{}", catalog.findings[0]);
    assert_eq!(catalog.config.problems[0].object.kind, Kind::Router);
}

#[test]
fn a_bad_tag_leaves_out_its_instance_only() {
    let bad = instance("web", "bad", 1, &["traefik.http.routers.web.rulez=Host(`a`)"]);
    let catalog = all(&[bad, instance("web", "good", 2, &[])]);
    assert_eq!(urls(&catalog, "web"), ["http://10.0.0.1:2"]);
    let shown = catalog.findings[0].to_string();
    assert_eq!(
        shown,
        "service web, instance bad: error: unknown key \"rulez\" (traefik.http.routers.web.rulez); did you mean \"rule\"?"
    );
}

#[test]
fn a_router_must_say_which_service() {
    let tags = [
        "traefik.http.routers.two.rule=Host(`two.test`)",
        "traefik.http.services.sa.loadbalancer.server.port=1",
        "traefik.http.services.sb.loadbalancer.server.port=2",
    ];
    let catalog = all(&[instance("two", "o", 1, &tags)]);
    assert!(catalog.config.http.routers.is_empty() && catalog.findings[0].message.contains("sa, sb"));
}

#[test]
fn tcp_tags_make_no_http_router() {
    let tags = ["traefik.tcp.routers.db.rule=HostSNI(`*`)", "traefik.tcp.services.db.loadbalancer.server.port=5432"];
    let catalog = all(&[instance("db", "d", 1, &tags)]);
    assert!(catalog.config.http.routers.is_empty());
    assert_eq!(catalog.config.tcp.routers["db"].service, "db");
    let udp = all(&[instance("dns", "u", 53, &["traefik.udp.routers.dns.entrypoints=udp"])]);
    assert!(udp.config.udp.services.contains_key("dns") && udp.config.http.services.is_empty());
}

#[test]
fn tags_may_come_in_any_order() {
    let tags = ["traefik.http.routers.a.tls.options=x@file", "traefik.http.routers.a.tls=true"];
    for order in [[0, 1], [1, 0]] {
        let catalog = all(&[instance("a", "i", 1, &order.map(|i| tags[i]))]);
        assert_eq!(catalog.config.http.routers["a"].tls.as_ref().unwrap().options, "x@file");
    }
    let off = all(&[instance("a", "i", 1, &["traefik.http.routers.a.tls=false"])]);
    assert!(off.config.http.routers["a"].tls.is_none() && off.findings.is_empty(), "{:?}", off.findings);
}

proptest! {
    #[test]
    fn never_panics(tags in prop::collection::vec("(traefik\\.)?(http|tcp|udp|x)?\\.?(routers|services|middlewares)?\\.?[a-z\\[\\]0-9.é]{0,12}=?[a-zA-Z`(){}|&!*.,]{0,20}", 0..8)) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let _read = all(&[instance("a", "1", 1, &tags), instance("a", "2", 0, &tags)]);
    }
}
