//! Server configurations from TLS options.

use super::{Certificates, certificates, names, provider};
use baton_routing::config::{ClientAuthMode, TlsOptions};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// Builds the configuration of one set of options; `Err` says what in them is wrong.
pub(super) fn config(
    options: &TlsOptions,
    certificates: Arc<Certificates>,
    tickets: Option<Arc<dyn ProducesTickets>>,
) -> Result<ServerConfig, String> {
    let mut provider = provider();
    names::restrict(&mut provider, &options.cipher_suites, &options.curve_preferences)?;
    let (min, max) = options.versions();
    let versions = names::versions(min, max)?;
    let provider = Arc::new(provider);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| error.to_string())?;
    let mode = options
        .client_auth
        .mode()
        .ok_or_else(|| format!("unknown clientAuthType {:?}", options.client_auth.client_auth_type))?;
    let builder = match mode {
        ClientAuthMode::NoClientCert => builder.with_no_client_auth(),
        ClientAuthMode::RequestClientCert => {
            builder.with_client_cert_verifier(Arc::new(AnyCertificate { provider, mandatory: false }))
        }
        ClientAuthMode::RequireAnyClientCert => {
            builder.with_client_cert_verifier(Arc::new(AnyCertificate { provider, mandatory: true }))
        }
        ClientAuthMode::VerifyClientCertIfGiven | ClientAuthMode::RequireAndVerifyClientCert => {
            let mut roots = RootCertStore::empty();
            for file in &options.client_auth.ca_files {
                for certificate in certificates::chain(file)? {
                    roots.add(certificate).map_err(|error| format!("{file}: {error}"))?;
                }
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if mode == ClientAuthMode::VerifyClientCertIfGiven {
                verifier.allow_unauthenticated()
            } else {
                verifier
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| format!("clientAuth: {error}"))?)
        }
    };
    let mut config = builder.with_cert_resolver(certificates);
    config.alpn_protocols = options.alpn_protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match tickets {
        Some(tickets) if !options.disable_session_tickets => {
            config.ticketer = tickets;
            config.send_tls13_tickets = 1;
        }
        _ => config.send_tls13_tickets = 0,
    }
    Ok(config)
}

/// Asks for a certificate and takes any whose key the client holds.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
    mandatory: bool,
}

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
