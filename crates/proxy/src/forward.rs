//! Between the two sides: fields that belong to one connection are removed, fields that tell the server about the
//! client are added.

use crate::exchange::Peer;
use crate::message::{Fields, Known, Name, RequestHead, ResponseHead, Value};
use crate::normalize::port_of;
use http::HeaderName;
use std::borrow::Cow;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_SERVER: HeaderName = HeaderName::from_static("x-forwarded-server");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Removes the fields that `Connection` lists (RFC 9110 §7.6.1), except forwarding fields, which a client may not remove.
pub(crate) fn remove_listed(fields: &mut Fields<'_>) {
    let listed: Vec<u8> =
        fields.iter().filter(|field| field.known == Known::Connection).fold(Vec::new(), |mut all, field| {
            all.extend_from_slice(field.value.as_bytes());
            all.push(b',');
            all
        });
    fields.retain(|field| {
        field.known.is_forwarding()
            || !listed
                .split(|byte| *byte == b',')
                .any(|part| part.trim_ascii().eq_ignore_ascii_case(field.name.as_str().as_bytes()))
    });
}

/// Prepares a client's fields for routing: connection-level fields go, forwarding fields are made trustworthy.
///
/// `Upgrade`'s value must have been taken out before. `te_trailers` keeps `TE: trailers`.
pub(crate) fn accept_request<'b>(
    head: &mut RequestHead<'b>,
    peer: &'b Peer,
    hostname: &'b str,
    listed: bool,
    te_trailers: bool,
    upgrade: bool,
) {
    let fields = &mut head.fields;
    if listed {
        remove_listed(fields);
    }
    let trusted = peer.trusted;
    fields.retain(|field| match field.known {
        Known::Connection
        | Known::Hop
        | Known::Upgrade
        | Known::TransferEncoding
        | Known::ContentLength
        | Known::Host
        | Known::Te
        | Known::Expect => false,
        known => trusted || !known.is_forwarding(),
    });
    if te_trailers {
        fields.push_known(Name::Header(http::header::TE), Value::Ref(b"trailers"), Known::Te);
    }
    let has = |fields: &Fields<'_>, known| trusted && fields.known(known).is_some();
    if !has(fields, Known::RealIp) {
        fields.push_known(Name::Header(REAL_IP), Value::Ref(peer.ip_text.as_bytes()), Known::RealIp);
    }
    let secure = peer.is_secure();
    if !has(fields, Known::ForwardedProto) {
        let proto = match (upgrade, secure) {
            (false, false) => "http",
            (false, true) => "https",
            (true, false) => "ws",
            (true, true) => "wss",
        };
        fields.push_known(Name::Header(FORWARDED_PROTO), Value::Ref(proto.as_bytes()), Known::ForwardedProto);
    }
    if !has(fields, Known::ForwardedPort) {
        let encrypted = matches!(fields.known(Known::ForwardedProto), Some(b"https" | b"wss"));
        let port = match port_of(&head.host) {
            Some(port) => match &head.host {
                Cow::Borrowed(host) => port_of(host).map_or(Value::Ref(b""), Value::from),
                Cow::Owned(_) => Value::from(port.to_owned()),
            },
            None if encrypted => Value::Ref(b"443"),
            None => Value::Ref(b"80"),
        };
        fields.push_known(Name::Header(FORWARDED_PORT), port, Known::ForwardedPort);
    }
    if !has(fields, Known::ForwardedHost) && !head.host.is_empty() {
        let host = match &head.host {
            Cow::Borrowed(host) => Value::Ref(host.as_bytes()),
            Cow::Owned(host) => Value::from(host.clone()),
        };
        fields.push_known(Name::Header(FORWARDED_HOST), host, Known::ForwardedHost);
    }
    if !has(fields, Known::ForwardedServer) {
        fields.push_known(Name::Header(FORWARDED_SERVER), Value::Ref(hostname.as_bytes()), Known::ForwardedServer);
    }
}

/// Appends the peer to `X-Forwarded-For`, joining what came before; last step before a request leaves.
pub(crate) fn append_forwarded_for<'b>(fields: &mut Fields<'b>, peer: &'b Peer) {
    match joined_forwarded_for(fields, peer) {
        Some(chain) => replace_forwarded_for(fields, Value::from(chain)),
        None => {
            fields.push_known(Name::Header(FORWARDED_FOR), Value::Ref(peer.ip_text.as_bytes()), Known::ForwardedFor)
        }
    }
}

/// As [`append_forwarded_for`], for fields that own their bytes.
pub(crate) fn append_forwarded_for_owned(fields: &mut Fields<'static>, peer: &Peer) {
    let chain = joined_forwarded_for(fields, peer).unwrap_or_else(|| peer.ip_text.to_string());
    replace_forwarded_for(fields, Value::from(chain));
}

fn joined_forwarded_for(fields: &Fields<'_>, peer: &Peer) -> Option<String> {
    let mut chain = String::new();
    for field in fields.iter().filter(|field| field.known == Known::ForwardedFor) {
        if !chain.is_empty() {
            chain.push_str(", ");
        }
        chain.push_str(&String::from_utf8_lossy(field.value.as_bytes()));
    }
    if chain.is_empty() {
        return None;
    }
    if peer.append_forwarded_for {
        chain.push_str(", ");
        chain.push_str(&peer.ip_text);
    }
    Some(chain)
}

fn replace_forwarded_for<'b>(fields: &mut Fields<'b>, chain: Value<'b>) {
    fields.retain(|field| field.known != Known::ForwardedFor);
    fields.push_known(Name::Header(FORWARDED_FOR), chain, Known::ForwardedFor);
}

/// Removes a server's connection-level fields. `Content-Length` goes too: the writer knows the length.
pub(crate) fn accept_response(head: &mut ResponseHead<'_>, listed: bool) {
    if listed {
        remove_listed(&mut head.fields);
    }
    head.fields.retain(|field| {
        !matches!(
            field.known,
            Known::Connection
                | Known::Hop
                | Known::TransferEncoding
                | Known::ContentLength
                | Known::Upgrade
                | Known::Te
        )
    });
}
