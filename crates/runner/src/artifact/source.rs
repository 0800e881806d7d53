//! Where an artifact comes from, with the options that may stand in the block or in the URL's query.

use std::collections::BTreeMap;
use std::path::PathBuf;

use baton_model::task::Artifact;

use super::{Archive, ArtifactError, Checksum};

/// The place to fetch from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Web(String),
    File(PathBuf),
}

/// A parsed source.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) place: Place,
    pub(super) checksum: Option<Checksum>,
    pub(super) archive: Option<Archive>,
    /// The last path segment.
    pub(super) file_name: String,
    /// For messages: without user and password.
    pub(super) shown: String,
}

/// Query parameters that are for the fetcher, not for the server.
const OWN_PARAMETERS: [&str; 3] = ["checksum", "archive", "filename"];

impl Source {
    pub(super) fn parse(artifact: &Artifact) -> Result<Self, ArtifactError> {
        let text = artifact.getter_source.trim();
        let unsupported = |reason: String| ArtifactError::Unsupported { source_text: text.to_owned(), reason };
        if let Some((getter, _)) = text.split_once("::").filter(|(getter, _)| !getter.contains('/')) {
            return Err(unsupported(format!("the getter {getter} is not supported; use http, https or a file")));
        }
        let (address, mut options) = split_query(text);
        options.extend(artifact.getter_options.clone());
        let lower = address.to_ascii_lowercase();
        let place = if lower.starts_with("http://") || lower.starts_with("https://") {
            Place::Web(address.clone())
        } else if let Some(path) = address.strip_prefix("file://") {
            Place::File(path.into())
        } else if address.starts_with('/') {
            Place::File(address.clone().into())
        } else if let Some((scheme, _)) = address.split_once("://") {
            return Err(unsupported(format!("the scheme {scheme} is not supported; use http, https or a file")));
        } else {
            return Err(unsupported("give a URL (http, https) or an absolute path".to_owned()));
        };
        let path = address.split(['?', '#']).next().unwrap_or_default();
        let file_name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("artifact").to_owned();
        let file_name = options.get("filename").filter(|name| !name.contains('/')).cloned().unwrap_or(file_name);
        let checksum = options.get("checksum").map(|text| Checksum::parse(text).map_err(&unsupported)).transpose()?;
        let archive = match options.get("archive").map(String::as_str) {
            Some("false" | "0") => None,
            Some(name) => Some(
                Archive::from_name(&format!(".{name}"))
                    .ok_or_else(|| unsupported(format!("the archive kind {name:?} is not supported")))?,
            ),
            None => Archive::from_name(&file_name),
        };
        Ok(Self { place, checksum, archive, file_name, shown: without_credentials(&address) })
    }
}

/// Takes the fetcher's own parameters out of the query.
fn split_query(text: &str) -> (String, BTreeMap<String, String>) {
    let Some((address, query)) = text.split_once('?') else { return (text.to_owned(), BTreeMap::new()) };
    let mut own = BTreeMap::new();
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some((name, value)) if OWN_PARAMETERS.contains(&name) => {
                own.insert(name.to_owned(), value.replace("%3A", ":").replace("%3a", ":"));
            }
            _ => rest.push(pair),
        }
    }
    let address = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
    (address, own)
}

fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => address.to_owned(),
    }
}
