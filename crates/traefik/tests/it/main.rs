//! The whole front end on the files of an edge: static file, dynamic directory, catalog tags → routes.

mod verdicts;

use std::fmt::Write;

use baton_routing::{Implemented, Request, RouteTable, compile};
use baton_traefik::{
    assemble, check,
    dynamic::{Context, merge_files, parse_file},
    rules::Syntax,
    static_config::{Sources, load},
    tags::{self, Instance},
};

const EDGE: &[u8] = include_bytes!("golden/edge.yml");
const ADMIN: &[u8] = include_bytes!("golden/edge.d/admin.yml");
const SECURITY: &[u8] = include_bytes!("golden/edge.d/security.yml");

fn site() -> Vec<Instance> {
    let tags = [
        "traefik.enable=true",
        "traefik.http.routers.www-site.rule=Host(`site.test`) || HostRegexp(`{subdomain:[a-z]+}.site.test`)",
        "traefik.http.routers.www-site.entrypoints=web,websecure",
        "traefik.http.routers.www-site.tls=true",
        "traefik.http.routers.www-site.tls.certresolver=letsencrypt",
        "traefik.http.routers.www-site.tls.domains[0].main=site.test",
        "traefik.http.routers.www-site.tls.domains[0].sans=*.site.test",
        r"traefik.http.middlewares.www-redirect.redirectRegex.regex=^https?://(?:.+\.)?site.test",
        "traefik.http.middlewares.www-redirect.redirectRegex.replacement=https://site.test",
        "traefik.http.routers.www-site.middlewares=www-redirect@consulcatalog,secure-headers@file",
    ];
    let instance = |id: &str, port| Instance {
        id: id.to_owned(),
        name: "www-site".to_owned(),
        tags: tags.map(str::to_owned).to_vec(),
        address: "127.0.0.1".to_owned(),
        port,
        status: "passing".to_owned(),
        ..Instance::default()
    };
    vec![instance("a", 1001), instance("b", 1002)]
}

/// The compiled table and all findings on the way.
fn edge() -> (RouteTable, Vec<String>) {
    let loaded = load(Sources { file: Some(("golden/edge.yml", EDGE)), ..Sources::default() });
    assert!(!loaded.is_broken());
    let mut findings = loaded.findings.clone();
    let context = Context { default_syntax: loaded.config.default_syntax(), ..Context::default() };
    let mut files = Vec::new();
    for (name, bytes) in [("golden/edge.d/admin.yml", ADMIN), ("golden/edge.d/security.yml", SECURITY)] {
        let file = parse_file(name, bytes, &context).expect("a readable file");
        assert!(!file.refused);
        findings.extend(file.findings.clone());
        files.push((name.to_owned(), file));
    }
    let (files, more) = merge_files(files);
    findings.extend(more);
    let options = loaded.config.providers.consul_catalog.clone().expect("a catalog");
    let v2 = Context { default_syntax: Syntax::V2, ..Context::default() };
    let catalog = tags::read(&site(), &options, &v2);
    findings.extend(catalog.findings);
    let providers = vec![("file".to_owned(), files), ("consulcatalog".to_owned(), catalog.config)];
    let table = compile(&assemble(&loaded.config, providers), &Implemented::ALL);
    assert!(table.problems.is_empty(), "{:?}", table.problems);
    (table, findings.iter().map(ToString::to_string).collect())
}

#[test]
fn an_edge_compiles_to_the_expected_routes() {
    let (table, findings) = edge();
    let mut shown = String::new();
    for finding in findings {
        let _written = writeln!(shown, "finding {finding}");
    }
    let mut lines = Vec::new();
    for (entry_point, here) in &table.entry_points {
        for (security, matcher) in [("plain", &here.plain), ("tls", &here.secure)] {
            for route in matcher.routes() {
                let middlewares: Vec<&str> = route.middlewares.iter().map(|m| &*m.name).collect();
                lines.push(format!(
                    "route {} on {entry_point}, {security}, priority {}: {} -> {}",
                    route.name,
                    route.priority,
                    middlewares.join(" "),
                    route.service.name
                ));
            }
        }
    }
    lines.sort();
    shown.push_str(&(lines.join("\n") + "\n"));
    assert_eq!(shown, include_str!("golden/edge.expect"));
}

struct Ask(&'static str, &'static str);

impl Request for Ask {
    fn host(&self) -> &str {
        self.0
    }

    fn path(&self) -> &str {
        self.1
    }

    fn method(&self) -> &str {
        "GET"
    }

    fn headers<'a>(&'a self, _name: &str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::empty()
    }

    fn query(&self) -> &str {
        ""
    }

    fn client_ip(&self) -> std::net::IpAddr {
        [127, 0, 0, 1].into()
    }
}

#[test]
fn requests_find_their_routes() {
    let (table, _) = edge();
    let found = |entry_point: &str, secure, ask| table.lookup(entry_point, secure, &ask).map(|r| r.name.to_string());
    assert_eq!(found("web", false, Ask("site.test", "/")).as_deref(), Some("web-to-websecure@internal"));
    assert_eq!(found("websecure", true, Ask("www.site.test", "/")).as_deref(), Some("www-site@consulcatalog"));
    assert_eq!(found("websecure", true, Ask("www1.site.test", "/")), None);
    assert_eq!(found("websecure", false, Ask("site.test", "/")), None);
    assert_eq!(found("admin", false, Ask("any", "/dashboard/")).as_deref(), Some("api@file"));
    assert_eq!(found("admin", false, Ask("any", "/ping")).as_deref(), Some("ping@internal"));
    assert!(table.default_tls_options.config.sni_strict);
}

#[test]
fn the_files_pass_the_check() {
    assert!(check::check_static(EDGE, "edge.yml").is_good());
    for (name, bytes) in [("admin.yml", ADMIN), ("security.yml", SECURITY)] {
        let verdict = check::check_dynamic(bytes, name, &Context::default(), &Implemented::ALL);
        assert!(verdict.is_good(), "{name}: {:?}", verdict.findings);
        assert_eq!(check::role(bytes, name), check::Role::Dynamic);
    }
}
