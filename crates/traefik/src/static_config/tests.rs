use proptest::prelude::*;

use super::*;
use crate::finding::Severity;

fn file<'a>(name: &'a str, text: &'a str) -> Loaded {
    load(Sources { file: Some((name, text.as_bytes())), ..Sources::default() })
}

fn flags(args: &[&str]) -> Loaded {
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    load(Sources { args: &args, ..Sources::default() })
}

fn shown(loaded: &Loaded) -> Vec<String> {
    loaded.findings.iter().map(ToString::to_string).collect()
}

const EDGE: &str = r#"
entryPoints:
  web:
    address: ":80"

    http:
      redirections:
        entryPoint:
          to: "websecure"
          scheme: "https"

  websecure:
    address: ":443"

  admin:
    address: ":8080"

certificatesResolvers:
  letsencrypt:
    acme:
      email: "me@example.org"
      storage: "/etc/edge/acme.json"
      dnsChallenge:
        provider: "myprovider"

api:
  dashboard: true

ping:
  entryPoint: "admin"

providers:
  file:
    directory: "local/edge.d"

  consulCatalog:
    prefix: "traefik"
    exposedByDefault: false
    refreshInterval: "15s"

    endpoint:
      address: "127.0.0.1:8500"
      scheme: "http"

log:
  level: "DEBUG"
"#;

#[test]
fn an_edge_of_the_old_days_loads() {
    let loaded = file("edge.yml", EDGE);
    assert_eq!(
        shown(&loaded),
        [
            "edge.yml:24:9: warning: unrecognized DNS provider: myprovider; no certificate can be ordered through it, everything else works (certificatesResolvers.letsencrypt.acme.dnsChallenge.provider)"
        ]
    );
    assert!(!loaded.is_broken());
    let config = loaded.config;
    let redirection =
        config.entry_points["web"].http.redirections.as_ref().and_then(|r| r.entry_point.clone()).unwrap();
    assert_eq!((redirection.to.as_str(), redirection.permanent), ("websecure", true));
    assert_eq!(config.entry_points.keys().collect::<Vec<_>>(), ["web", "websecure", "admin"]);
    let catalog = config.providers.consul_catalog.unwrap();
    assert_eq!((catalog.exposed_by_default, catalog.refresh_interval), (false, Timespan::from_secs(15)));
    assert!(config.providers.file.unwrap().watch);
}

#[test]
fn toml_flags_and_environment_say_the_same() {
    let toml = file(
        "t.toml",
        "[entryPoints.web]\naddress = \":81\"\n[api]\ninsecure = true\n[providers.file]\nfilename = \"d.yml\"\n[log]\nlevel = \"INFO\"\n",
    );
    let args = flags(&[
        "--entrypoints.web.address=:81",
        "--api.insecure",
        "--providers.file.filename",
        "d.yml",
        "--log.level=INFO",
    ]);
    let env: Vec<(String, String)> = [
        ("TRAEFIK_ENTRYPOINTS_WEB_ADDRESS", ":81"),
        ("TRAEFIK_API_INSECURE", "true"),
        ("TRAEFIK_PROVIDERS_FILE_FILENAME", "d.yml"),
        ("TRAEFIK_LOG_LEVEL", "INFO"),
        ("PATH", "/bin"),
    ]
    .map(|(n, v)| (n.to_owned(), v.to_owned()))
    .into();
    let env = load(Sources { env: &env, ..Sources::default() });
    assert_eq!((toml.origin, args.origin, env.origin), (Origin::File, Origin::Flags, Origin::Environment));
    assert_eq!(toml.config, args.config);
    assert_eq!(toml.config, env.config);
    assert_eq!(
        toml.config.entry_points.keys().collect::<Vec<_>>(),
        ["web", "traefik"],
        "the API needs its entry point"
    );
    assert!(toml.findings.is_empty() && args.findings.is_empty() && env.findings.is_empty());
}

