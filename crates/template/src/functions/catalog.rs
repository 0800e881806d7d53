//! Functions that ask the catalog, the key-value store, variables and files.

use sha2::{Digest, Sha256};

use super::{MANY, Row, Run, args};
use crate::context::Context;
use crate::dependency::{Dependency, ServiceQuery, VariablePath, dc_and_near, key_path, name_and_dc, prefix_path};
use crate::source::{Data, KvPair, NomadInstance};
use crate::value::{Record, Value};

pub(crate) const ROWS: &[Row] = &[
    ("key", 1, 1, key),
    ("keyOrDefault", 2, 2, key_or_default),
    ("keyExists", 1, 1, key_exists),
    ("keyExistsGet", 1, 1, key_exists_get),
    ("ls", 1, 1, |c, a| pairs(c, a, false, false)),
    ("safeLs", 1, 1, |c, a| pairs(c, a, false, true)),
    ("tree", 1, 1, |c, a| pairs(c, a, true, false)),
    ("safeTree", 1, 1, |c, a| pairs(c, a, true, true)),
    ("service", 1, MANY, service),
    ("services", 0, 1, services),
    ("nodes", 0, 1, nodes),
    ("node", 0, 1, node),
    ("datacenters", 0, 1, datacenters),
    ("nomadService", 1, 3, nomad_service),
    ("nomadServices", 0, 1, nomad_services),
    ("nomadVar", 1, 1, nomad_var),
    ("nomadVarExists", 1, 1, nomad_var_exists),
    ("nomadVarList", 0, 1, |c, a| nomad_var_list(c, a, false)),
    ("nomadVarListSafe", 0, 1, |c, a| nomad_var_list(c, a, true)),
    ("file", 1, 1, file),
    ("secret", 0, MANY, VAULT),
    ("secrets", 0, MANY, VAULT),
    ("pkiCert", 0, MANY, VAULT),
    ("pkiSign", 0, MANY, VAULT),
    ("caLeaf", 0, MANY, CONNECT),
    ("caRoots", 0, MANY, CONNECT),
    ("connect", 0, MANY, CONNECT),
    ("exportedServices", 0, MANY, CONNECT),
    ("importedServices", 0, MANY, CONNECT),
    ("partitions", 0, MANY, CONNECT),
    ("peerings", 0, MANY, CONNECT),
    ("spew_dump", 0, MANY, DEBUG),
    ("spew_printf", 0, MANY, DEBUG),
    ("spew_sdump", 0, MANY, DEBUG),
    ("spew_sprintf", 0, MANY, DEBUG),
    ("plugin", 0, MANY, DENIED),
    ("writeToFile", 0, MANY, DENIED),
    ("executeTemplate", 0, MANY, DENIED),
];

const VAULT: Run = |_, _| {
    Err("there is no Vault here; keep the secret in a variable (nomadVar), a key (key) or a file of the task (file)"
        .to_owned())
};
const CONNECT: Run = |_, _| Err("there is no service mesh and only one cluster here; use service".to_owned());
const DEBUG: Run = |_, _| Err("is not there; toJSONPretty shows a value with all its fields".to_owned());
const DENIED: Run = |_, _| Err("denied: a template may not run programs or write other files".to_owned());

/// The data has another shape than the dependency asks for: the source's mistake, said plainly.
fn misfit(dependency: &Dependency) -> String {
    format!("{dependency}: the answer has the wrong shape")
}

/// The text behind a key or file: `None` while not fetched, `Some(None)` when absent. An empty name has none.
fn fetch_text(
    context: &mut Context<'_>,
    name: &str,
    dependency: &Dependency,
) -> Result<Option<Option<String>>, String> {
    if name.is_empty() {
        return Ok(Some(None));
    }
    match context.fetch(dependency)? {
        None => Ok(None),
        Some(Data::Absent) => Ok(Some(None)),
        Some(Data::Text(text)) => Ok(Some(Some(text))),
        Some(_) => Err(misfit(dependency)),
    }
}

fn key(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (path, dc) = key_path(&args::text(a, 0)?);
    blocking_text(context, &path.clone(), &Dependency::Key { path, dc })
}

fn file(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let path = args::text(a, 0)?.into_owned();
    blocking_text(context, &path.clone(), &Dependency::File { path })
}

fn blocking_text(context: &mut Context<'_>, name: &str, dependency: &Dependency) -> Result<Value, String> {
    let text = fetch_text(context, name, dependency)?.flatten();
    if text.is_none() && !name.is_empty() {
        context.wait_for(dependency);
    }
    Ok(Value::from(text.unwrap_or_default()))
}

