//! What a template asks of the outside, and how it is named in events.

use std::fmt;

/// One thing that a template needs from outside.
///
/// Its [`Display`](fmt::Display) is consul-template's name for it, as in `Missing: kv.block(app/config)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// `key`: the template waits until the key exists.
    Key { path: String, dc: Option<String> },
    /// `keyOrDefault`: an absent key is an answer.
    KeyOrDefault { path: String, dc: Option<String> },
    /// `keyExists`, and `keyExistsGet`.
    KeyExists { path: String, dc: Option<String> },
    /// `ls`, `tree` and their safe forms: every pair under the prefix.
    KvList { prefix: String, dc: Option<String> },
    /// `service`.
    Service(ServiceQuery),
    /// `services`.
    Services { dc: Option<String> },
    /// `nodes`.
    Nodes { dc: Option<String>, near: Option<String> },
    /// `node`; without a name, this node.
    Node { name: Option<String>, dc: Option<String> },
    /// `datacenters`.
    Datacenters,
    /// `nomadService`.
    NomadService { name: String, region: Option<String> },
    /// `nomadServices`.
    NomadServices { region: Option<String> },
    /// `nomadVar`: the template waits until the variable exists.
    NomadVar(VariablePath),
    /// `nomadVarExists`.
    NomadVarExists(VariablePath),
    /// `nomadVarList`, `nomadVarListSafe`.
    NomadVarList(VariablePath),
    /// `file`.
    File { path: String },
}

/// `service "[tag.]name[?filter][@dc][~near]" ["status,status"]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceQuery {
    pub tag: Option<String>,
    pub name: String,
    pub dc: Option<String>,
    pub near: Option<String>,
    /// Consul's filter expression (`ns`, `peer`, `partition`, `filter` … after `?`), as written.
    pub query: Option<String>,
    /// Health states to let through, sorted; `["any"]` lets everything through.
    pub status: Vec<String>,
}

/// `path[@namespace[.region]]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariablePath {
    pub path: String,
    pub namespace: Option<String>,
    pub region: Option<String>,
}

/// Most names that [`missing_message`] spells out.
const MAX_NAMED: usize = 3;

/// The text of a pending task's event: `Missing: kv.block(a), kv.block(b), kv.block(c), and 2 more`.
pub fn missing_message<'a>(missing: impl IntoIterator<Item = &'a Dependency>) -> String {
    let names: std::collections::BTreeSet<String> = missing.into_iter().map(ToString::to_string).collect();
    let mut parts: Vec<String> = names.iter().take(MAX_NAMED).cloned().collect();
    if names.len() > MAX_NAMED {
        parts.push(format!("and {} more", names.len() - MAX_NAMED));
    }
    format!("Missing: {}", parts.join(", "))
}

/// States that `service` accepts as its second argument.
const STATES: [&str; 5] = ["any", "critical", "maintenance", "passing", "warning"];

impl ServiceQuery {
    /// Reads the two arguments of `service`.
    pub fn parse(text: &str, status: &[&str]) -> Result<Self, String> {
        let (rest, near) = split_off(text, '~');
        let (rest, dc) = split_off(rest, '@');
        let (rest, query) = split_off(rest, '?');
        let (tag, name) = match rest.rsplit_once('.') {
            Some((tag, name)) => (Some(tag.to_owned()), name),
            None => (None, rest),
        };
        if name.is_empty() || name.contains(['|', ' ', '/']) {
            return Err(format!(
                "bad service query {text:?}: expected [tag.]name[?filter][@dc][~near]; states go into a second argument"
            ));
        }
        let mut states = Vec::new();
        for state in status.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|state| !state.is_empty()) {
            if !STATES.contains(&state) {
                return Err(format!("bad service state {state:?}: use {}", STATES.join(", ")));
            }
            states.push(state.to_owned());
        }
        if states.is_empty() {
            states.push("passing".to_owned());
        }
        states.sort();
        states.dedup();
        if states.len() > 1 && states.iter().any(|state| state == "any") {
            return Err("the service state any stands alone".to_owned());
        }
        Ok(Self { tag, name: name.to_owned(), dc, near, query, status: states })
    }

    /// Does a service in this state belong to the answer?
    pub fn admits(&self, status: &str) -> bool {
        self.status.iter().any(|wanted| wanted == "any" || wanted == status)
    }
}

