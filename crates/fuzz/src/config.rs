//! What the proxy is told: rules, files, flags, tags.

use baton_routing::config::{Config, ConsulCatalog};
use baton_routing::{Implemented, compile};
use baton_traefik::assemble;
use baton_traefik::dynamic::{Context, ProviderConfig, parse_file};
use baton_traefik::rules::{Syntax, parse_http, parse_tcp};
use baton_traefik::static_config::{Sources, StaticConfig, load};
use baton_traefik::tags::{self, Instance};
use std::net::{IpAddr, Ipv4Addr};

use crate::Target;

pub(crate) const RULE: Target = Target {
    name: "rule",
    run: rule,
    seeds: &[
        "Host(`a.test`) && (PathPrefix(`/x`) || !Method(`POST`))",
        "HostRegexp(`{sub:[a-z]+}.a.test`) || HostRegexp(`^.+\\.b\\.test$`)",
        "Header(`X-A`, \"b\\n\\x41\") && QueryRegexp(`a`, `^[0-9]+$`) && ClientIP(`10.0.0.0/8`)",
        "Path(`/a/{id:[0-9]+}`, `/b`) && Headers(`a`,`b`) && Query(`a=b`, `c={d}`)",
        "HostSNI(`*`) && ALPN(`h2`) || HostSNIRegexp(`^{x}$`)",
    ],
    words: &[
        "Host",
        "HostRegexp",
        "Path",
        "PathPrefix",
        "PathRegexp",
        "Method",
        "Header",
        "Query",
        "ClientIP",
        "HostSNI",
        "ALPN",
        "(",
        ")",
        "((",
        "))",
        "`",
        "\"",
        "\\",
        "&&",
        "||",
        "!",
        ",",
        "{",
        "}",
        "{a:",
        "*",
        "[a-z]{1,99}",
        "(a|b)*",
        "::1/128",
        "é",
    ],
};

/// A request for rules.
struct Ask<'a>(&'a str);

impl baton_routing::Request for Ask<'_> {
    fn host(&self) -> &str {
        "a.test"
    }

    fn path(&self) -> &str {
        "/x/1"
    }

    fn method(&self) -> &str {
        "GET"
    }

    fn headers<'a>(&'a self, _: &str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::once(self.0.as_bytes())
    }

    fn query(&self) -> &str {
        self.0
    }

    fn client_ip(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }
}

/// A rule that reads can be asked.
fn rule(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    for syntax in [Syntax::V2, Syntax::V3] {
        match parse_http(text, syntax) {
            Ok(parsed) => {
                parsed.rule.matches(&Ask(text));
                parsed.rule.hosts();
            }
            Err(error) => assert!(error.offset <= text.len(), "{error:?}"),
        }
        if let Err(error) = parse_tcp(text, syntax) {
            assert!(error.offset <= text.len(), "{error:?}");
        }
    }
}

const WORDS: &[&str] = &[
    "\n",
    "  ",
    "\t",
    ":",
    "- ",
    "\"",
    "'",
    "`",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    "=",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "|",
    "!!binary ",
    "{{",
    "}}",
    "{{ range }}",
    "{{ env \"X\" }}",
    "http",
    "tcp",
    "udp",
    "tls",
    "routers",
    "services",
    "middlewares",
    "rule",
    "loadBalancer",
    "servers",
    "url",
    "weighted",
    "chain",
    "headers",
    "stripPrefix",
    "ipAllowList",
    "null",
    "true",
    "-1",
    "99999999999999999999",
    "1e999",
    ".nan",
    "1h",
    "http://a",
    "Host(`a`)",
    "é",
    "\u{feff}",
    "\0",
];

pub(crate) const DYNAMIC_YAML: Target = Target {
    name: "dynamic_yaml",
    run: |input| dynamic("fuzz.yml", input),
    seeds: &[
        "http:\n  routers:\n    a:\n      rule: Host(`a.test`)\n      service: s\n      middlewares: [m, c]\n      tls: {options: o}\n  services:\n    s:\n      loadBalancer:\n        servers:\n          - url: http://127.0.0.1:1\n            weight: 2\n        sticky: {cookie: {}}\n  middlewares:\n    m:\n      headers:\n        customRequestHeaders: {X-A: b}\n    c:\n      chain:\n        middlewares: [m]\ntls:\n  options:\n    o: {minVersion: VersionTLS12, sniStrict: true}\n",
        "http:\n  middlewares:\n    r: {redirectRegex: {regex: '^(.*)$', replacement: 'https://${1}', permanent: true}}\n    b: {basicAuth: {users: ['a:$apr1$x$y']}}\n    l: {rateLimit: {average: 10, period: 1s, burst: 5}}\n    e: {errors: {status: [500-599], service: s, query: '/{status}'}}\n    z: {compress: {}}\n",
        "tcp:\n  routers:\n    t: {rule: 'HostSNI(`*`)', service: t}\n  services:\n    t: {loadBalancer: {servers: [{address: 'a:1'}]}}\nudp:\n  services:\n    u: {weighted: {services: [{name: u, weight: 1}]}}\n",
        "{{ range $i, $e := list 1 2 }}a{{ $i }}: {{ $e }}\n{{ end }}",
    ],
    words: WORDS,
};

pub(crate) const DYNAMIC_TOML: Target = Target {
    name: "dynamic_toml",
    run: |input| dynamic("fuzz.toml", input),
    seeds: &[
        "[http.routers.a]\nrule = \"Host(`a.test`)\"\nservice = \"s\"\n[[http.services.s.loadBalancer.servers]]\nurl = \"http://127.0.0.1:1\"\n[http.middlewares.m.stripPrefix]\nprefixes = [\"/a\"]\n",
        "[tls.options.default]\nminVersion = \"VersionTLS13\"\ncipherSuites = [\"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"]\n[[tls.certificates]]\ncertFile = \"\"\"x\"\"\"\nkeyFile = ''\n",
    ],
    words: WORDS,
};

