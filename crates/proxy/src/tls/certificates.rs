//! Certificates by the names that they cover.

use super::provider;
use baton_routing::config::{Certificate, Tls};
use baton_routing::{Kind, Problem, Severity};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Common name of the self-signed certificate that stands in where no other fits; tools of Traefik's users look for it.
pub(super) const DEFAULT_NAME: &str = "TRAEFIK DEFAULT CERT";

/// Largest certificate or key file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A set of certificates.
#[derive(Debug, Default)]
pub struct Certificates {
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// By the domain after `*.`.
    wildcards: HashMap<Box<str>, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
    configured: Vec<Arc<CertifiedKey>>,
    /// Made here, kept over reloads.
    generated: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Loads what is configured; what cannot be read is listed and left out.
    pub fn load(tls: &Tls, previous: &Self, problems: &mut Vec<Problem>) -> Self {
        let mut set = Self::default();
        let mut load = |certificate: &Certificate| match load(certificate) {
            Ok(loaded) => Some(loaded),
            Err(reason) => {
                problems.push(Problem::new(
                    Kind::Certificate,
                    &*shown(&certificate.cert_file),
                    Severity::Disabled,
                    reason,
                ));
                None
            }
        };
        for certificate in &tls.certificates {
            if let Some((key, names)) = load(certificate) {
                set.insert(&key, names);
                set.configured.push(key);
            }
        }
        let configured = tls.stores.get("default").and_then(|store| store.default_certificate.as_ref());
        set.default = configured.and_then(&mut load).map(|(key, names)| {
            set.insert(&key, names);
            set.configured.push(key.clone());
            key
        });
        if set.default.is_none() {
            set.generated = previous.generated.clone().or_else(|| match generate() {
                Ok(key) => Some(Arc::new(key)),
                Err(reason) => {
                    problems.push(Problem::new(Kind::TlsStore, "default", Severity::Warning, reason));
                    None
                }
            });
            set.default = set.generated.clone();
        }
        set
    }

    /// Adds a certificate; a name that is covered already keeps its first.
    fn insert(&mut self, key: &Arc<CertifiedKey>, names: Vec<String>) {
        for name in names {
            match name.strip_prefix("*.") {
                Some(domain) => self.wildcards.entry(domain.into()).or_insert_with(|| key.clone()),
                None => self.exact.entry(name.into()).or_insert_with(|| key.clone()),
            };
        }
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        self.exact.get(name).or_else(|| self.wildcards.get(name.split_once('.')?.1))
    }

    /// The certificates that were configured and could be loaded, in this order.
    pub fn configured(&self) -> &[Arc<CertifiedKey>] {
        &self.configured
    }

    /// Whether a configured certificate covers a lower-case name.
    pub fn covers(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        name.and_then(|name| self.find(&name).cloned()).or_else(|| self.default.clone())
    }
}

/// Reads PEM text from a path, or takes the text itself.
pub(super) fn pem(text_or_path: &str) -> Result<Vec<u8>, String> {
    if text_or_path.contains("-----BEGIN") {
        return Ok(text_or_path.as_bytes().to_vec());
    }
    crate::files::read(text_or_path, FILE_BYTES_MAX).map_err(|error| format!("cannot read {text_or_path}: {error}"))
}

/// The certificates in PEM text.
pub(super) fn chain(text_or_path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = pem(text_or_path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: {error}", shown(text_or_path)))?;
    if chain.is_empty() { Err(format!("{} holds no certificate", shown(text_or_path))) } else { Ok(chain) }
}

/// The private key in PEM text.
pub(super) fn key(text_or_path: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(&pem(text_or_path)?).map_err(|error| format!("{}: {error}", shown(text_or_path)))
}

/// A path as it is, a PEM text as a word: keys must not reach a log.
fn shown(text_or_path: &str) -> String {
    if text_or_path.contains("-----BEGIN") { "inline PEM".to_owned() } else { text_or_path.to_owned() }
}

fn load(certificate: &Certificate) -> Result<(Arc<CertifiedKey>, Vec<String>), String> {
    let chain = chain(&certificate.cert_file)?;
    let names =
        names(&chain[0]).ok_or_else(|| format!("{} is not an X.509 certificate", shown(&certificate.cert_file)))?;
    let key = CertifiedKey::from_der(chain, key(&certificate.key_file)?, &provider()).map_err(|error| {
        format!(
            "{} and {} cannot be used together: {error}",
            shown(&certificate.cert_file),
            shown(&certificate.key_file)
        )
    })?;
    Ok((Arc::new(key), names))
}

/// The lower-case DNS names and IP addresses of a certificate, its common name when it has no others.
fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    use x509_parser::extensions::GeneralName;
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = Vec::new();
    if let Ok(Some(alternatives)) = parsed.subject_alternative_name() {
        for name in &alternatives.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => {
                    if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                        names.push(std::net::Ipv4Addr::from(v4).to_string());
                    } else if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                        names.push(std::net::Ipv6Addr::from(v6).to_string());
                    }
                }
                _ => {}
            }
        }
    }
    if names.is_empty() {
        names.extend(
            parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_ascii_lowercase),
        );
    }
    Some(names)
}

/// A self-signed certificate valid for one year.
fn generate() -> Result<CertifiedKey, String> {
    const VALIDITY: Duration = Duration::from_secs(365 * 86_400);
    let error = |error: rcgen::Error| format!("cannot make the default certificate: {error}");
    let pair = rcgen::KeyPair::generate().map_err(error)?;
    let mut params = rcgen::CertificateParams::new(vec!["traefik.default".to_owned()]).map_err(error)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, DEFAULT_NAME);
    params.not_before = SystemTime::now().into();
    params.not_after = (SystemTime::now() + VALIDITY).into();
    let certificate = params.self_signed(&pair).map_err(error)?;
    let key = PrivateKeyDer::try_from(pair.serialize_der())
        .map_err(|error| format!("cannot make the default certificate: {error}"))?;
    CertifiedKey::from_der(vec![certificate.der().clone()], key, &provider())
        .map_err(|error| format!("cannot make the default certificate: {error}"))
}
