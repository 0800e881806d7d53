//! Functions that ask the outside, and waiting for its answers.

use std::collections::BTreeMap;

use baton_template::*;

use crate::world::World;

fn pair(path: &str, value: &str) -> KvPair {
    KvPair { path: path.to_owned(), value: value.to_owned(), ..KvPair::default() }
}

fn instance(node: &str, id: &str, status: &str, tags: &[&str]) -> ServiceInstance {
    ServiceInstance {
        node: node.to_owned(),
        id: id.to_owned(),
        name: "web".to_owned(),
        address: format!("10.0.0.{}", id.len()),
        port: 80,
        status: status.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        service_meta: BTreeMap::from([("v".to_owned(), "1".to_owned())]),
        ..ServiceInstance::default()
    }
}

fn query(text: &str, states: &[&str]) -> Dependency {
    Dependency::Service(ServiceQuery::parse(text, states).unwrap())
}

#[test]
fn keys() {
    let world = World::default()
        .key("app/a", "1")
        .with(Dependency::Key { path: "gone".into(), dc: None }, Data::Absent)
        .with(Dependency::KeyOrDefault { path: "gone".into(), dc: None }, Data::Absent)
        .with(Dependency::KeyOrDefault { path: "blank".into(), dc: None }, Data::Text(String::new()))
        .with(Dependency::KeyExists { path: "app/a".into(), dc: None }, Data::Text("1".into()))
        .with(Dependency::KeyExists { path: "gone".into(), dc: None }, Data::Absent);
    assert_eq!(world.render("{{key \"app/a\"}}{{key \"/app/a\"}}"), "11");
    assert_eq!(world.missing("{{key \"gone\"}}{{key \"later@dc2\"}}"), ["kv.block(gone)", "kv.block(later@dc2)"]);
    assert_eq!(world.render("{{keyOrDefault \"gone\" \"d\"}}{{keyOrDefault \"blank\" \"e\"}}"), "de");
    assert_eq!(world.missing("{{keyOrDefault \"never\" \"d\"}}"), ["kv.get(never)"]);
    assert_eq!(
        world.render("{{keyExists \"app/a\"}} {{keyExists \"gone\"}} {{(keyExistsGet \"app/a\").Value}}"),
        "true false 1"
    );
    let rendered = world.try_render("{{key \"app/a\"}}").unwrap();
    assert_eq!(rendered.dependencies, [Dependency::Key { path: "app/a".into(), dc: None }].into());
}

#[test]
fn what_fails_for_lack_of_data_waits() {
    let text = "{{(index (service \"web\") 0).Address}}{{key \"never reached\"}}";
    assert_eq!(World::default().missing(text), ["health.service(web|passing)"]);
    let world = World::default().with(query("web", &[]), Data::Instances(vec![]));
    assert!(world.error(text).contains("out of range"));
    assert_eq!(World::default().missing("{{with key \"a\" | parseJSON}}{{.x}}{{end}}"), ["kv.block(a)"]);
}

#[test]
fn refusals_of_the_source_are_errors() {
    let mut world = World::default();
    let dependency = Dependency::File { path: "../secret".into() };
    world.answers.insert(dependency, Answer::Error("outside the task's directory".into()));
    assert_eq!(
        world.error("{{file \"../secret\"}}"),
        "template t:1:3: file: file(../secret): outside the task's directory"
    );
}

