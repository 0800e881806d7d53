//! Static and dynamic proxy configuration.

use std::path::Path;

use baton_proxy::providers::files::Files;
use baton_routing::config::{Middleware, TlsOptions};
use baton_routing::{Kind, ObjectRef};
use baton_traefik::Finding;
use baton_traefik::check::{Verdict, check_directory, check_dynamic, check_provider, check_static};
use baton_traefik::dynamic::{Context, FileConfig, parse_file};
use baton_traefik::static_config::{self, Sources, StaticConfig};

use super::row::{ERROR, Row, WARNING};
use super::source::{Kind as FileKind, Source};
use crate::proxy::{IMPLEMENTED, moment};

/// A static file, and the dynamic files that it names; also says which those are.
pub fn fixed(source: &Source) -> (Vec<Row>, Vec<String>) {
    let mut rows = shown(check_static(&source.bytes, &source.formatted), source);
    let config =
        static_config::load(Sources { file: Some((&source.formatted, &source.bytes)), ..Sources::default() }).config;
    for (option, path) in named_by(&config) {
        rows.extend(missing(&source.name, (0, 0), &option, path));
    }
    let Some(provider) = config.providers.file.as_ref() else { return (rows, Vec::new()) };
    let place = if provider.directory.is_empty() { &provider.filename } else { &provider.directory };
    if place.is_empty() {
        return (rows, Vec::new());
    }
    if !Path::new(place).exists() {
        rows.extend(missing(&source.name, (0, 0), "providers.file", place));
        return (rows, Vec::new());
    }
    let found = Files::new(provider).map(|files| files.read()).unwrap_or_default();
    rows.extend(found.errors.into_iter().map(|error| Row::error(source.name.clone(), error)));
    let context = context(&config);
    let files: Vec<(&str, &[u8])> =
        found.files.iter().map(|file| (file.name.as_str(), file.bytes.as_slice())).collect();
    let verdict = check_provider(&files, &config, &context, &IMPLEMENTED);
    rows.extend(verdict.findings.into_iter().map(Row::from));
    for (name, bytes) in &files {
        rows.extend(unable(bytes, name, &context));
    }
    (rows, found.files.into_iter().map(|file| file.name).collect())
}

/// A dynamic file by itself.
pub fn dynamic(source: &Source) -> Vec<Row> {
    let context = context(&StaticConfig::default());
    let mut rows = shown(check_dynamic(&source.bytes, &source.formatted, &context, &IMPLEMENTED), source);
    rows.extend(
        unable(&source.bytes, &source.formatted, &context)
            .into_iter()
            .map(|row| Row { file: source.name.clone(), ..row }),
    );
    if rows.is_empty() && matches!(source.kind, FileKind::Empty) {
        let message = "the file says nothing: taken as a dynamic file, refused as a static one";
        rows.push(Row { severity: WARNING, ..Row::error(source.name.clone(), message) });
    }
    rows
}

/// A static file that another machine will read.
pub fn embedded_static(source: &Source) -> Vec<Row> {
    shown(check_static(&source.bytes, &source.formatted), source)
}

/// A dynamic file that another machine will read.
pub fn embedded_dynamic(source: &Source) -> Vec<Row> {
    let context = context(&StaticConfig::default());
    shown(check_dynamic(&source.bytes, &source.formatted, &context, &IMPLEMENTED), source)
}

/// Dynamic files as the file provider reads them.
pub fn directory(sources: &[Source]) -> Vec<Row> {
    let context = context(&StaticConfig::default());
    let files: Vec<(&str, &[u8])> = sources.iter().map(|s| (s.name.as_str(), s.bytes.as_slice())).collect();
    let mut rows: Vec<Row> =
        check_directory(&files, &context, &IMPLEMENTED).findings.into_iter().map(Row::from).collect();
    for source in sources {
        rows.extend(unable(&source.bytes, &source.name, &context));
    }
    rows
}

fn context(fixed: &StaticConfig) -> Context {
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Context { default_syntax: fixed.default_syntax(), env, moment: Some(moment()) }
}

/// Findings under the name by which the file was given.
fn shown(verdict: Verdict, source: &Source) -> Vec<Row> {
    let named = |finding: Finding| Finding { file: source.name.clone(), ..finding };
    verdict.findings.into_iter().map(named).map(Row::from).collect()
}

/// What a dynamic file asks for and this build or this machine cannot do.
fn unable(bytes: &[u8], name: &str, context: &Context) -> Vec<Row> {
    let Ok(file) = parse_file(name, bytes, context) else { return Vec::new() };
    let mut rows = Vec::new();
    let place = |kind, own: &str| {
        let (line, column) = file.place(&ObjectRef::new(kind, own)).unwrap_or_default();
        (line as usize, column as usize)
    };
    let mut say = |kind, own: &str, message: String| {
        let (line, column) = place(kind, own);
        rows.push(Row { line, column, ..Row::error(name.to_owned(), message) });
    };
    for (own, kind) in &file.config.http.middlewares {
        let wrong = file.config.problems.iter().any(|problem| problem.object == ObjectRef::new(Kind::Middleware, own));
        if wrong || matches!(kind, Middleware::Chain(_) | Middleware::Invalid | Middleware::Plugin(_)) {
            continue;
        }
        // A file of users that is not here is told below.
        let users = matches!(kind, Middleware::BasicAuth(o) if !o.users_file.is_empty())
            || matches!(kind, Middleware::DigestAuth(o) if !o.users_file.is_empty())
            || matches!(kind, Middleware::ForwardAuth(o) if o.tls.is_some());
        if let Err(reason) = baton_proxy::middleware::build(own, kind)
            && !users
        {
            say(Kind::Middleware, own, format!("{reason} ({own})"));
        }
    }
    for own in file.config.tcp.routers.keys() {
        say(Kind::TcpRouter, own, format!("TCP routers are known but not implemented ({own})"));
    }
    for own in file.config.udp.routers.keys() {
        say(Kind::UdpRouter, own, format!("UDP routers are known but not implemented ({own})"));
    }
    for (object, option, path) in named_in(&file) {
        rows.extend(missing(name, place(object.kind, &object.name), &option, &path));
    }
    rows
}