impl VariablePath {
    /// Reads `path[@namespace[.region]]`; slashes around the path are dropped, `namespace` is the one if none is written.
    pub fn parse(text: &str, namespace: Option<&str>) -> Self {
        let (path, place) = split_off(text, '@');
        let (own, region) = match place.as_deref().and_then(|place| place.split_once('.')) {
            Some((own, region)) => (Some(own.to_owned()), Some(region.to_owned())),
            None => (place, None),
        };
        Self {
            path: path.trim_matches('/').to_owned(),
            namespace: own.or_else(|| namespace.map(str::to_owned)),
            region,
        }
    }
}

/// `path@dc`, without the slash in front.
pub(crate) fn key_path(text: &str) -> (String, Option<String>) {
    let (path, dc) = split_off(text, '@');
    (path.trim_start_matches('/').to_owned(), dc)
}

/// `prefix@dc`; the prefix may be empty (everything).
pub(crate) fn prefix_path(text: &str) -> (String, Option<String>) {
    let (path, dc) = split_off(text, '@');
    (path.trim_matches('/').to_owned(), dc)
}

/// `[name][@dc]`.
pub(crate) fn name_and_dc(text: &str) -> (Option<String>, Option<String>) {
    let (name, dc) = split_off(text, '@');
    ((!name.is_empty()).then(|| name.to_owned()), dc)
}

/// `[@dc][~near]`.
pub(crate) fn dc_and_near(text: &str) -> (Option<String>, Option<String>) {
    let (rest, near) = split_off(text, '~');
    (split_off(rest, '@').1, near)
}

fn split_off(text: &str, mark: char) -> (&str, Option<String>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after.to_owned())),
        None => (text, None),
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |value: &Option<String>| value.as_ref().map_or(String::new(), |v| format!("@{v}"));
        let near = |value: &Option<String>| value.as_ref().map_or(String::new(), |v| format!("~{v}"));
        match self {
            Self::Key { path, dc } => write!(f, "kv.block({path}{})", at(dc)),
            Self::KeyOrDefault { path, dc } => write!(f, "kv.get({path}{})", at(dc)),
            Self::KeyExists { path, dc } => write!(f, "kv.get({path}{})", at(dc)),
            Self::KvList { prefix, dc } => write!(f, "kv.list({prefix}{})", at(dc)),
            Self::Service(query) => {
                f.write_str("health.service(")?;
                if let Some(tag) = &query.tag {
                    write!(f, "{tag}.")?;
                }
                f.write_str(&query.name)?;
                if let Some(filter) = &query.query {
                    write!(f, "?{filter}")?;
                }
                write!(f, "{}{}|{})", at(&query.dc), near(&query.near), query.status.join(","))
            }
            Self::Services { dc } => bracketed(f, "catalog.services", at(dc)),
            Self::Nodes { dc, near: close } => bracketed(f, "catalog.nodes", at(dc) + &near(close)),
            Self::Node { name, dc } => bracketed(f, "catalog.node", name.clone().unwrap_or_default() + &at(dc)),
            Self::Datacenters => f.write_str("catalog.datacenters"),
            Self::NomadService { name, region } => {
                write!(f, "nomad.service({name}{})", at(region))
            }
            Self::NomadServices { region } => bracketed(f, "nomad.services", at(region)),
            Self::NomadVar(path) => write!(f, "nomad.var.block({path})"),
            Self::NomadVarExists(path) => write!(f, "nomad.var.get({path})"),
            Self::NomadVarList(path) => write!(f, "nomad.var.list({path})"),
            Self::File { path } => write!(f, "file({path})"),
        }
    }
}

impl fmt::Display for VariablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_deref().unwrap_or("default");
        let region = self.region.as_deref().unwrap_or("global");
        write!(f, "{}@{namespace}.{region}", self.path)
    }
}

fn bracketed(f: &mut fmt::Formatter<'_>, name: &str, inside: String) -> fmt::Result {
    if inside.is_empty() { f.write_str(name) } else { write!(f, "{name}({inside})") }
}