#[test]
fn trees() {
    let list = |prefix: &str| Dependency::KvList { prefix: prefix.into(), dc: None };
    let pairs = vec![pair("app/", ""), pair("app/a", "1"), pair("app/b/c", "2"), pair("apple", "3")];
    let world = World::default().with(list("app"), Data::Pairs(pairs)).with(list("none"), Data::Pairs(vec![]));
    assert_eq!(world.render("{{range ls \"app\"}}{{.Key}}={{.Value}};{{end}}"), "a=1;");
    assert_eq!(
        world.render("{{range tree \"/app/\"}}{{.Path}} {{.Key}}={{.Value}};{{end}}"),
        "app/a a=1;app/b/c b/c=2;"
    );
    assert_eq!(world.render("{{tree \"app\" | explode | toJSON}}"), "{\"a\":\"1\",\"b\":{\"c\":\"2\"}}");
    assert_eq!(
        world.render("{{range $k, $ps := tree \"app\" | byKey}}{{$k}}:{{range $ps}}{{.Key}}={{.Value}}{{end}};{{end}}"),
        "b:c=2;"
    );
    assert_eq!(world.render("{{ls \"none\" | len}}"), "0");
    assert_eq!(world.missing("{{range safeLs \"none\"}}{{end}}"), ["kv.list(none)"]);
    assert!(
        world
            .error("{{range ls \"app\"}}{{.Valeu}}{{end}}")
            .contains("KeyPair has no field Valeu; it has Path, Key, Value")
    );
}

#[test]
fn services() {
    let found = vec![
        instance("n2", "b", "passing", &["http"]),
        instance("n1", "aa", "passing", &["http", "v2"]),
        instance("n1", "c", "critical", &["http"]),
        instance("n3", "ddd", "warning", &[]),
    ];
    let world = World::default()
        .with(query("web", &[]), Data::Instances(found.clone()))
        .with(query("v2.web", &[]), Data::Instances(found.clone()))
        .with(query("web", &["any"]), Data::Instances(found.clone()))
        .with(query("web@dc2~_agent", &["passing,warning"]), Data::Instances(found));
    let text = "{{range service \"web\"}}server {{.Address}}:{{.Port}};{{else}}none{{end}}";
    assert_eq!(world.render(text), "server 10.0.0.2:80;server 10.0.0.1:80;");
    assert_eq!(world.render("{{range service \"v2.web\"}}{{.ID}}{{end}}"), "aa");
    assert_eq!(world.render("{{range service \"web\" \"any\"}}{{.ID}} {{end}}"), "aa c b ddd ");
    assert_eq!(world.render("{{range service \"web@dc2~_agent\" \"passing,warning\"}}{{.ID}} {{end}}"), "b aa ddd ");
    assert_eq!(world.render("{{range service \"web|any\"}}{{.ID}}{{end}}"), "aacbddd");
    assert_eq!(world.render("{{range $t, $s := service \"web\" | byTag}}{{$t}}:{{len $s}} {{end}}"), "http:2 v2:1 ");
    assert_eq!(world.render("{{range $p, $s := service \"web\" | byPort}}{{$p}}:{{len $s}}{{end}}"), "80:2");
    assert_eq!(
        world.render("{{range $m, $s := service \"web\" | byMeta \"v|int,x\"}}{{$m}}:{{len $s}}{{end}}"),
        "00001__no_x_:2"
    );
    assert_eq!(world.render("{{range service \"web\"}}{{if .Tags | contains \"v2\"}}{{.Node}}{{end}}{{index .ServiceMeta \"no\"}}{{end}}"), "n1");
    assert_eq!(
        world.missing("{{range service \"t.db?ns=x@dc~n\" \"any\"}}{{end}}"),
        ["health.service(t.db?ns=x@dc~n|any)"]
    );
    assert!(world.error("{{service \"web\" \"green\"}}").contains("bad service state \"green\""));
    assert!(world.error("{{service \"\"}}").contains("bad service query"));
}

