//! `tls`: certificates, options and stores.

use baton_routing::{
    Kind, ObjectRef,
    config::{Certificate, TlsOptions, TlsStore},
};

use super::{Reader, Unknown};
use crate::{
    decode::decode,
    document::{Node, Value},
};

impl Reader<'_> {
    pub(super) fn tls(&mut self, section: &Node) {
        self.keys(section, "tls", &["certificates", "options", "stores"]);
        if let Some(entry) = section.get("certificates") {
            if !matches!(entry.value.value, Value::List(_)) {
                let message = format!("expected a list of certificates, found {}", entry.value.kind());
                self.warn(&entry.value.at, "tls.certificates", message);
            }
            for (name, node) in entry.value.parts() {
                let path = format!("tls.certificates{name}");
                if matches!(node.value, Value::Null | Value::List(_) | Value::Date) {
                    self.refuse(&node.at, &path, format!("expected a certificate, found {}", node.kind()), None);
                    continue;
                }
                if let (Value::Scalar { .. }, Value::List(_)) = (&node.value, &entry.value.value) {
                    self.warn(&node.at, &path, "expected a certificate, found a single value: it is ignored");
                    continue;
                }
                let (certificate, mistakes) = decode::<Certificate>(node, self.file, &path);
                self.mistakes(Kind::Certificate, &path, mistakes, Unknown::Warns);
                self.out.places.insert(ObjectRef::new(Kind::Certificate, path), node.at.clone());
                self.out.config.tls.certificates.push(certificate);
            }
        }
        self.out.config.tls.options = self.each(section, "tls.options", Kind::TlsOptions, |r, name, entry, path| {
            let options = r.record::<TlsOptions>(Kind::TlsOptions, name, entry, path, Unknown::Closes);
            if options.prefer_server_cipher_suites.is_some() {
                r.warn(&entry.at, path, "preferServerCipherSuites has no effect any more");
            }
            options
        });
        self.out.config.tls.stores = self.each(section, "tls.stores", Kind::TlsStore, |r, name, entry, path| {
            let store = r.record::<TlsStore>(Kind::TlsStore, name, entry, path, Unknown::Warns);
            if name != "default" {
                r.warn(&entry.at, path, "only the store \"default\" is used");
            }
            store
        });
    }
}
