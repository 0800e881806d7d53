//! `passTLSClientCert`: tells the server about the certificates that the client showed.
//!
//! The whole of them goes into `X-Forwarded-Tls-Client-Cert`: base64 without armour, between commas. Parts of them go into
//! `X-Forwarded-Tls-Client-Cert-Info`, escaped as in a query. A client cannot set either (see `forward`), unless trusted.

use super::{Flow, HeadFilter};
use crate::exchange::Info;
use crate::message::RequestHead;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use baton_routing::config::{ClientCertInfo, IssuerInfo, PassTlsClientCert, SubjectInfo};
use bytes::Bytes;
use http::HeaderName;
use std::net::{Ipv4Addr, Ipv6Addr};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

const CERTIFICATE: HeaderName = HeaderName::from_static("x-forwarded-tls-client-cert");
const PARTS: HeaderName = HeaderName::from_static("x-forwarded-tls-client-cert-info");

/// The middleware.
pub(super) struct ClientCert {
    whole: bool,
    info: Option<ClientCertInfo>,
}

/// Which attributes of a name are told, by object identifier; `bool` says whether all values are told or the last.
type Wanted = Vec<(&'static str, &'static str, bool)>;

impl ClientCert {
    /// From its options.
    pub(super) fn new(options: &PassTlsClientCert) -> Self {
        Self { whole: options.pem, info: options.info.clone() }
    }
}

impl HeadFilter for ClientCert {
    fn request(&self, head: &mut RequestHead<'_>, info: &mut Info) -> Flow {
        let shown = info.peer.tls.as_ref().map_or(&[][..], |tls| &tls.client_certificates);
        if shown.is_empty() {
            return Flow::Continue;
        }
        if self.whole {
            let texts: Vec<String> = shown.iter().map(|der| BASE64_STANDARD.encode(der)).collect();
            head.fields.set(CERTIFICATE, texts.join(","));
        }
        if let Some(wanted) = &self.info {
            let texts: Vec<String> = shown.iter().map(|der| parts(der, wanted)).collect();
            head.fields.set(PARTS, escaped(&texts.join(",")));
        }
        Flow::Continue
    }
}

/// The wanted parts of a certificate; what cannot be read is left out.
fn parts(der: &Bytes, wanted: &ClientCertInfo) -> String {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return String::new() };
    let mut parts = Vec::new();
    let mut tell = |name: &str, text: String| {
        if !text.is_empty() {
            parts.push(format!("{name}=\"{text}\""));
        }
    };
    tell("Subject", wanted.subject.as_ref().map(|of| name(certificate.subject(), &subject(of))).unwrap_or_default());
    tell("Issuer", wanted.issuer.as_ref().map(|of| name(certificate.issuer(), &issuer(of))).unwrap_or_default());
    if wanted.serial_number {
        tell("SerialNumber", certificate.serial.to_string());
    }
    let validity = certificate.validity();
    if wanted.not_before {
        tell("NB", validity.not_before.timestamp().to_string());
    }
    if wanted.not_after {
        tell("NA", validity.not_after.timestamp().to_string());
    }
    if wanted.sans {
        tell("SAN", alternative_names(&certificate).join(","));
    }
    parts.join(";")
}

fn subject(of: &SubjectInfo) -> Wanted {
    let unit = of.organizational_unit;
    attributes(
        of.domain_component,
        of.country,
        of.province,
        of.locality,
        of.organization,
        unit,
        of.serial_number,
        of.common_name,
    )
}

fn issuer(of: &IssuerInfo) -> Wanted {
    attributes(
        of.domain_component,
        of.country,
        of.province,
        of.locality,
        of.organization,
        false,
        of.serial_number,
        of.common_name,
    )
}