#[test]
fn catalog_lists() {
    let node = Node { node: "n1".into(), address: "10.0.0.1".into(), ..Node::default() };
    let named = |name: &str| ServiceName { name: name.into(), tags: vec!["y".into(), "x".into()] };
    let services = vec![NodeService { service: "web".into(), port: 80, ..NodeService::default() }];
    let world = World::default()
        .with(Dependency::Services { dc: None }, Data::Services(vec![named("web"), named("db")]))
        .with(Dependency::Nodes { dc: None, near: None }, Data::Nodes(vec![node.clone()]))
        .with(
            Dependency::Node { name: Some("n1".into()), dc: None },
            Data::Node(Box::new(NodeServices { node, services })),
        )
        .with(Dependency::Node { name: Some("no".into()), dc: None }, Data::Absent)
        .with(Dependency::Datacenters, Data::Datacenters(vec!["dc1".into()]));
    assert_eq!(world.render("{{range services}}{{.Name}}{{.Tags}} {{end}}"), "db[x y] web[x y] ");
    assert_eq!(world.render("{{range nodes}}{{.Node}} {{.Address}}{{end}}"), "n1 10.0.0.1");
    assert_eq!(
        world.render("{{with node \"n1\"}}{{.Node.Node}}{{range .Services}} {{.Service}}:{{.Port}}{{end}}{{end}}"),
        "n1 web:80"
    );
    assert_eq!(world.render("{{with node \"no\"}}x{{else}}unknown{{end}}"), "unknown");
    assert_eq!(world.render("{{range datacenters}}{{.}}{{end}}"), "dc1");
    assert_eq!(
        world.missing("{{node}}{{nodes \"@dc2~n1\"}}{{services \"@dc2\"}}"),
        ["catalog.node", "catalog.nodes(@dc2~n1)", "catalog.services(@dc2)"]
    );
}

#[test]
fn nomad_services_and_variables() {
    let instances: Vec<NomadInstance> = (1..=5)
        .map(|at| NomadInstance {
            id: format!("i{at}"),
            name: "api".into(),
            address: "10.0.0.1".into(),
            port: at,
            alloc_id: format!("a{at}"),
            ..NomadInstance::default()
        })
        .collect();
    let path = |text: &str| VariablePath::parse(text, None);
    let variable = Variable {
        items: BTreeMap::from([("password".into(), "p".into()), ("user".into(), "u".into())]),
        meta: VariableMeta { path: "nomad/jobs/x".into(), ..VariableMeta::default() },
    };
    let world = World::default()
        .with(Dependency::NomadService { name: "api".into(), region: None }, Data::NomadInstances(instances))
        .with(Dependency::NomadVar(path("nomad/jobs/x")), Data::Variable(Box::new(variable.clone())))
        .with(Dependency::NomadVarExists(path("no")), Data::Absent)
        .with(Dependency::NomadVarList(path("nomad")), Data::Variables(vec![variable.meta]));
    assert_eq!(world.render("{{range nomadService \"api\"}}{{.Port}}{{end}}"), "12345");
    let some = world.render("{{range nomadService 2 \"alloc-7\" \"api\"}}{{.Port}}{{end}}");
    assert_eq!((some.len(), &some), (2, &world.render("{{range nomadService 2 \"alloc-7\" \"api\"}}{{.Port}}{{end}}")));
    assert_eq!(world.render("{{with nomadVar \"nomad/jobs/x\"}}{{.user}}:{{.password.Value}}{{end}}"), "u:p");
    assert_eq!(
        world.render("{{range $k, $v := nomadVar \"nomad/jobs/x\"}}{{$k}}={{$v}} {{end}}"),
        "password=p user=u "
    );
    assert_eq!(world.render("{{with nomadVar \"nomad/jobs/x\"}}{{.Keys}} {{.Values}} {{.Metadata.Path}}{{range .Tuples}} {{.Key}}{{end}}{{end}}"), "[password user] [p u] nomad/jobs/x password user");
    assert_eq!(
        world.render("{{nomadVar \"nomad/jobs/x\" | toJSON}} {{nomadVarExists \"no\"}}"),
        "{\"password\":\"p\",\"user\":\"u\"} false"
    );
    assert_eq!(world.render("{{range nomadVarList \"nomad\"}}{{.Path}} {{.}}{{end}}"), "nomad/jobs/x nomad/jobs/x");
    assert_eq!(world.missing("{{with nomadVar \"other@ns.reg\"}}{{.a}}{{end}}"), ["nomad.var.block(other@ns.reg)"]);
}

