//! An edge job as small sites have it: 0.12-era ports on the task, a wrapper script, three templates, redirection to
//! TLS, an API for this machine only, and a DNS provider that nobody knows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use baton_testkit::eventually;

use crate::world::{LIMIT, Said, World, curl, say};

const ADMIN: u16 = 8080;
const WEB: u16 = 8081;
const SECURE: u16 = 8444;

/// The wrapper that such jobs start.
fn wrapper(world: &World) -> String {
    let path = world.file("edge-proxy", &format!("#!/bin/sh\nexec '{}' proxy \"$@\"\n", env!("CARGO_BIN_EXE_baton")));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn job(wrapper: &str, storage: &Path) -> String {
    let storage = storage.display();
    format!(
        r#"
job "border" {{
  datacenters = [
    "north-1"]

  group "http" {{
    count = 2

    reschedule {{
      attempts = 5
      interval = "1h"
      delay = "30s"
      delay_function = "constant"
      unlimited = false
    }}

    restart {{
      attempts = 3
      interval = "5m"
      delay = "30s"
      mode = "fail"
    }}

    update {{
      max_parallel = 1
      health_check = "checks"
      min_healthy_time = "1s"
      healthy_deadline = "2m"
      progress_deadline = "10m"
      stagger = "15s"
    }}

    constraint {{
      attribute = "${{meta.client_type}}"
      value = "edge"
    }}

    constraint {{
      operator = "distinct_hosts"
      value = "true"
    }}

    task "service" {{
      kill_timeout = "20s"
      driver = "raw_exec"

      config {{
        command = "{wrapper}"
        args = [
          "--configfile",
          "local/static.yml"]
      }}

      resources {{
        network {{
          port "admin" {{
            static = {ADMIN}
          }}
        }}
      }}

      service {{
        name = "border"

        check {{
          type = "http"
          port = "admin"
          path = "/ping"
          interval = "15s"
          timeout = "2s"
        }}
      }}

      env {{
        SOMEDNS_KEY_FILE = "/etc/somedns.key"
      }}

      template {{
        data = <<EOF
http:
  routers:
    api:
      entryPoints:
        - "admin"
      rule: "PathPrefix(`/api`) || PathPrefix(`/dashboard`)"
      service: "api@internal"
      middlewares:
        - "this-machine@file"

  middlewares:
    this-machine:
      ipWhiteList:
        sourcerange: "127.0.0.1/32"
EOF
        destination = "local/dynamic/api.yml"
        change_mode = "signal"
        change_signal = "SIGHUP"
      }}

      template {{
        data = <<EOF
http:
  middlewares:
    quiet:
      headers:
        customResponseHeaders:
          server: ""

tls:
  options:
    default:
      sniStrict: true
      minVersion: "VersionTLS12"
      cipherSuites:
        - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
        - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
EOF
        destination = "local/dynamic/security.yml"
        change_mode = "signal"
        change_signal = "SIGHUP"
      }}

      template {{
        data = <<EOF
entryPoints:
  web:
    address: ":{WEB}"
    http:
      redirections:
        entryPoint:
          to: "secure"
          scheme: "https"
  secure:
    address: ":{SECURE}"
  admin:
    address: ":{ADMIN}"

certificatesResolvers:
  ca:
    acme:
      email: "xxx"
      storage: "{storage}"
      dnsChallenge:
        provider: "somedns"

api:
  dashboard: true

ping:
  entryPoint: "admin"

providers:
  file:
    directory: "local/dynamic"
  consulCatalog:
    prefix: "traefik"
    exposedByDefault: false
    refreshInterval: "15s"
    endpoint:
      address: "{{{{ env "BATON_CATALOG_ADDR" }}}}"
      scheme: "http"

log:
  level: "DEBUG"
EOF
        destination = "local/static.yml"
        change_mode = "signal"
        change_signal = "SIGHUP"
      }}
    }}
  }}
}}
"#
    )
}

#[test]
fn an_edge_job_of_the_old_kind_runs_as_it_is() {
    let mut world = World::prepare();
    let storage = world.dir().join("acme.json");
    let file = world.file("border.nomad", &job(&wrapper(&world), &storage));
    world.start_with(&["--api-addr=127.0.0.1:0", "--catalog-addr=127.0.0.1:0"], &[&file]);

    let allocs = world.await_running("border", 2);
    let nodes: Vec<&str> = allocs.iter().map(|alloc| alloc.node.as_str()).collect();
    assert_eq!(nodes, ["edge-1", "edge-2"], "distinct hosts");
    assert_eq!(world.started["nodes"][0]["datacenter"], "north-1");
    for node in [11, 12] {
        serves(&world, node);
    }
    for alloc in &allocs {
        let log = log_of(&world, &alloc.id);
        assert!(log.contains("unrecognized DNS provider: somedns"), "{log}");
        assert!(log.contains("certificatesResolvers.ca.acme.dnsChallenge.provider"), "{log}");
        assert!(!log.contains("level=error"), "{log}");
    }
    eventually("both checks pass", LIMIT, || {
        let url = format!("http://{}/v1/health/service/border?passing", world.catalog);
        let entries: serde_json::Value = serde_json::from_str(&curl(&[&url])?).map_err(|error| error.to_string())?;
        if entries.as_array().is_some_and(|entries| entries.len() == 2) { Ok(()) } else { Err(entries.to_string()) }
    });
    assert!(!storage.exists(), "nodes that share a storage path must not both write there");
}

/// What one of its proxies must do.
#[track_caller]
fn serves(world: &World, node: u8) {
    let admin = format!("http://{}", world.socket(node, ADMIN));
    eventually("ping", LIMIT, || match curl(&["-f", &format!("{admin}/ping")]) {
        Ok(text) if text == "OK" => Ok(()),
        other => Err(other),
    });
    let status = |from: &str, path: &str| {
        curl(&["-o", "/dev/null", "-w", "%{http_code}", "--interface", from, &format!("{admin}{path}")]).unwrap()
    };
    for path in ["/api/overview", "/dashboard/"] {
        eventually("the dynamic files", LIMIT, || match status("127.0.0.1", path) {
            code if code == "200" => Ok(()),
            code => Err(code),
        });
        assert_eq!(status("127.0.0.5", path), "403", "{path}");
    }
    let url = format!("http://{}/a/b?c=d", world.socket(node, WEB));
    let said =
        curl(&["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "-H", "Host: www.example.org", &url]).unwrap();
    assert_eq!(said, format!("301 https://www.example.org:{SECURE}/a/b?c=d"));
    // Strict SNI: nobody has a certificate for this name, so there is no handshake.
    let resolve = format!("www.example.org:{SECURE}:{}", world.address(node));
    let refused = say(Command::new("curl")
        .args(["-skS", "--max-time", "5", "--resolve", &resolve])
        .arg(format!("https://www.example.org:{SECURE}/")));
    assert_eq!(refused.code, 35, "{refused:?}");
}

fn log_of(world: &World, alloc: &str) -> String {
    let both = |args: &[&str]| world.cli(args).ok();
    both(&["alloc", "logs", alloc]) + &both(&["alloc", "logs", "-stderr", alloc])
}

#[test]
fn a_privileged_port_that_cannot_be_bound_names_the_setting_that_helps() {
    let world = World::prepare();
    let limit = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    if fs::read_to_string(limit).is_ok_and(|text| text.trim().parse::<u16>().is_ok_and(|first| first <= 81)) {
        eprintln!("SKIPPED: port 81 is free for all here");
        return;
    }
    let (binary, args) = (env!("CARGO_BIN_EXE_baton"), [format!("--entryPoints.web.address={}:81", world.address(11))]);
    let Said { code, err, .. } = if nix::unistd::geteuid().is_root() {
        say(Command::new("setpriv")
            .args(["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service", "--"])
            .arg(binary)
            .arg("proxy")
            .args(args))
    } else {
        say(Command::new(binary).arg("proxy").args(args))
    };
    assert_eq!(code, 1, "{err}");
    for part in ["entry point web", ":81", "net.ipv4.ip_unprivileged_port_start"] {
        assert!(err.contains(part), "{part:?} in {err}");
    }
}
