//! Go's names of cipher suites, curves and versions, as configurations spell them.

use baton_routing::config::TlsVersion;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, NamedGroup, SupportedCipherSuite, SupportedProtocolVersion};

/// The TLS 1.2 suite of an IANA name as Go spells it.
fn suite(name: &str) -> Option<CipherSuite> {
    Some(match name {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
        _ => return None,
    })
}

fn group(name: &str) -> Option<NamedGroup> {
    Some(match name {
        "CurveP256" | "secp256r1" => NamedGroup::secp256r1,
        "CurveP384" | "secp384r1" => NamedGroup::secp384r1,
        "CurveP521" | "secp521r1" => NamedGroup::secp521r1,
        "X25519" | "x25519" => NamedGroup::X25519,
        "X25519MLKEM768" => NamedGroup::X25519MLKEM768,
        _ => return None,
    })
}

/// Restricts `provider` to the named suites (TLS 1.2; those of 1.3 stay) and groups, in their order.
///
/// Names of suites that Go knows but that are too weak for this library are left out; a list with none left is an error.
pub(super) fn restrict(provider: &mut CryptoProvider, suites: &[String], groups: &[String]) -> Result<(), String> {
    if !suites.is_empty() {
        let mut kept: Vec<SupportedCipherSuite> =
            provider.cipher_suites.iter().copied().filter(|suite| suite.tls13().is_some()).collect();
        let before = kept.len();
        for name in suites {
            let wanted = suite(name);
            if wanted.is_none() && !name.starts_with("TLS_") {
                return Err(format!("unknown cipher suite {name:?}"));
            }
            kept.extend(provider.cipher_suites.iter().filter(|suite| Some(suite.suite()) == wanted));
        }
        let only_tls13 = suites.iter().all(|name| name.starts_with("TLS_AES_") || name.starts_with("TLS_CHACHA20_"));
        if kept.len() == before && !only_tls13 {
            return Err("none of the cipher suites is supported; use ECDHE suites with AES-GCM or ChaCha20".to_owned());
        }
        provider.cipher_suites = kept;
    }
    if !groups.is_empty() {
        let mut kept: Vec<&'static dyn SupportedKxGroup> = Vec::new();
        for name in groups {
            let wanted = group(name).ok_or_else(|| format!("unknown curve {name:?}"))?;
            kept.extend(provider.kx_groups.iter().filter(|group| group.name() == wanted));
        }
        if kept.is_empty() {
            return Err("none of the curves is supported".to_owned());
        }
        provider.kx_groups = kept;
    }
    Ok(())
}

/// The protocol versions between two, both included. TLS 1.0 and 1.1 are not offered any more.
pub(super) fn versions(min: TlsVersion, max: TlsVersion) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let known = [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)];
    let versions: Vec<_> =
        known.into_iter().filter(|(version, _)| (min..=max).contains(version)).map(|(_, version)| version).collect();
    if versions.is_empty() {
        Err("no protocol version is left between the minimum and the maximum; 1.2 and 1.3 are supported".to_owned())
    } else {
        Ok(versions)
    }
}