#[expect(clippy::too_many_arguments, reason = "one per attribute, in the order in which they are told")]
fn attributes(dc: bool, c: bool, st: bool, l: bool, o: bool, ou: bool, sn: bool, cn: bool) -> Wanted {
    let all = [
        (dc, ("0.9.2342.19200300.100.1.25", "DC", true)),
        (c, ("2.5.4.6", "C", true)),
        (st, ("2.5.4.8", "ST", true)),
        (l, ("2.5.4.7", "L", true)),
        (o, ("2.5.4.10", "O", true)),
        (ou, ("2.5.4.11", "OU", true)),
        (sn, ("2.5.4.5", "SN", false)),
        (cn, ("2.5.4.3", "CN", false)),
    ];
    all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, attribute)| attribute).collect()
}

/// The wanted attributes of a name, `C=FR,CN=client`.
fn name(of: &X509Name<'_>, wanted: &Wanted) -> String {
    let mut told = Vec::new();
    for (id, key, all) in wanted {
        let values = of.iter_attributes().filter(|attribute| attribute.attr_type().to_id_string() == *id);
        let values: Vec<&str> =
            values.filter_map(|attribute| attribute.as_str().ok()).filter(|text| !text.is_empty()).collect();
        let first = if *all { 0 } else { values.len().saturating_sub(1) };
        told.extend(values[first..].iter().map(|value| format!("{key}={value}")));
    }
    told.join(",")
}

/// Names, mail addresses, IP addresses and URIs, in this order.
fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = &extension.value.general_names;
    let of = |pick: fn(&GeneralName<'_>) -> Option<String>| names.iter().filter_map(pick);
    let dns = of(|name| if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None });
    let mail = of(|name| if let GeneralName::RFC822Name(name) = name { Some((*name).to_owned()) } else { None });
    let ip = of(|name| if let GeneralName::IPAddress(bytes) = name { address(bytes) } else { None });
    let uri = of(|name| if let GeneralName::URI(name) = name { Some((*name).to_owned()) } else { None });
    dns.chain(mail).chain(ip).chain(uri).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    }
}

/// The text as it stands in a query: spaces as plus signs, everything but letters, digits and `-_.~` in per cent.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() * 2), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SerialNumber};

    fn certificate() -> Bytes {
        let mut params =
            CertificateParams::new(vec!["client.test".to_owned(), "10.0.0.1".to_owned(), "::1".to_owned()]).unwrap();
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, "a client \"é\"");
        name.push(DnType::OrganizationName, "Org");
        name.push(DnType::CountryName, "FR");
        name.push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 25]), "example");
        params.distinguished_name = name;
        params.serial_number = Some(SerialNumber::from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0]));
        params.not_before = rcgen::date_time_ymd(2001, 9, 9);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        Bytes::copy_from_slice(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn parts_are_told_in_traefiks_order() {
        let der = certificate();
        let subject =
            SubjectInfo { common_name: true, country: true, domain_component: true, ..SubjectInfo::default() };
        let wanted =
            ClientCertInfo { subject: Some(subject), sans: true, serial_number: true, ..ClientCertInfo::default() };
        assert_eq!(
            parts(&der, &wanted),
            "Subject=\"DC=example,C=FR,CN=a client \"é\"\";SerialNumber=\"18446744073709551616\";SAN=\"client.test,10.0.0.1,::1\""
        );
        let issuer = IssuerInfo { organization: true, locality: true, ..IssuerInfo::default() };
        let wanted =
            ClientCertInfo { issuer: Some(issuer), not_before: true, not_after: true, ..ClientCertInfo::default() };
        assert_eq!(parts(&der, &wanted), "Issuer=\"O=Org\";NB=\"999993600\";NA=\"1893456000\"");
        assert_eq!(parts(&Bytes::from_static(b"no certificate"), &wanted), "");
    }

    #[test]
    fn the_text_is_escaped_as_in_a_query() {
        assert_eq!(escaped("Subject=\"CN=a b\";é~"), "Subject%3D%22CN%3Da+b%22%3B%C3%A9~");
    }
}