/// Whatever a file says, a table comes of it.
fn dynamic(name: &str, input: &[u8]) {
    if let Ok(file) = parse_file(name, input, &Context::default()) {
        table(file.config);
    }
}

/// Compiles what a provider says; a table that cannot serve something says why.
fn table(provider: ProviderConfig) {
    let config: Config = assemble(&StaticConfig::default(), vec![("file".to_owned(), provider)]);
    let table = compile(&config, &Implemented::ALL);
    for route in &table.routes {
        route.rule.matches(&Ask("a=b"));
        assert!(table.services.contains_key(&route.service.name), "{}", route.name);
    }
}

pub(crate) const STATIC_YAML: Target = Target {
    name: "static_yaml",
    run: |input| fixed("fuzz.yml", input),
    seeds: &[
        "entryPoints:\n  web: {address: ':80', http: {redirections: {entryPoint: {to: websecure}}}}\n  websecure:\n    address: ':443'\n    transport: {respondingTimeouts: {readTimeout: 10s}, lifeCycle: {graceTimeOut: 42}}\nproviders:\n  file: {directory: /x, watch: true}\n  consulCatalog: {prefix: traefik, exposedByDefault: false, defaultRule: 'Host(`{{ .Name }}`)'}\napi: {}\nping: {}\nlog: {level: DEBUG}\naccessLog: {format: json}\ncertificatesResolvers:\n  le: {acme: {email: a@b, storage: acme.json, dnsChallenge: {provider: ovh}}}\n",
    ],
    words: WORDS,
};

pub(crate) const STATIC_TOML: Target = Target {
    name: "static_toml",
    run: |input| fixed("fuzz.toml", input),
    seeds: &[
        "[entryPoints.web]\naddress = \":80\"\n[entryPoints.web.forwardedHeaders]\ntrustedIPs = [\"10.0.0.0/8\"]\n[api]\n[metrics.prometheus]\nbuckets = [0.1, 1.0]\n",
    ],
    words: WORDS,
};

fn fixed(name: &str, input: &[u8]) {
    let loaded = load(Sources { file: Some((name, input)), ..Sources::default() });
    compile(&assemble(&loaded.config, Vec::new()), &Implemented::ALL);
}

pub(crate) const FLAGS: Target = Target {
    name: "flags",
    run: flags,
    seeds: &[
        "--entryPoints.web.address=:80\n--api\n--providers.file.directory=/x\n--accesslog.fields.names.A=drop",
        "--configFile=x\n--entrypoints.web.http.tls.domains[0].main=a\n--log.level",
    ],
    words: &[
        "--",
        "-",
        "=",
        ".",
        "[0]",
        "[999999]",
        "[",
        "]",
        "\n",
        "entryPoints",
        "web",
        "address",
        "true",
        "'",
        "\"",
        ",",
    ],
};

/// One flag per line; every second input is read as environment too.
fn flags(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let args: Vec<String> = text.lines().map(str::to_owned).collect();
    let variable = |line: &str| {
        let (name, value) = line.trim_start_matches('-').split_once('=')?;
        Some((format!("TRAEFIK_{}", name.replace('.', "_")), value.to_owned()))
    };
    let env: Vec<(String, String)> = text.lines().filter_map(variable).collect();
    load(Sources { args: &args, ..Sources::default() });
    load(Sources { env: &env, ..Sources::default() });
}

pub(crate) const TAGS: Target = Target {
    name: "tags",
    run: tags,
    seeds: &[
        "traefik.enable=true\ntraefik.http.routers.a.rule=Host(`a.test`)\ntraefik.http.routers.a.entrypoints=web,websecure\ntraefik.http.routers.a.tls.domains[0].main=a.test\ntraefik.http.services.a.loadbalancer.server.port=80\ntraefik.http.middlewares.m.headers.customresponseheaders.X-A=b",
        "traefik.tcp.routers.t.rule=HostSNI(`*`)\ntraefik.tcp.services.t.loadbalancer.server.port=1\ntraefik.udp.services.u.loadbalancer.server.port=2\ntraefik.consulcatalog.canary=true",
        "traefik.http.services.a.loadbalancer.server.url=http://x:1\ntraefik.http.services.a.loadbalancer.sticky.cookie=true\ntraefik.http.services.a.loadbalancer.sticky.cookie.name=c",
    ],
    words: &[
        "\n",
        "=",
        ".",
        ",",
        "[0]",
        "[999]",
        "[",
        "]",
        "traefik.",
        "traefik.enable=true\n",
        "http",
        "tcp",
        "udp",
        "routers",
        "services",
        "middlewares",
        "rule",
        "loadbalancer",
        "server",
        "port",
        "99999",
        "-1",
        "true",
        "a@b",
        "..",
        "é",
        "\0",
        "{{",
        "`",
        "x.y.z",
    ],
};

/// One tag per line, of two instances that differ in their last tag.
fn tags(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let all: Vec<String> = text.lines().map(str::to_owned).collect();
    let instance = |id: &str, tags: &[String]| Instance {
        id: id.to_owned(),
        name: all.first().cloned().unwrap_or_default(),
        tags: tags.to_vec(),
        address: "10.0.0.1".to_owned(),
        port: 80,
        status: "passing".to_owned(),
        ..Instance::default()
    };
    let instances = [instance("1", &all), instance("2", &all[..all.len().saturating_sub(1)])];
    table(tags::read(&instances, &ConsulCatalog::default(), &Context::default()).config);
}