fn key_or_default(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (path, dc) = key_path(&args::text(a, 0)?);
    let default = args::text(a, 1)?.into_owned();
    let text = fetch_text(context, &path.clone(), &Dependency::KeyOrDefault { path, dc })?.flatten();
    Ok(Value::from(text.filter(|text| !text.is_empty()).unwrap_or(default)))
}

fn key_exists(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (path, dc) = key_path(&args::text(a, 0)?);
    let text = fetch_text(context, &path.clone(), &Dependency::KeyExists { path, dc })?.flatten();
    Ok(Value::Bool(text.is_some()))
}

fn key_exists_get(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (path, dc) = key_path(&args::text(a, 0)?);
    let dependency = Dependency::KeyExists { path: path.clone(), dc };
    let text = fetch_text(context, &path, &dependency)?.flatten();
    Ok(Value::record(Record::new(
        "KeyPair",
        vec![
            ("Path", Value::text(&path)),
            ("Key", Value::text(&path)),
            ("Exists", Value::Bool(text.is_some())),
            ("Value", Value::from(text.unwrap_or_default())),
        ],
    )))
}

/// `deep`: all levels. `safe`: an empty answer keeps the template waiting.
fn pairs(context: &mut Context<'_>, a: &[Value], deep: bool, safe: bool) -> Result<Value, String> {
    let text = args::text(a, 0)?;
    if text.is_empty() {
        return Ok(Value::list(Vec::new()));
    }
    let (prefix, dc) = prefix_path(&text);
    let dependency = Dependency::KvList { prefix: prefix.clone(), dc };
    let found = match context.fetch(&dependency)? {
        None => return Ok(Value::list(Vec::new())),
        Some(Data::Pairs(found)) => found,
        Some(Data::Absent) => Vec::new(),
        Some(_) => return Err(misfit(&dependency)),
    };
    let below = |pair: &KvPair| {
        let key = pair.path.strip_prefix(&prefix)?;
        if !prefix.is_empty() && !key.starts_with('/') {
            return None;
        }
        let key = key.trim_start_matches('/');
        // A key that ends with a slash is a folder's marker, not a value.
        (!key.is_empty() && !key.ends_with('/') && (deep || !key.contains('/'))).then(|| pair.value(&prefix))
    };
    let listed: Vec<Value> = found.iter().filter_map(below).collect();
    if safe && listed.is_empty() {
        context.wait_for(&dependency);
    }
    Ok(Value::list(listed))
}

fn service(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let mut states = Vec::new();
    for at in 1..a.len() {
        states.push(args::text(a, at)?.into_owned());
    }
    let states: Vec<&str> = states.iter().map(String::as_str).collect();
    // Older templates write the states behind a bar: "web|passing".
    let text = args::text(a, 0)?;
    let query = match text.split_once('|') {
        Some((name, state)) if states.is_empty() => ServiceQuery::parse(name, &[state])?,
        _ => ServiceQuery::parse(&text, &states)?,
    };
    let dependency = Dependency::Service(query.clone());
    let mut found = match context.fetch(&dependency)? {
        None | Some(Data::Absent) => Vec::new(),
        Some(Data::Instances(found)) => found,
        Some(_) => return Err(misfit(&dependency)),
    };
    found.retain(|instance| {
        let tagged = query.tag.as_ref().is_none_or(|tag| instance.tags.contains(tag));
        tagged && query.admits(&instance.status)
    });
    // `near` asks for the order of distance, which only the catalog knows.
    if query.near.is_none() {
        found.sort_by(|a, b| (&a.node, &a.id).cmp(&(&b.node, &b.id)));
    }
    Ok(Value::list(found.iter().map(|instance| instance.value()).collect()))
}

fn services(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (_, dc) = name_and_dc(&args::any_text(a, 0));
    named_services(context, &Dependency::Services { dc })
}

fn nomad_services(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (_, region) = name_and_dc(&args::any_text(a, 0));
    named_services(context, &Dependency::NomadServices { region })
}

fn named_services(context: &mut Context<'_>, dependency: &Dependency) -> Result<Value, String> {
    let mut found = match context.fetch(dependency)? {
        None | Some(Data::Absent) => Vec::new(),
        Some(Data::Services(found)) => found,
        Some(_) => return Err(misfit(dependency)),
    };
    found.sort_by(|a, b| a.name.cmp(&b.name));
    for service in &mut found {
        service.tags.sort();
    }
    Ok(Value::list(found.iter().map(|service| service.value()).collect()))
}

