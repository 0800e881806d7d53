//! What cannot be done is refused with one clear message, and nothing is changed or corrupted by it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use baton_testkit::{Process, eventually, peers};
use nix::sys::signal::Signal;

use crate::procs;
use crate::world::{API, EDGE, LIMIT, Said, WEB, WHOAMI, World, curl, say};

#[test]
fn a_wrong_job_file_gets_one_diagnostic_and_changes_nothing() {
    let world = World::start(&[WHOAMI]);
    let before = world.await_running("whoami", 2);
    let index = world.get("/v1/job/whoami")["JobModifyIndex"].clone();
    let text = fs::read_to_string(WHOAMI).unwrap().replace("max_parallel     =", "max_paralel     =");
    let line = 1 + text.lines().position(|line| line.contains("max_paralel")).unwrap();
    let file = world.file("wrong.nomad", &text);
    for verb in [&["run"][..], &["job", "run"], &["job", "validate"]] {
        let said = world.cli(&[verb, &[&file]].concat());
        assert_eq!(said.code, 1, "{said:?}");
        assert_eq!(said.out, "");
        assert_eq!(said.err.matches(&format!("wrong.nomad:{line}:7")).count(), 1, "{}", said.err);
        assert!(said.err.contains("max_paralel") && said.err.contains("max_parallel"), "a suggestion: {}", said.err);
    }
    assert_eq!(world.get("/v1/job/whoami")["JobModifyIndex"], index);
    assert_eq!(world.allocs("whoami"), before);

    // `baton dev` itself refuses before it starts anything.
    let other = World::prepare();
    let said = say(&mut other.command(&["--api-addr=127.0.0.1:0", "--catalog-addr=127.0.0.1:0", &file]));
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&format!("wrong.nomad:{line}:7")) && said.out.is_empty(), "{said:?}");
    assert_eq!(fs::read_dir(other.dir()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_wrong_dynamic_file_leaves_the_old_configuration_serving() {
    let world = World::serving();
    let alloc = world.await_running("edge", 2).remove(0);
    let task = procs::variable(world.pids(&alloc.id)[0], "NOMAD_TASK_DIR").unwrap();
    let file = format!("{task}/traefik.d/extra.yml");
    let url = format!("http://{}/", world.socket(11, WEB));
    let edition = || curl(&["-f", "-o", "/dev/null", "-D", "-", "-H", "Host: extra.localhost", &url]);
    let await_edition = |number: &str| {
        eventually("the edition", LIMIT, || match edition() {
            Ok(headers) if headers.to_ascii_lowercase().contains(&format!("x-edition: {number}\r\n")) => Ok(()),
            other => Err(other),
        });
    };
    fs::write(&file, extra("1")).unwrap();
    await_edition("1");

    let wrong = extra("2").replace("customResponseHeaders", "customResponseHeader");
    let line = 1 + wrong.lines().position(|line| line.contains("customResponseHeader")).unwrap();
    fs::write(&file, &wrong).unwrap();
    let error = eventually("the error in the proxy's log", LIMIT, || {
        let log = world.cli(&["alloc", "logs", "-stderr", &alloc.id]).ok();
        let found = log.lines().find(|text| text.contains("customResponseHeader")).map(str::to_owned);
        found.ok_or(log)
    });
    assert!(error.contains("extra.yml") && error.contains(&format!(":{line}")), "file, line and key: {error}");
    await_edition("1");
    world.ask(11).unwrap();

    // Not YAML at all.
    fs::write(&file, "http:\n  routers: [\n").unwrap();
    eventually("the error in the proxy's log", LIMIT, || {
        let log = world.cli(&["alloc", "logs", "-stderr", &alloc.id]).ok();
        if log.matches("keeping its last good version").count() >= 2 { Ok(()) } else { Err(log) }
    });
    await_edition("1");
    fs::write(&file, extra("3")).unwrap();
    await_edition("3");
}

/// A route to the whoami example with a header that names the edition of the file.
fn extra(edition: &str) -> String {
    format!(
        "http:
  routers:
    extra:
      entryPoints: [web]
      rule: Host(`extra.localhost`)
      service: whoami@consulcatalog
      middlewares: [edition]
  middlewares:
    edition:
      headers:
        customResponseHeaders:
          X-Edition: \"{edition}\"
"
    )
}

#[test]
fn a_taken_port_is_told_with_its_owner_and_the_flag_that_helps() {
    let world = World::prepare();
    let refused = |args: &[&str], parts: &[&str]| {
        let said = say(&mut world.command(args));
        assert_eq!(said.code, 1, "{said:?}");
        assert_eq!(said.out, "");
        for part in parts {
            assert!(said.err.contains(part), "{part:?} in {}", said.err);
        }
        assert_eq!(fs::read_dir(world.dir()).unwrap().count(), 0, "nothing is left");
    };
    let other = TcpListener::bind(world.socket(1, 0)).unwrap();
    let address = other.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = other.accept() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        }
    });
    let api = format!("--api-addr={address}");
    refused(&[&api, "--catalog-addr=127.0.0.1:0"], &["another program", &address, "the API", "--api-addr"]);
    let catalog = format!("--catalog-addr={address}");
    refused(&["--api-addr=127.0.0.1:0", &catalog], &["another program", &address, "the catalog", "--catalog-addr"]);

    let running = World::start(&[]);
    let api = format!("--api-addr={}", running.api);
    refused(&[&api, "--catalog-addr=127.0.0.1:0"], &["another Baton agent", &running.api, "stop it", "--api-addr"]);
    let catalog = format!("--catalog-addr={}", running.catalog);
    refused(&["--api-addr=127.0.0.1:0", &catalog], &["another Baton agent", &running.catalog, "--catalog-addr"]);
}

