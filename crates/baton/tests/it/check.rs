//! `baton check`: one verdict for every file of a setup, all mistakes at once.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::baton;
use crate::world::{EDGE, Said, WHOAMI, say};

const STATIC: &str = "entryPoints:
  web:
    address: \":8000\"
    http:
      redirections: {entryPoint: {to: websecure, scheme: https}}
  websecure:
    address: \":8443\"
api: {dashboard: true}
providers:
  file: {directory: dynamic}
  consulCatalog: {prefix: traefik, exposedByDefault: false}
accessLog: {filePath: access.log, format: json, filters: {statusCodes: [\"500-599\"], minDuration: 10ms}}
metrics: {prometheus: {}}
";

const DYNAMIC: &str = "http:
  routers:
    site:
      rule: \"Host(`a.test`) && PathPrefix(`/x`)\"
      service: site
      middlewares: [local, quiet, elsewhere@consulcatalog]
  middlewares:
    local: {ipWhiteList: {sourcerange: 127.0.0.1/32}}
    quiet: {headers: {customResponseHeaders: {server: \"\"}}}
  services:
    site: {loadBalancer: {servers: [{url: \"http://127.0.0.1:1\"}]}}
";

const TOML: &str = "[http.routers.other]
rule = \"Host(`b.test`)\"
service = \"other\"
[http.services.other.loadBalancer]
[[http.services.other.loadBalancer.servers]]
url = \"http://127.0.0.1:1\"
";

fn check(dir: &Path, args: &[&str]) -> Said {
    say(baton().arg("check").args(args).current_dir(dir))
}

fn written(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn good_files_of_every_kind_pass() {
    let dir = written(&[
        ("static.yml", STATIC),
        ("dynamic.yml", &DYNAMIC.replace("ipWhiteList", "ipAllowList")),
        ("dynamic.toml", TOML),
    ]);
    fs::create_dir(dir.path().join("dynamic")).unwrap();
    for file in ["static.yml", "dynamic.yml", "dynamic.toml", EDGE, WHOAMI] {
        let said = check(dir.path(), &[file]);
        assert_eq!((said.code, said.out.lines().filter(|line| line.contains("error")).count()), (0, 0), "{said:?}");
        assert!(said.err.starts_with("1 file checked: 0 errors"), "{said:?}");
        if file.starts_with('d') || file.starts_with('s') {
            assert_eq!(said.out, "", "nothing but the summary");
        }
    }
    let folder = check(dir.path(), &["."]);
    assert_eq!((folder.code, folder.err.as_str()), (0, "3 files checked: 0 errors, 0 warnings\n"), "{folder:?}");
}

#[test]
fn an_old_name_is_a_warning_and_no_error() {
    let dir = written(&[("dynamic.yml", DYNAMIC)]);
    let said = check(dir.path(), &["dynamic.yml"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("dynamic.yml:8:5: warning: ipWhiteList is deprecated: write ipAllowList"), "{said:?}");
    assert_eq!(said.err, "1 file checked: 0 errors, 1 warning\n");
}

/// Line, column, and a part of what is said.
type Mistake = (usize, usize, &'static str);

/// The file, its text, and the mistakes in it.
const BROKEN: [(&str, &str, &[Mistake]); 5] = [
    (
        "static.yml",
        "entryPoints:\n  web: {address: \":80x\"}\n  two: {adress: \":81\", address: \":81\"}\nproviders:\n  file: {directory: a, filenam: b}\n",
        &[(2, 9, ":80x"), (3, 9, "address"), (5, 24, "filename")],
    ),
    (
        "dynamic.yml",
        "http:\n  routers:\n    a: {rule: \"Hots(`a.test`)\", service: s}\n    b: {rule: \"Host(`b.test`\", service: s}\n    c: {rul: \"Host(`c.test`)\", service: s}\n  services:\n    s: {loadBalancer: {servers: [{url: \"http://127.0.0.1:1\"}]}}\n",
        &[(3, 16, "Hots"), (4, 29, "ends"), (5, 5, "rule is empty"), (5, 9, "\"rule\"")],
    ),
    (
        "dynamic.toml",
        "[http.routers.a]\nrule = \"Host(`a.test`)\"\nservise = \"s\"\n",
        &[(1, 15, "service is missing"), (3, 1, "\"service\"")],
    ),
    (
        "job.nomad",
        "job \"a\" {\n  group \"g\" {\n    cuont = 2\n    task \"t\" {\n      driver = \"raw_exec\"\n      kil_timeout = \"1s\"\n      config { command = \"true\" }\n    }\n  }\n}\n",
        &[(3, 5, "count"), (6, 7, "kill_timeout")],
    ),
    ("text.yml", "entryPoints:\n\tweb: {}\n", &[(2, 2, "tabs")]),
];

#[test]
fn all_mistakes_of_a_file_are_told_with_their_places() {
    for (name, text, mistakes) in BROKEN {
        let dir = written(&[(name, text)]);
        let said = check(dir.path(), &[name]);
        assert_eq!(said.code, 1, "{said:?}");
        for (line, column, part) in mistakes {
            let place =
                if *column > 0 { format!("{name}:{line}:{column}: error: ") } else { format!("{name}:{line}:") };
            let told = said.out.lines().any(|row| row.starts_with(&place) && row.contains(part));
            assert!(told, "{place} … {part:?} in\n{}", said.out);
        }
        let json = check(dir.path(), &["--json", name]);
        assert_eq!((json.code, json.err.as_str()), (1, ""), "{json:?}");
        let rows: Vec<Value> = serde_json::from_str(&json.out).unwrap();
        let told: Vec<&Value> = rows.iter().filter(|row| row["severity"] == "error").collect();
        assert_eq!(told.len(), mistakes.len(), "{rows:#?}");
        for ((line, _, _), row) in mistakes.iter().zip(told) {
            assert_eq!((&row["file"], &row["line"]), (&Value::from(name), &Value::from(*line)), "{row}");
            assert!(row["message"].as_str().is_some_and(|message| !message.is_empty()), "{row}");
        }
    }
}

#[test]
fn what_cannot_be_served_is_told_before_it_is_tried() {
    let dir = written(&[(
        "dynamic.yml",
        "http:\n  services:\n    s: {loadBalancer: {servers: [{url: \"http://127.0.0.1:1\"}]}}\n  middlewares:\n    p: {plugin: {x: {}}}\n    b: {circuitBreaker: {expression: \"Errors() > 1\"}}\n  routers:\n    r: {rule: \"Host(`a.test`)\", service: s, middlewares: [p, b]}\n",
    )]);
    let said = check(dir.path(), &["dynamic.yml"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("\"plugin\" is known but not implemented"), "{said:?}");
    assert!(said.out.contains("\"Errors() > 1\" is none of NetworkErrorRatio()"), "{said:?}");
}

#[test]
fn a_mistake_in_one_file_leaves_the_others_judged() {
    let dir = written(&[("a.yml", "http: {routers: {r: {rul: x}}}\n"), ("b.yml", "http: {routers: {r: {ruel: x}}}\n")]);
    let said = check(dir.path(), &["a.yml", "b.yml"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("a.yml:1:") && said.out.contains("b.yml:1:"), "{said:?}");
    let missing = check(dir.path(), &["c.yml"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(missing.out.starts_with("c.yml: error: cannot read the file: No such file"), "{missing:?}");
}

#[test]
fn a_redirection_to_nowhere_is_a_mistake_with_which_the_proxy_starts_as_traefik_does() {
    let port = baton_testkit::free_port();
    let entry = format!(
        "entryPoints:\n  web: {{address: \"127.0.0.1:{port}\", http: {{redirections: {{entryPoint: {{to: nowhere}}}}}}}}\nping: {{entryPoint: web}}\n"
    );
    let dir = written(&[("static.yml", &entry)]);
    assert_eq!(check(dir.path(), &["static.yml"]).code, 1);
    let proxy =
        baton_testkit::Process::start(baton().args(["proxy", "--configfile", "static.yml"]).current_dir(dir.path()));
    baton_testkit::eventually("ping", crate::world::LIMIT, || {
        crate::world::curl(&["-f", &format!("http://127.0.0.1:{port}/ping")]).map_err(|error| (error, proxy.output()))
    });
    assert!(proxy.output().contains("non-existing entry point: nowhere"), "{}", proxy.output());
}

#[test]
fn dynamic_files_are_judged_with_what_stands_beside_them() {
    let dir = written(&[
        ("traefik.yml", "entryPoints: {web: {address: \":80\"}}\nproviders: {file: {directory: conf.d}}\n"),
        ("alone.yml", "http: {routers: {r: {rule: \"Host(`a`)\", service: elsewhere}}}\n"),
    ]);
    let conf = dir.path().join("conf.d");
    fs::create_dir_all(conf.join("deeper")).unwrap();
    let routers = "http:\n  routers:\n    r: {rule: \"Host(`a`)\", service: s, entryPoints: [wbe]}\n    q: {rule: \"Host(`b`)\", service: lost}\n";
    fs::write(conf.join("a.yml"), routers).unwrap();
    let service = "http: {services: {s: {loadBalancer: {servers: [{url: \"http://127.0.0.1:1\"}]}}}}\n";
    fs::write(conf.join("deeper/b.yml"), service).unwrap();
    // A file by itself: what it refers to may stand elsewhere.
    assert_eq!(check(dir.path(), &["alone.yml"]).code, 0);
    // A folder: one provider, to which entry points are unknown.
    let folder = check(dir.path(), &["conf.d"]);
    assert_eq!((folder.code, folder.out.lines().count()), (1, 1), "{folder:?}");
    assert!(folder.out.starts_with("conf.d/a.yml:4:5: error: the service \"lost@file\" does not exist"), "{folder:?}");
    // The static file leads to them.
    let setup = check(dir.path(), &["traefik.yml"]);
    assert!(setup.out.contains("conf.d/a.yml:3:5: error: entryPoint \"wbe\" doesn't exist"), "{setup:?}");
    assert!(setup.out.contains("conf.d/a.yml:4:5: error: the service \"lost@file\" does not exist"), "{setup:?}");
    assert!(setup.err.starts_with("3 files checked: "), "{setup:?}");
}

#[test]
fn what_is_no_configuration_is_one_clear_error() {
    let dir = written(&[("notes.txt", "x"), ("compose.yml", "services: {db: {image: x}}\n")]);
    fs::write(dir.path().join("binary.yml"), [0x7f, b'E', b'L', b'F', 0xff, 0]).unwrap();
    fs::write(dir.path().join("binary.nomad"), [0xff]).unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::File::create(dir.path().join("huge.yml")).unwrap().set_len(100 << 20).unwrap();
    for (file, part) in [
        ("notes.txt", "an unknown kind of file"),
        ("compose.yml", "none of the sections"),
        ("binary.yml", "not UTF-8 text"),
        ("binary.nomad", "not UTF-8 text"),
        ("huge.yml", "larger than 16 MiB"),
        ("empty", "no configuration in this folder"),
    ] {
        let said = check(dir.path(), &[file]);
        assert_eq!((said.code, said.out.lines().count()), (1, 1), "{file}: {said:?}");
        assert!(said.out.starts_with(&format!("{file}:")) && said.out.contains(part), "{file}: {said:?}");
    }
}

#[test]
fn standard_input_is_known_by_its_content() {
    let dir = written(&[("job.nomad", BROKEN[3].1), ("static.toml", "[entryPoints.web]\nadress = \":80\"\n")]);
    for (file, part) in [("job.nomad", "-:3:5: error: "), ("static.toml", "-:2:1: error: unknown key \"adress\"")] {
        let input = fs::File::open(dir.path().join(file)).unwrap();
        let said = baton().args(["check", "-"]).stdin(input).output().unwrap();
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        assert!(String::from_utf8_lossy(&said.stdout).contains(part), "{said:?}");
    }
}

#[test]
fn templates_without_actions_are_judged_inside_their_job() {
    let job = "job \"a\" {\n  datacenters = [\"dc1\"]\n  group \"g\" {\n    task \"t\" {\n      driver = \"raw_exec\"\n      config { command = \"true\" }\n      template {\n        data = <<EOF\nentryPoints:\n  web: {adress: \":80\"}\nEOF\n        destination = \"local/traefik.yml\"\n      }\n      template {\n        data = <<EOF\nhttp:\n{{ range service \"x\" }}  bogus: {{ .Port }}\n{{ end }}\nEOF\n        destination = \"local/dynamic.yml\"\n      }\n    }\n  }\n}\n";
    let dir = written(&[("job.nomad", job), ("fixed.nomad", &job.replace("adress", "address"))]);
    let said = check(dir.path(), &["job.nomad"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("job.nomad:10:9: error: local/traefik.yml: unknown key \"adress\""), "{said:?}");
    assert_eq!(check(dir.path(), &["fixed.nomad"]).code, 0);
}