fn nodes(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (dc, near) = dc_and_near(&args::any_text(a, 0));
    let sorted = near.is_none();
    let dependency = Dependency::Nodes { dc, near };
    let mut found = match context.fetch(&dependency)? {
        None | Some(Data::Absent) => Vec::new(),
        Some(Data::Nodes(found)) => found,
        Some(_) => return Err(misfit(&dependency)),
    };
    if sorted {
        found.sort_by(|a, b| (&a.node, &a.id).cmp(&(&b.node, &b.id)));
    }
    Ok(Value::list(found.iter().map(|node| node.value()).collect()))
}

fn node(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let (name, dc) = name_and_dc(&args::any_text(a, 0));
    let dependency = Dependency::Node { name, dc };
    match context.fetch(&dependency)? {
        None | Some(Data::Absent) => Ok(Value::Nil),
        Some(Data::Node(mut found)) => {
            found.services.sort_by(|a, b| (&a.service, &a.id).cmp(&(&b.service, &b.id)));
            Ok(found.value())
        }
        Some(_) => Err(misfit(&dependency)),
    }
}

fn datacenters(context: &mut Context<'_>, _: &[Value]) -> Result<Value, String> {
    match context.fetch(&Dependency::Datacenters)? {
        None | Some(Data::Absent) => Ok(Value::list(Vec::new())),
        Some(Data::Datacenters(found)) => Ok(Value::texts(found)),
        Some(_) => Err(misfit(&Dependency::Datacenters)),
    }
}

/// `nomadService "name"`, or `nomadService count key "name"`: the same few instances for the same key.
fn nomad_service(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    if a.len() == 2 {
        return Err("wants a name, or count, hash key and name".to_owned());
    }
    let (name, region) = name_and_dc(&args::text(a, a.len() - 1)?);
    let name = name.ok_or("the name is empty")?;
    let dependency = Dependency::NomadService { name, region };
    let mut found = match context.fetch(&dependency)? {
        None | Some(Data::Absent) => Vec::new(),
        Some(Data::NomadInstances(found)) => found,
        Some(_) => return Err(misfit(&dependency)),
    };
    if a.len() == 3 {
        let (count, key) = (args::count(a, 0)?, args::text(a, 1)?);
        found.sort_by_cached_key(|instance| rank(&key, instance));
        found.truncate(count);
    }
    found.sort_by(|a, b| (&a.node, &a.id).cmp(&(&b.node, &b.id)));
    Ok(Value::list(found.iter().map(|instance| instance.value()).collect()))
}

/// Rendezvous hashing: each instance's own place in the order for a key, whatever others there are.
fn rank(key: &str, instance: &NomadInstance) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(key.as_bytes());
    hash.update([0]);
    hash.update(instance.alloc_id.as_bytes());
    hash.update([0]);
    hash.update(instance.id.as_bytes());
    hash.finalize().into()
}

fn nomad_var(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let path = VariablePath::parse(&args::text(a, 0)?, context.namespace);
    if path.path.is_empty() {
        return Ok(Value::Nil);
    }
    let dependency = Dependency::NomadVar(path);
    match context.fetch(&dependency)? {
        Some(Data::Variable(found)) => Ok(found.value()),
        None | Some(Data::Absent) => {
            context.wait_for(&dependency);
            Ok(Value::Nil)
        }
        Some(_) => Err(misfit(&dependency)),
    }
}

fn nomad_var_exists(context: &mut Context<'_>, a: &[Value]) -> Result<Value, String> {
    let dependency = Dependency::NomadVarExists(VariablePath::parse(&args::text(a, 0)?, context.namespace));
    match context.fetch(&dependency)? {
        None | Some(Data::Absent) => Ok(Value::Bool(false)),
        Some(Data::Variable(_)) => Ok(Value::Bool(true)),
        Some(_) => Err(misfit(&dependency)),
    }
}

fn nomad_var_list(context: &mut Context<'_>, a: &[Value], safe: bool) -> Result<Value, String> {
    let dependency = Dependency::NomadVarList(VariablePath::parse(&args::any_text(a, 0), context.namespace));
    let mut found = match context.fetch(&dependency)? {
        None => return Ok(Value::list(Vec::new())),
        Some(Data::Absent) => Vec::new(),
        Some(Data::Variables(found)) => found,
        Some(_) => return Err(misfit(&dependency)),
    };
    found.sort_by(|a, b| (&a.namespace, &a.path).cmp(&(&b.namespace, &b.path)));
    if safe && found.is_empty() {
        context.wait_for(&dependency);
    }
    Ok(Value::list(found.iter().map(|meta| meta.value()).collect()))
}
