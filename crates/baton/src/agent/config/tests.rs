use baton_jobspec::Severity;

use super::*;

fn findings(text: &str) -> Vec<String> {
    let letter = |finding: &Diagnostic| if finding.severity == Severity::Error { 'E' } else { 'W' };
    check(text, "a").iter().map(|found| format!("{} {}", letter(found), found.compact())).collect()
}

fn config(text: &str) -> AgentConfig {
    let (value, found) = read(text, "a");
    assert_eq!(found, [], "{text}");
    serde_json::from_value(value).unwrap()
}

#[test]
fn good_files_are_read() {
    let empty = config("");
    assert_eq!(empty, AgentConfig::default());
    assert_eq!((empty.http_port(), empty.dynamic_ports(), empty.raw_exec()), (4646, (20_000, 32_000), true));
    assert_eq!(empty.http_addresses().unwrap(), [IpAddr::from([127, 0, 0, 1])]);
    assert!(empty.whole().is_err());

    let full = config(
        r#"
        name = "edge-1"
        region = "eu"
        datacenter = "ams"
        data_dir = "/srv/baton"
        bind_addr = "10.0.0.5"
        log_level = "DEBUG"
        log_json = true
        leave_on_interrupt = false
        ports { http = 14646 }
        addresses {
          http   = "127.0.0.1 10.0.0.5"
          socket = "/run/x.sock"
        }
        advertise { http = "edge-1.example.org" }
        server {
          enabled = true
          bootstrap_expect = 1
          heartbeat_grace = "30s"
          node_gc_threshold = "24h"
        }
        client {
          enabled = true
          node_class = "edge"
          meta { "traefik" = "true" }
          options = { "driver.raw_exec.enable" = "1" }
          reserved {
            cpu            = 500
            reserved_ports = "22, 8500-8600"
          }
          max_kill_timeout = "2m"
          server_join { retry_join = ["10.0.0.9", "[::1]:4646", "a.example.org"] }
        }
        plugin "raw_exec" {
          config { enabled = false }
        }
        telemetry { prometheus_metrics = true }
        acl { default = "allow" }
        "#,
    );
    full.whole().unwrap();
    assert_eq!(full.http_addresses().unwrap().len(), 2);
    assert_eq!(full.servers(), ["10.0.0.9:4646", "[::1]:4646", "a.example.org:4646"]);
    assert_eq!(full.client.meta["traefik"], "true");
    assert_eq!(full.client.max_kill_timeout, Some(Nanos(120_000_000_000)));
    assert_eq!(full.server.heartbeat_grace, Some(Nanos(30_000_000_000)));
    assert_eq!(full.client.reserved.cpu, 500);
    assert!(full.allows_everything() && !full.raw_exec());
}

#[test]
fn json_says_the_same() {
    let json = r#"{"server": {"enabled": true}, "client": [{"enabled": true, "meta": {"a": "b"}}], "ports": {"http": 1},
        "plugin": {"raw_exec": {"config": {"enabled": false}}}}"#;
    let hcl = "server {\n enabled = true\n}\nclient {\n enabled = true\n meta {\n a = \"b\"\n }\n}\nports {\n http = 1\n}\n\
               plugin \"raw_exec\" {\n config {\n enabled = false\n }\n}";
    assert_eq!(config(json), config(hcl));
    assert!(is_agent_configuration(json) && is_agent_configuration(hcl));
}

#[test]
fn agent_files_are_told_from_job_files() {
    for text in ["data_dir = \"/x\"", "# c\nserver {\n}", "{\"client\": {}}", "client {"] {
        assert!(is_agent_configuration(text), "{text}");
    }
    for text in
        ["", "job \"a\" {\n  name = \"x\"\n}", "variable \"client\" {}\njob \"a\" {}", "{\"Job\": {}}", "{\"ID\": 1}"]
    {
        assert!(!is_agent_configuration(text), "{text}");
    }
}

