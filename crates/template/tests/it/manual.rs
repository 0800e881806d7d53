//! The page for administrators: its examples render as printed, its lists of functions are whole.

use std::collections::{BTreeMap, BTreeSet};

use baton_template::*;

use crate::world::World;

const PAGE: &str = include_str!("../../../../docs/templates.md");

fn world() -> World {
    let instance = |id: &str, address: &str| ServiceInstance {
        node: id.to_owned(),
        id: id.to_owned(),
        address: address.to_owned(),
        port: 5432,
        status: "passing".to_owned(),
        ..ServiceInstance::default()
    };
    let items = [("user", "admin"), ("password", "s3cret")];
    let items: BTreeMap<String, String> = items.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    World::default()
        .key("app/log_level", "debug")
        .with(Dependency::KeyOrDefault { path: "app/limit".into(), dc: None }, Data::Absent)
        .with(
            Dependency::Service(ServiceQuery::parse("db", &[]).unwrap()),
            Data::Instances(vec![instance("b", "10.0.0.2"), instance("a", "10.0.0.1")]),
        )
        .with(
            Dependency::NomadVar(VariablePath::parse("nomad/jobs/web", None)),
            Data::Variable(Box::new(Variable { items, ..Variable::default() })),
        )
}

/// The bodies of the page's fences of a kind.
fn fences(kind: &str) -> Vec<&'static str> {
    PAGE.split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|fence| fence.split_once('\n').filter(|(name, _)| *name == kind))
        .map(|(_, body)| body)
        .collect()
}

#[test]
fn examples_render_as_printed() {
    let (templates, texts) = (fences("template"), fences("text"));
    assert_eq!(templates.len(), texts.len());
    assert!(templates.len() >= 6);
    for (template, text) in templates.iter().zip(texts) {
        assert_eq!(world().render(template), text, "{template}");
    }
}

/// Names in backticks between a heading and the next, in paragraphs that begin with none of `except`.
fn names(heading: &str, except: &[&str]) -> BTreeSet<String> {
    let section = PAGE.split(heading).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let paragraphs =
        section.split("\n\n").filter(|text| !except.iter().any(|start| text.trim_start().starts_with(start)));
    let spans = paragraphs.flat_map(|text| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    spans.filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_')).collect()
}

#[test]
fn lists_of_functions_are_whole() {
    let sprig =
        names("## Functions of sprig", &["In a job", "The proxy's templates", "The proxy's files", "Not there"]);
    let builtin = [
        "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice", "print", "printf", "println",
        "html", "js", "urlquery", "call",
    ];
    let mut job = names("## Functions of job templates", &[]);
    job.extend(sprig.iter().map(|name| format!("sprig_{name}")));
    let known = |set| functions::names(set).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(job, known(FunctionSet::ConsulTemplate));
    let mut proxy = sprig;
    proxy.extend(builtin.map(str::to_owned));
    proxy.insert("normalize".to_owned());
    let of_files = ["now", "date", "htmlDate", "unixEpoch", "uuidv4", "bcrypt", "htpasswd"];
    assert!(of_files.iter().all(|name| PAGE.contains(&format!("`{name}`"))));
    proxy.extend(of_files.map(str::to_owned));
    assert_eq!(proxy, known(FunctionSet::Sprig));
}

#[test]
fn differences_are_true() {
    let world = world();
    assert_eq!(
        world.render("{{ parseJSON `1000000` }} {{ eq (parseJSON `5`) 5 }} {{ parseJSON `9223372036854775808` }}"),
        "1000000 true 9.223372036854776e+18"
    );
    assert_eq!(world.render("{{ $m := sprig_dict }}{{ $_ := sprig_set $m \"k\" 1 }}{{ $m.k }}"), "1");
    assert_eq!(world.render("{{ 10 | divide 2 }} {{ eq 1 1.0 }}"), "5 true");
    assert!(world.error("{{ add 9223372036854775807 1 }}").contains("does not fit"));
    assert!(world.error("{{ base64Decode \"/w==\" }}").contains("not UTF-8"));
    assert_eq!(world.render("{{ regexMatch `^\\pN+(?P<x>a)$` \"12a\" }}"), "true");
    assert!(
        world
            .error("{{ range service \"db\" }}{{ .Adress }}{{ end }}")
            .contains("HealthService has no field Adress; it has Node, NodeID, ")
    );
}
