//! Facts of certificates, for the API and the metrics.

use baton_traefik::api::CertificateInfo;
use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{ASN1Time, FromDer as _, GeneralName, X509Certificate, X509Version};
use x509_parser::public_key::PublicKey;

/// A certificate that ends within this time is shown as a warning.
const SOON_SECONDS: i64 = 30 * 24 * 3600;

/// Facts of the leaf; `None` when it is not X.509.
pub fn describe(key: &CertifiedKey, now: Timestamp) -> Option<CertificateInfo> {
    let der = key.cert.first()?;
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let common_name = |name: &x509_parser::x509::X509Name<'_>| {
        name.iter_common_name().find_map(|part| part.as_str().ok()).unwrap_or_default().to_owned()
    };
    let (subject, issuer) = (common_name(certificate.subject()), common_name(certificate.issuer()));
    let sans = names(&certificate);
    let (key_type, key_size) = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => ("RSA", u32::try_from(rsa.key_size()).unwrap_or(0)),
        Ok(PublicKey::EC(point)) => ("ECDSA", u32::try_from(point.key_size()).unwrap_or(0)),
        _ => ("Ed25519", 256),
    };
    let left = certificate.validity().not_after.timestamp() - now.as_second();
    let status = match left {
        ..=0 => "expired",
        1..SOON_SECONDS => "warning",
        _ => "enabled",
    };
    Some(CertificateInfo {
        name: if subject.is_empty() { sans.first().cloned().unwrap_or_default() } else { subject.clone() },
        sans,
        not_after: time(certificate.validity().not_after),
        not_before: time(certificate.validity().not_before),
        serial_number: certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
        common_name: subject,
        issuer_cn: issuer,
        version: match certificate.version() {
            X509Version::V1 => "v1",
            X509Version::V2 => "v2",
            _ => "v3",
        }
        .to_owned(),
        key_type: key_type.to_owned(),
        key_size,
        signature_algorithm: algorithm(&certificate),
        cert_fingerprint: fingerprint(der),
        public_key_fingerprint: fingerprint(certificate.public_key().raw),
        status: status.to_owned(),
    })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(found)) = certificate.subject_alternative_name() else { return Vec::new() };
    let mut names: Vec<String> = found
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
                _ => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
            },
            _ => None,
        })
        .collect();
    names.sort();
    names
}

fn time(time: ASN1Time) -> String {
    Timestamp::from_second(time.timestamp()).unwrap_or_default().to_string()
}

/// As Go names it, where it does; else the object identifier.
fn algorithm(certificate: &X509Certificate<'_>) -> String {
    let id = certificate.signature_algorithm.algorithm.to_id_string();
    let name = match id.as_str() {
        "1.2.840.113549.1.1.5" => "SHA1-RSA",
        "1.2.840.113549.1.1.11" => "SHA256-RSA",
        "1.2.840.113549.1.1.12" => "SHA384-RSA",
        "1.2.840.113549.1.1.13" => "SHA512-RSA",
        "1.2.840.10045.4.3.2" => "ECDSA-SHA256",
        "1.2.840.10045.4.3.3" => "ECDSA-SHA384",
        "1.2.840.10045.4.3.4" => "ECDSA-SHA512",
        "1.3.101.112" => "Ed25519",
        _ => return id,
    };
    name.to_owned()
}

fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