#[test]
fn the_first_source_wins_entirely() {
    let args = ["--configFile=x.yml".to_owned(), "--log.level=INFO".to_owned()];
    let env = [("TRAEFIK_LOG_LEVEL".to_owned(), "WARN".to_owned())];
    let text = b"log: {level: DEBUG}";
    let all = load(Sources { file: Some(("x.yml", text)), args: &args, env: &env });
    assert_eq!(all.config.log.unwrap().level, "DEBUG");
    assert!(all.findings[0].message.contains("ignored beside the file"));
    let both = load(Sources { file: None, args: &args[1..], env: &env });
    assert_eq!(both.config.log.unwrap().level, "INFO");
    let nothing = load(Sources { file: None, args: &args[..1], env: &[] });
    assert_eq!((nothing.origin, nothing.config.entry_points["http"].address.as_str()), (Origin::Defaults, ":80"));
    let told = |text: &str| {
        let findings = load(Sources { file: Some(("x.yml", text.as_bytes())), ..Sources::default() }).findings;
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(
        told("log: {level: INFO}"),
        "x.yml: warning: no entry points are set: one named \"http\" listens on port 80 of every address (entryPoints)"
    );
    assert_eq!(told("entryPoints: {web: {address: ':80'}}"), "");
    assert!(told("# nothing").contains("no configuration found in the file"), "{}", told("# nothing"));
}

#[test]
fn lists_maps_and_indexes_in_flags() {
    let loaded = flags(&[
        "--entryPoints.web.address=:80",
        "--entryPoints.web.forwardedHeaders.trustedIPs=10.0.0.0/8,192.168.0.1",
        "--entryPoints.web.http.middlewares=a@file",
        "--entryPoints.web.http.middlewares=b@file",
        "--entryPoints.web.http.tls.domains[0].main=a.test",
        "--entryPoints.web.http.tls.domains[1].main=b.test",
        "--entryPoints.web.transport.respondingTimeouts.readTimeout=42",
        "--ping",
    ]);
    let web = &loaded.config.entry_points["web"];
    assert_eq!(web.forwarded_headers.trusted_ips, ["10.0.0.0/8", "192.168.0.1"]);
    assert_eq!(web.http.middlewares, ["a@file", "b@file"]);
    let domains: Vec<_> = web.http.tls.as_ref().unwrap().domains.iter().map(|d| d.main.as_str()).collect();
    assert_eq!(domains, ["a.test", "b.test"]);
    assert_eq!(web.transport.responding_timeouts.read_timeout, Timespan::from_secs(42));
    assert!(loaded.config.ping.is_some() && loaded.findings.is_empty(), "{:?}", loaded.findings);
}

#[test]
fn mistakes_are_all_told_with_their_places() {
    let loaded = file(
        "s.yml",
        "entryPoints:\n  web:\n    adress: ':80'\n    address: ':htp'\n  two: {address: ':81', http: {redirections: {entryPoint: {to: wbe}}}}\nlogg: {}\npilot: {token: x}\nproviders:\n  file: {directory: a, filename: b}\n  docker: {}\n  marathon: {}\nmetrics: {prometheus: {buckets: [a]}}\n",
    );
    assert!(loaded.is_broken());
    assert_eq!(
        shown(&loaded),
        [
            "s.yml:3:5: error: unknown key \"adress\" (entryPoints.web.adress); did you mean \"address\"?",
            "s.yml:4:5: error: \":htp\" is not an address of the form [host]:port[/tcp|/udp]: the port is not a number up to 65535 (entryPoints.web.address)",
            "s.yml:5:60: error: 'to' entry point field references a non-existing entry point: wbe (entryPoints.two.http.redirections.entryPoint.to); did you mean \"web\"?",
            "s.yml:6:1: warning: unknown section \"logg\" is ignored (logg); did you mean \"log\"?",
            "s.yml:7:1: error: unknown key \"pilot\" (Pilot no longer exists: remove the section) (pilot)",
            "s.yml:9:3: warning: the directory is used, filename is ignored (providers.file)",
            "s.yml:10:3: warning: the provider is known but not implemented: nothing comes from it (providers.docker)",
            "s.yml:11:3: error: unknown key \"marathon\" (the provider was removed in v3) (providers.marathon)",
            "s.yml:12:34: error: expected a number, found \"a\" (metrics.prometheus.buckets[0])",
        ]
    );
}

#[test]
fn unknown_flags_are_errors() {
    let loaded = flags(&["--entrypoint.web.address=:80", "stray"]);
    let mut texts = shown(&loaded);
    texts.sort();
    assert_eq!(
        texts,
        [
            "error: expected a flag of the form --option=value (stray)",
            "error: unknown key \"entrypoint\" (--entrypoint.web.address); did you mean \"entryPoints\"?",
        ]
    );
}

#[test]
fn broken_files_are_told() {
    for (name, text) in [("a.yml", "a: ["), ("a.toml", "a"), ("a.txt", "")] {
        let loaded = file(name, text);
        assert!(loaded.is_broken(), "{name}");
        assert_eq!(loaded.findings.len(), 1, "{:?}", loaded.findings);
    }
}

#[test]
fn the_file_flag_in_any_spelling() {
    for args in [vec!["--configfile", "a.yml"], vec!["--configFile=a.yml"], vec!["--x", "-CONFIGFILE=a.yml"]] {
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        assert_eq!(config_file_flag(&args), Some("a.yml"));
    }
    assert_eq!(
        default_files(Some("/x"), None)[..4],
        ["/etc/traefik/traefik.toml", "/etc/traefik/traefik.yaml", "/etc/traefik/traefik.yml", "/x/traefik.toml"]
    );
}

#[test]
fn findings_have_severities_like_the_original() {
    let nested = file("a.yml", "entryPoints: {web: {address: ':80', bogus: 1}}");
    assert_eq!(nested.findings[0].severity, Severity::Fatal);
    let top = file("a.yml", "log: {}\nbogus: 1");
    assert_eq!(top.findings[0].severity, Severity::Warning);
    let alone = file("a.yml", "bogus: 1");
    assert!(alone.is_broken(), "nothing is configured at all");
}

proptest! {
    #[test]
    fn never_panics(args in prop::collection::vec("-{0,2}[a-zA-Z.\\[\\]0-9=]{0,30}", 0..6)) {
        let _loaded = load(Sources { args: &args, ..Sources::default() });
    }

    #[test]
    fn never_panics_on_environment(names in prop::collection::vec("TRAEFIK_[A-Z0-9_]{0,20}", 0..6)) {
        let env: Vec<_> = names.into_iter().map(|n| (n, "1".to_owned())).collect();
        let _loaded = load(Sources { env: &env, ..Sources::default() });
    }
}
