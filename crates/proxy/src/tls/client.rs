//! TLS toward servers, from a `serversTransport`.

use super::{certificates, names, provider};
use baton_routing::config::{ServersTransport, TlsVersion};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// Where systems keep the certificates of the authorities they trust; the first that exists is used.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// Builds a client configuration; `Err` says which option or file is at fault.
pub fn client_config(transport: &ServersTransport, http2: bool) -> Result<ClientConfig, String> {
    let mut provider = provider();
    names::restrict(&mut provider, &transport.cipher_suites, &[])?;
    let min = TlsVersion::parse(&transport.min_version).unwrap_or(TlsVersion::Tls12);
    let max = TlsVersion::parse(&transport.max_version).unwrap_or(TlsVersion::Tls13);
    let versions = names::versions(min, max)?;
    let provider = Arc::new(provider);
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| error.to_string())?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier(transport, provider)?);
    let mut config = match transport.certificates.first() {
        Some(certificate) => builder
            .with_client_auth_cert(
                certificates::chain(&certificate.cert_file)?,
                certificates::key(&certificate.key_file)?,
            )
            .map_err(|error| format!("client certificate: {error}"))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(config)
}

fn verifier(
    transport: &ServersTransport,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    if transport.insecure_skip_verify {
        return Ok(Arc::new(Unverified(provider)));
    }
    let mut roots = RootCertStore::empty();
    if transport.root_cas.is_empty() {
        // A system without roots still reaches servers in clear text.
        let Some(bundle) = SYSTEM_ROOTS.iter().find(|path| std::path::Path::new(path).exists()) else {
            return Ok(Arc::new(NoRoots(provider)));
        };
        roots.add_parsable_certificates(certificates::chain(bundle)?);
    }
    for file in &transport.root_cas {
        for certificate in certificates::chain(file)? {
            roots.add(certificate).map_err(|error| format!("{file}: {error}"))?;
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| format!("rootCAs: {error}"))?;
    Ok(verifier)
}

macro_rules! checks_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    };
}

/// `insecureSkipVerify`: any certificate whose key the server holds.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    checks_signatures!();
}

/// No authority is known: nothing verifies.
#[derive(Debug)]
struct NoRoots(Arc<CryptoProvider>);

impl ServerCertVerifier for NoRoots {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer))
    }

    checks_signatures!();
}
