//! Where Consul is and how to talk to it.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::BuilderVerifierExt;

use super::unverified::Unverified;
use super::{CONNECT_TIMEOUT, Error};

/// Idle connections are dropped after this: Consul closes them on its side at some time too.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// The settings of a [`super::Client`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `host:port`, or a URL with `http://` or `https://`; 127.0.0.1:8500 when empty.
    pub address: String,
    /// Sent as `X-Consul-Token`.
    pub token: Option<String>,
    /// Used when the address says `https://`.
    pub tls: Tls,
}

/// Certificates in PEM form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who may have signed Consul's certificate; the system's authorities when empty.
    pub authorities: Vec<u8>,
    /// Our own chain and key, where Consul asks for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Believe every certificate. Whoever is on the way can then read along.
    pub insecure: bool,
}

impl Config {
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), ..Self::default() }
    }

    /// The URL that paths are appended to.
    pub(super) fn base(&self) -> Result<String, Error> {
        let address = self.address.trim();
        let url = match address {
            "" => "http://127.0.0.1:8500".to_owned(),
            _ if address.contains("://") => address.to_owned(),
            _ => format!("http://{address}"),
        };
        let refuse = |reason: String| Error::Address { address: self.address.clone(), reason };
        let parsed = reqwest::Url::parse(&url).map_err(|error| refuse(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(refuse(format!("scheme {} is not http or https", parsed.scheme())));
        }
        if parsed.host_str().is_none() {
            return Err(refuse("it names no host".to_owned()));
        }
        Ok(url.trim_end_matches('/').to_owned())
    }

    pub(super) fn http_client(&self) -> Result<reqwest::Client, Error> {
        let tls = if self.address.trim().starts_with("https://") { self.tls.client_config()? } else { unused_tls()? };
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Error::Tls(error.to_string()))
    }
}

impl Tls {
    /// The settings as rustls takes them.
    pub fn client_config(&self) -> Result<ClientConfig, Error> {
        let fail = |error: &dyn std::fmt::Display| Error::Tls(error.to_string());
        let builder = builder()?;
        let builder = if self.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider())))
        } else if self.authorities.is_empty() {
            builder.with_platform_verifier().map_err(|error| fail(&error))?
        } else {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&self.authorities) {
                roots.add(certificate.map_err(|error| fail(&error))?).map_err(|error| fail(&error))?;
            }
            if roots.is_empty() {
                return Err(Error::Tls("the authorities contain no certificate".into()));
            }
            builder.with_root_certificates(roots)
        };
        let Some((chain, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| fail(&error))?;
        builder.with_client_auth_cert(chain.map_err(|error| fail(&error))?, key).map_err(|error| fail(&error))
    }
}

/// Plain HTTP needs no authorities; loading the system's would cost time for nothing.
fn unused_tls() -> Result<ClientConfig, Error> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let base = |address: &str| Config::new(address).base().map_err(|error| error.to_string());
        assert_eq!(base("").unwrap(), "http://127.0.0.1:8500");
        assert_eq!(base("10.0.0.1:8500").unwrap(), "http://10.0.0.1:8500");
        assert_eq!(base("https://consul.example/").unwrap(), "https://consul.example");
        assert_eq!(
            base("ftp://x").unwrap_err(),
            "consul address \"ftp://x\" cannot be used: scheme ftp is not http or https"
        );
        assert!(base("http://").is_err());
    }

    #[test]
    fn tls_material_is_checked_when_the_client_is_made() {
        let tls = Tls { authorities: b"no pem".to_vec(), ..Tls::default() };
        let config = Config { tls, ..Config::new("https://127.0.0.1:1") };
        assert!(config.http_client().unwrap_err().to_string().contains("no certificate"));
        assert!(Config::new("https://127.0.0.1:1").http_client().is_ok());
    }
}
