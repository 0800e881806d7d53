//! TLS: certificates, named options, and what a client side needs.

use serde::{Deserialize, Serialize};

use super::{Domain, Named, record::record};

/// Name of the options that hold where none are named.
pub const DEFAULT_TLS_OPTIONS: &str = "default";

/// The TLS side of a configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tls {
    pub certificates: Vec<Certificate>,
    /// Keyed `default` or `name@provider`.
    pub options: Named<TlsOptions>,
    pub stores: Named<TlsStore>,
}

record! {
    /// A certificate with its key: each a path or the PEM text itself.
    pub struct Certificate {
        pub cert_file: String,
        pub key_file: String,
        pub stores: Vec<String>,
    }
}

record! {
    pub struct TlsStore {
        pub default_certificate: Option<Certificate>,
        pub default_generated_cert: Option<GeneratedCertificate>,
    }
}

record! {
    pub struct GeneratedCertificate {
        pub resolver: String,
        pub domain: Option<Domain>,
    }
}

record! {
    /// How connections for some host names are secured.
    pub struct TlsOptions {
        /// `VersionTLS10` … `VersionTLS13`; empty means 1.2. See [`TlsOptions::versions`].
        pub min_version: String,
        pub max_version: String,
        /// IANA names; TLS 1.2 and older only.
        pub cipher_suites: Vec<String>,
        pub curve_preferences: Vec<String>,
        pub client_auth: ClientAuth = ClientAuth::default(),
        /// Refuse connections whose SNI no certificate covers.
        pub sni_strict: bool,
        pub alpn_protocols: Vec<String> =
            vec!["h2".to_owned(), "http/1.1".to_owned(), "acme-tls/1".to_owned()],
        pub disable_session_tickets: bool,
        /// Accepted for old files, without effect.
        pub prefer_server_cipher_suites: Option<bool>,
    }
}

/// A TLS protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl TlsVersion {
    /// Reads `VersionTLS12`; `None` for other text.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "VersionTLS10" => Self::Tls10,
            "VersionTLS11" => Self::Tls11,
            "VersionTLS12" => Self::Tls12,
            "VersionTLS13" => Self::Tls13,
            _ => return None,
        })
    }
}

impl TlsOptions {
    /// The inclusive range of versions; an unreadable name counts as unset (a problem is listed for it).
    pub fn versions(&self) -> (TlsVersion, TlsVersion) {
        (
            TlsVersion::parse(&self.min_version).unwrap_or(TlsVersion::Tls12),
            TlsVersion::parse(&self.max_version).unwrap_or(TlsVersion::Tls13),
        )
    }
}

record! {
    pub struct ClientAuth {
        /// Paths or PEM texts.
        pub ca_files: Vec<String>,
        /// Empty means none, or `RequireAndVerifyClientCert` when CA files are given; see [`ClientAuth::mode`].
        pub client_auth_type: String,
    }
}

/// What is asked of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ClientAuthMode {
    NoClientCert,
    RequestClientCert,
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

impl ClientAuth {
    /// The mode in force; `None` when the name is unknown.
    pub fn mode(&self) -> Option<ClientAuthMode> {
        Some(match self.client_auth_type.as_str() {
            "" if self.ca_files.is_empty() => ClientAuthMode::NoClientCert,
            "" | "RequireAndVerifyClientCert" => ClientAuthMode::RequireAndVerifyClientCert,
            "NoClientCert" => ClientAuthMode::NoClientCert,
            "RequestClientCert" => ClientAuthMode::RequestClientCert,
            "RequireAnyClientCert" => ClientAuthMode::RequireAnyClientCert,
            "VerifyClientCertIfGiven" => ClientAuthMode::VerifyClientCertIfGiven,
            _ => return None,
        })
    }
}

record! {
    /// TLS of a client of ours: toward an authentication server, a catalog, a provider.
    pub struct ClientTls {
        pub ca: String,
        pub cert: String,
        pub key: String,
        pub insecure_skip_verify: bool,
        /// Accepted for old files, without effect.
        pub ca_optional: Option<bool>,
    }
}