#[test]
fn environment_time_and_addresses() {
    let mut world = World::default().with(Dependency::File { path: "local/a".into() }, Data::Text("content".into()));
    let interface = |name: &str, address: &str, default_route| Interface {
        name: name.into(),
        address: address.parse().unwrap(),
        prefix: 24,
        up: true,
        default_route,
    };
    world.interfaces = vec![
        interface("lo", "127.0.0.1", false),
        interface("eth1", "10.9.0.1", false),
        interface("eth0", "192.168.1.5", true),
    ];
    for (text, wanted) in [
        ("{{env \"NOMAD_PORT_http\"}} {{env \"meta.client_type\"}} [{{env \"NO\"}}]", "8080 edge []"),
        ("{{envOrDefault \"NO\" \"d\"}} {{mustEnv \"NOMAD_PORT_http\"}}", "d 8080"),
        (
            "{{timestamp}} {{timestamp \"unix\"}} {{timestamp \"2006-01-02\"}}",
            "2023-11-14T22:13:20Z 1700000000 2023-11-14",
        ),
        (
            "{{sockaddr \"GetPrivateIP\"}} {{sockaddr \"GetInterfaceIP \\\"eth1\\\"\"}} [{{sockaddr \"GetPublicIP\"}}]",
            "192.168.1.5 10.9.0.1 []",
        ),
        ("{{sockaddr \"GetPrivateIPs\"}}", "192.168.1.5 10.9.0.1"),
        ("{{file \"local/a\"}}", "content"),
    ] {
        assert_eq!(world.render(text), wanted, "{text}");
    }
    assert_eq!(world.error("{{mustEnv \"NO\"}}"), "template t:1:3: mustEnv: the variable NO is not set or empty");
    assert_eq!(world.missing("{{file \"local/later\"}}"), ["file(local/later)"]);
    assert!(world.error("{{sockaddr \"GetAllInterfaces | attr\"}}").contains("is not supported"));
}

#[test]
fn what_is_left_out_says_so() {
    let world = World::default();
    for (text, wanted) in [
        ("{{with secret \"a\"}}{{end}}", "there is no Vault here; keep the secret in a variable (nomadVar)"),
        ("{{plugin \"id\"}}", "denied: a template may not run programs"),
        ("{{writeToFile \"a\" \"\" \"\" \"0644\" \"x\"}}", "denied"),
        ("{{executeTemplate \"a\"}}", "denied"),
        ("{{caRoots}}", "no service mesh"),
        ("{{peerings}}", "only one cluster"),
        ("{{spew_dump 1}}", "toJSONPretty"),
        ("{{sprig_randAlphaNum 8}}", "gives another value each time"),
        ("{{sprig_genPrivateKey `rsa`}}", "gives another value each time"),
        ("{{sprig_now}}", "there are no dates here but timestamp"),
        ("{{sprig_osBase `a`}}", "asks the machine"),
        ("{{sprig_urlParse `a`}}", "is not supported: it is not there"),
        ("{{randInt 1 2}}", "function \"randInt\" not defined"),
    ] {
        assert!(world.error(text).contains(wanted), "{text}: {}", world.error(text));
    }
}

#[test]
fn the_event_names_three() {
    let missing = |text: &str| missing_message(&World::default().try_render(text).unwrap().missing);
    assert_eq!(missing("{{key \"b\"}}{{key \"a\"}}"), "Missing: kv.block(a), kv.block(b)");
    assert_eq!(
        missing("{{range split \",\" \"a,b,c,d,e\"}}{{key .}}{{end}}"),
        "Missing: kv.block(a), kv.block(b), kv.block(c), and 2 more"
    );
}

#[test]
fn a_large_list_may_be_asked_often() {
    let instances = (0..400).map(|at| instance(&format!("node-{at:04}"), "id", "passing", &["http", "edge"])).collect();
    let world = World::default().with(query("web", &[]), Data::Instances(instances));
    let text = "{{$all := service \"web\"}}{{range $i, $e := $all}}{{if ne (add $i 1) (len $all)}}{{(index $all $i).Port}},{{end}}{{end}}";
    assert_eq!(world.render(text), "80,".repeat(399));
}