/// One line of configuration, and what is said about it.
const MISTAKES: [(&str, &str); 52] = [
    (
        "nam = \"x\"",
        "E a:1:1: Unsupported argument; An argument named \"nam\" is not expected here. (Did you mean \"name\"?)",
    ),
    (
        "clint {}",
        "E a:1:1: Unsupported block type; Blocks of type \"clint\" are not expected here. (Did you mean \"client\"?)",
    ),
    (
        "client { enable = true }",
        "E a:1:10: Unsupported argument; An argument named \"enable\" is not expected here. (Did you mean \"enabled\"?)",
    ),
    (
        "client {\n reserved { cpus = 1 }\n}",
        "E a:2:13: Unsupported argument; An argument named \"cpus\" is not expected here. (Did you mean \"cpu\"?)",
    ),
    (
        "client = 1",
        "E a:1:1: Unsupported argument; An argument named \"client\" is not expected here. (client is a block here: write client { … } without \"=\")",
    ),
    (
        "region {}",
        "E a:1:1: Unsupported block type; Blocks of type \"region\" are not expected here. (region is an argument here: write region = …)",
    ),
    ("ports { http = \"x\" }", "E a:1:16: Unsuitable value type; Unsuitable value: a number is required"),
    ("ports { http = 70000 }", "E a:1:16: 70000 is not between 0 and 65535"),
    ("ports { rpc = 4647 }", "W a:1:15: ports.rpc has no effect: agents talk over the HTTP port alone"),
    (
        "server {}\nserver {}",
        "E a:2:1: Duplicate server block; Only one server block is allowed. Another was defined before it.",
    ),
    ("name = \"a b\"", "E a:1:8: \"a b\" is no name (use letters, digits, \"-\", \"_\" and \".\")"),
    ("datacenter = \"*\"", "E a:1:14: \"*\" is no datacenter (use letters, digits, \"-\", \"_\" and \".\")"),
    ("data_dir = \"x\"", "E a:1:12: \"x\" is not an absolute path (begin it with /)"),
    ("log_level = \"loud\"", "E a:1:13: \"loud\" is no log level (use one of trace, debug, info, warn, error, off)"),
    ("log_file = \"/x\"", "W a:1:12: log_file has no effect: the log goes to standard error"),
    (
        "leave_on_terminate = true",
        "W a:1:22: leave_on_terminate has no effect: tasks outlive the agent (drain before a stop: baton node drain -self -enable)",
    ),
    ("bind_addr = \"eth0\"", "E a:1:13: \"eth0\" is no IP address"),
    ("bind_addr = \"1.1.1.1 2.2.2.2\"", "E a:1:13: bind_addr needs an IP address (several go into addresses { http })"),
    (
        "bind_addr = \"{{ GetPrivateIP }}\"",
        "E a:1:13: templates of addresses are not supported (write the address itself)",
    ),
    ("addresses { http = \"1.1.1.1 x\" }", "E a:1:20: \"x\" is no IP address"),
    ("advertise { http = \"a b\" }", "E a:1:20: \"a b\" is no host or host:port"),
    (
        "server { bootstrap_expect = 3 }",
        "E a:1:29: 3 servers do not form a cluster: one plans (set it to 1 on the one server, and client { servers = [\"HOST:4646\"] } on the others)",
    ),
    (
        "server { heartbeat_grace = \"30\" }",
        "E a:1:28: Unsuitable value type; Unsuitable duration value: time: missing unit in duration \"30\" (add a unit, such as \"30s\")",
    ),
    ("server { heartbeat_grace = \"-1s\" }", "E a:1:28: server.heartbeat_grace is negative"),
    ("server { encrypt = \"x\" }", "W a:1:20: server.encrypt has no effect: servers do not gossip"),
    (
        "server { retry_join = [] }",
        "E a:1:10: retry_join is not supported; One server plans; servers do not join each other. Remove it.",
    ),
    (
        "client { alloc_dir = \"/x\" }",
        "E a:1:10: alloc_dir is not supported; Everything lies below data_dir: set that instead.",
    ),
    (
        "client {\n host_volume \"a\" { path = \"/x\" }\n}",
        "E a:2:2: host_volume is not supported; There are no host volumes: tasks see the host's files. Remove the block.",
    ),
    ("client { min_dynamic_port = 0 }", "E a:1:29: 0 is not between 1 and 65535"),
    ("client {\n min_dynamic_port = 9\n max_dynamic_port = 8\n}", "E a:2:21: 9 is above max_dynamic_port (8)"),
    (
        "client {\n reserved { reserved_ports = \"22,90-80\" }\n}",
        "E a:2:30: \"90-80\" is no port or range (write ports and ranges: \"22,8500-8600\")",
    ),
    ("client { node_pool = \"all\" }", "E a:1:22: no node can be in the pool \"all\": it stands for every node"),
    ("client { servers = [\"a b\"] }", "E a:1:20: \"a b\" is no host or host:port"),
    (
        "client { servers = [\"a:4647\"] }",
        "W a:1:20: \"a:4647\" names the port of Nomad's RPC (Baton's agents talk over the HTTP port, 4646)",
    ),
    (
        "client { servers = \"a\" }",
        "E a:1:20: Unsuitable value type; Unsuitable value: list of string required (write the value in brackets: [\"…\"])",
    ),
    (
        "client { options = { \"driver.raw_exec.enable\" = \"yes\" } }",
        "E a:1:20: not one of \"1\", \"true\", \"0\", \"false\"",
    ),
    ("client { options = { \"x\" = \"y\" } }", "W a:1:20: the option \"x\" has no effect"),
    ("client { cni_path = \"/x\" }", "W a:1:21: client.cni_path has no effect: tasks use the host's network"),
    ("client {\n template {}\n}", "W a:2:2: client.template has no effect: Baton has no such setting"),
    (
        "consul {}",
        "W a:1:1: without address the embedded catalog is used (set address to use a Consul, or remove the block)",
    ),
    (
        "consul { address = \"ftp://x\" }",
        "E a:1:20: consul address \"ftp://x\" cannot be used: scheme ftp is not http or https",
    ),
    ("catalog { address = \"8500\" }", "E a:1:21: \"8500\" is no address:port (such as \"127.0.0.1:8500\")"),
    ("acl { default = \"open\" }", "E a:1:17: \"open\" is neither \"allow\" nor \"deny\""),
    (
        "acl { enabled = false }",
        "W a:1:17: writes need the token all the same (write default = \"allow\" to let everybody write)",
    ),
    ("vault { enabled = true }", "E a:1:1: Vault is not supported (remove the block)"),
    (
        "plugin \"docker\" {\n config { x = 1 }\n}",
        "E a:1:1: the driver \"docker\" is not supported (raw_exec is the one driver: remove the block)",
    ),
    (
        "plugin \"raw_exec\" {\n config { enabld = true }\n}",
        "E a:2:2: raw_exec has no setting \"enabld\" (it has enabled)",
    ),
    (
        "plugin \"raw_exec\" {\n config { denied_envvars = [\"A\"] }\n}",
        "E a:2:2: denied_envvars is not supported: it would forbid nothing (remove it)",
    ),
    (
        "failover \"edge\" { serves = \"traefik\" }",
        "E a:1:1: failover is not supported; Failover comes with a later version: remove the block, and keep what moves the address today.",
    ),
    (
        "certificates {}",
        "E a:1:1: certificates is not supported; Certificates come with a later version: remove the block, and keep what orders them today.",
    ),
    (
        "telemetry { statsd_address = \"x\" }",
        "W a:1:30: telemetry.statsd_address has no effect: metrics are read at /v1/metrics, not sent",
    ),
    (
        "tls { http = true }",
        "E a:1:1: tls is not supported; The API speaks plain HTTP so far: keep it on loopback or on a private network, and remove the block.",
    ),
];