#[test]
fn a_real_consul_on_the_catalogs_port_is_recognised_and_can_be_used() {
    let Some(consul) = peers::program("consul") else { return };
    let world = World::prepare();
    let address = world.socket(1, 8500);
    let _consul = start_consul(&consul, &world, address);
    let catalog = format!("--catalog-addr={address}");
    let said = say(&mut world.command(&["--api-addr=127.0.0.1:0", &catalog]));
    assert_eq!(said.code, 1, "{said:?}");
    for part in ["a Consul agent (version ", &address.to_string(), "--consul", "--catalog-addr"] {
        assert!(said.err.contains(part), "{part:?} in {}", said.err);
    }

    // What the message says works: the edge with that Consul as its catalog.
    let consul = format!("--consul={address}");
    let mut dev = Process::start(&mut world.command(&["--api-addr=127.0.0.1:0", &consul, EDGE, WHOAMI]));
    for node in [11, 12] {
        world.await_backends(node, 2);
    }
    let services = curl(&[&format!("http://{address}/v1/agent/services")]).unwrap();
    assert_eq!(
        services.matches("\"Service\": \"whoami\"").count().max(services.matches("\"Service\":\"whoami\"").count()),
        2
    );
    dev.signal(Signal::SIGINT);
    assert_eq!(dev.wait(LIMIT).code(), Some(0), "{}", dev.output());
    assert_eq!(curl(&[&format!("http://{address}/v1/agent/services")]).unwrap().trim(), "{}", "all deregistered");
}

/// One agent without data directory on its own address.
fn start_consul(program: &std::path::Path, world: &World, address: SocketAddr) -> Process {
    let consul = Process::start(
        Command::new(program).args(["agent", "-dev", "-log-level=warn", "-dns-port=-1", "-grpc-port=-1"]).args([
            &format!("-bind={}", world.address(1)),
            &format!("-client={}", address.ip()),
            &format!("-http-port={}", address.port()),
        ]),
    );
    eventually("Consul has a leader", LIMIT, || match curl(&["-f", &format!("http://{address}/v1/status/leader")]) {
        Ok(leader) if leader.trim().len() > 2 => Ok(()),
        other => Err((other, consul.output())),
    });
    consul
}

#[test]
fn a_data_directory_that_cannot_be_used_is_told() {
    let world = World::prepare();
    let dev = |dir: &str| -> Said {
        say(&mut world.command(&["--api-addr=127.0.0.1:0", "--catalog-addr=127.0.0.1:0", &format!("--data-dir={dir}")]))
    };
    let file = world.file("file", "not a directory");
    let said = dev(&format!("{file}/data"));
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&format!("{file}/data")), "{said:?}");

    // Something else in the place of the state: it is not touched.
    let state = world.data().join("server/state.redb");
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    fs::write(&state, "somebody else's").unwrap();
    let said = dev(&world.data().display().to_string());
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("state.redb"), "{said:?}");
    assert_eq!(fs::read_to_string(&state).unwrap(), "somebody else's");
    assert_eq!(said.err.lines().filter(|line| line.starts_with("Error")).count(), 1, "one message: {said:?}");

    // No permission, which root does not lack.
    if !nix::unistd::geteuid().is_root() {
        use std::os::unix::fs::PermissionsExt as _;
        let closed = world.dir().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        let said = dev(&closed.display().to_string());
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains("closed") && said.err.to_lowercase().contains("permission denied"), "{said:?}");
    }
}

#[test]
fn a_second_agent_on_the_same_data_directory_is_refused() {
    let world = World::lasting(&[WHOAMI]);
    world.await_deployed("whoami");
    let before = world.await_running("whoami", 2);
    let data = format!("--data-dir={}", world.data().display());
    let said = say(&mut world.command(&["--api-addr=127.0.0.1:0", "--catalog-addr=127.0.0.1:0", &data]));
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&world.data().display().to_string()), "{said:?}");
    assert!(said.err.contains("another agent") || said.err.contains("in use"), "{said:?}");
    assert_eq!(world.allocs("whoami"), before);
    world.cli(&["job", "scale", "whoami", "3"]).ok();
    assert_eq!(world.await_running("whoami", 3).len(), 3, "the first one still writes");
}

#[test]
fn an_entry_point_that_somebody_else_has_is_told_by_the_task() {
    let world = World::prepare();
    let _other = TcpListener::bind(world.socket(11, WEB)).unwrap();
    let world = world.and_start(&[EDGE, WHOAMI]);
    // The other node's proxy is not concerned.
    world.await_backends(12, 2);
    let alloc = eventually("an allocation on the node", LIMIT, || {
        world.all_allocs("edge").into_iter().find(|alloc| alloc.node == "edge-1").ok_or(())
    });
    let log = eventually("the reason in the task's log", LIMIT, || {
        let log = world.cli(&["alloc", "logs", "-stderr", &alloc.id]);
        if log.out.contains(&world.socket(11, WEB).to_string()) { Ok(log.out) } else { Err(log) }
    });
    assert!(log.contains("in use"), "{log}");
    assert!(log.contains("web"), "the entry point's name: {log}");
    eventually("the reason among what dev tells", LIMIT, || {
        let said = world.log();
        let told = said.lines().any(|line| line.contains(" proxy: exit code 1: ") && line.contains("in use"));
        if told { Ok(()) } else { Err(said) }
    });
    eventually("the restart in the task's events", LIMIT, || {
        let status = world.cli(&["alloc", "status", &alloc.id]).ok();
        if status.contains("Terminated") && status.contains("Exit Code: 1") { Ok(()) } else { Err(status) }
    });
    assert!(curl(&["-f", &format!("http://{}/ping", world.socket(11, API))]).is_err());
}