/// Files that a static configuration names, with the options that do.
fn named_by(config: &StaticConfig) -> Vec<(String, &str)> {
    let catalog = config
        .providers
        .consul_catalog
        .iter()
        .filter_map(|c| Some(("consulCatalog.endpoint", c.endpoint.tls.as_ref()?)));
    let http = config.providers.http.iter().filter_map(|h| Some(("http", h.tls.as_ref()?)));
    let tls = catalog.chain(http).flat_map(|(provider, tls)| {
        [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)]
            .map(|(key, path)| (format!("providers.{provider}.tls.{key}"), path.as_str()))
    });
    let transport = config.servers_transport.iter().flat_map(|t| &t.root_cas);
    tls.chain(transport.map(|path| ("serversTransport.rootCAs".to_owned(), path.as_str()))).collect()
}

/// Files that a dynamic one names, with the objects and options that do.
fn named_in(file: &FileConfig) -> Vec<(ObjectRef, String, String)> {
    let mut named = Vec::new();
    let mut add = |kind, own: &str, option: &str, path: &str| {
        named.push((ObjectRef::new(kind, own), option.to_owned(), path.to_owned()));
    };
    let tls = &file.config.tls;
    for (at, certificate) in tls.certificates.iter().enumerate() {
        let own = format!("tls.certificates[{at}]");
        add(Kind::Certificate, &own, "certFile", &certificate.cert_file);
        add(Kind::Certificate, &own, "keyFile", &certificate.key_file);
    }
    for (own, TlsOptions { client_auth, .. }) in &tls.options {
        client_auth.ca_files.iter().for_each(|path| add(Kind::TlsOptions, own, "caFiles", path));
    }
    for (own, store) in &tls.stores {
        if let Some(certificate) = &store.default_certificate {
            add(Kind::TlsStore, own, "certFile", &certificate.cert_file);
            add(Kind::TlsStore, own, "keyFile", &certificate.key_file);
        }
    }
    for (own, middleware) in &file.config.http.middlewares {
        match middleware {
            Middleware::BasicAuth(options) => add(Kind::Middleware, own, "usersFile", &options.users_file),
            Middleware::DigestAuth(options) => add(Kind::Middleware, own, "usersFile", &options.users_file),
            Middleware::ForwardAuth(options) => {
                if let Some(tls) = &options.tls {
                    add(Kind::Middleware, own, "ca", &tls.ca);
                    add(Kind::Middleware, own, "cert", &tls.cert);
                    add(Kind::Middleware, own, "key", &tls.key);
                }
            }
            _ => {}
        }
    }
    for (own, transport) in &file.config.http.servers_transports {
        transport.root_cas.iter().for_each(|path| add(Kind::ServersTransport, own, "rootCAs", path));
        for certificate in &transport.certificates {
            add(Kind::ServersTransport, own, "certFile", &certificate.cert_file);
            add(Kind::ServersTransport, own, "keyFile", &certificate.key_file);
        }
    }
    named
}

/// A file that is named and not here: an error where the folder is there, so that only the file is missing. Otherwise, and
/// for relative paths, the configuration may be meant for another machine or working directory.
fn missing(file: &str, (line, column): (usize, usize), option: &str, path: &str) -> Option<Row> {
    let inline = path.is_empty() || path.contains("-----BEGIN") || path.contains('\n');
    let path = Path::new(path);
    if inline || path.exists() {
        return None;
    }
    let certain = path.is_absolute() && path.parent().is_some_and(Path::is_dir);
    let message = format!("{} is not here ({option})", path.display());
    let severity = if certain { ERROR } else { WARNING };
    Some(Row { severity, line, column, ..Row::error(file.to_owned(), message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        let source = Source::new("d.yml".to_owned(), text.as_bytes().to_vec());
        dynamic(&source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_that_are_not_here_are_told() {
        let here = std::env::temp_dir();
        let absolute = here.join("no-such-file-of-check.pem");
        let text = format!(
            "tls:\n  certificates:\n    - {{certFile: {}, keyFile: relative/k.pem}}\n    - {{certFile: /no/such/folder/c.pem, keyFile: \"-----BEGIN KEY\"}}\n",
            absolute.display()
        );
        assert_eq!(
            rows(&text),
            [
                format!("d.yml:3:7: error: {} is not here (certFile)", absolute.display()),
                "d.yml:3:7: warning: relative/k.pem is not here (keyFile)".to_owned(),
                "d.yml:4:7: warning: /no/such/folder/c.pem is not here (certFile)".to_owned(),
            ]
        );
    }

    #[test]
    fn what_is_not_served_is_told() {
        let text = "tcp:\n  routers: {t: {rule: 'HostSNI(`*`)', service: s}}\n  services: {s: {loadBalancer: {servers: [{address: 'a:1'}]}}}\n";
        assert_eq!(rows(text), ["d.yml:2:13: error: TCP routers are known but not implemented (t)"]);
        assert_eq!(
            rows(" \n"),
            ["d.yml: warning: the file says nothing: taken as a dynamic file, refused as a static one"]
        );
    }
}