#[test]
fn every_mistake_is_told_at_its_place() {
    let wrong: Vec<_> = MISTAKES
        .iter()
        .filter(|(text, said)| findings(text) != [*said])
        .map(|(text, said)| (findings(text), said))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn all_mistakes_are_told_at_once_in_order() {
    let found = findings(
        "nam = 1\nports {\n  http = 70000\n}\nclient {\n  servers = \"x\"\n}\nfailover \"a\" {}\nlog_level = \"x\"\n",
    );
    let places: Vec<_> = found.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(places, ["a:1:1:", "a:3:10:", "a:6:13:", "a:8:1:", "a:9:13:"]);
    assert_eq!(findings("client {\n  enabled = \n}").len(), 1);
}

#[test]
fn later_files_win_and_lists_join() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("1.hcl", "name = \"a\"\nclient {\n  enabled = true\n  servers = [\"x\"]\n  meta {\n    a = \"1\"\n  }\n}");
    write("2.json", r#"{"name": "b", "client": {"servers": ["y"], "meta": {"b": "2"}}}"#);
    write("3.txt", "not read");
    let Loaded { config, files, warnings } = load(&[dir.path().to_owned()]).unwrap();
    assert_eq!((config.name.as_deref(), files.len(), warnings.len()), (Some("b"), 2, 0));
    assert_eq!(config.servers(), ["x:4646", "y:4646"]);
    assert_eq!(config.client.meta.len(), 2);
    write("4.hcl", "ports {\n  http = 70000\n}\nnam = 1");
    assert_eq!(
        load(&[dir.path().to_owned()]).unwrap_err().to_string(),
        "the configuration has 2 mistakes; nothing was started"
    );
}
