//! Between the two sides: fields that belong to one connection are removed, fields that tell the server about the
//! client are added.

use crate::exchange::Peer;
use crate::message::{Classes, FORWARDING, Fields, Known, Name, RequestHead, ResponseHead, Value};
use crate::normalize::port_of;
use std::borrow::Cow;

/// What belongs to one connection and never leaves it.
const CONNECTION_LEVEL: Classes = Classes::of(&[
    Known::Connection,
    Known::Hop,
    Known::Upgrade,
    Known::TransferEncoding,
    Known::ContentLength,
    Known::Te,
]);
/// As that, and what a request's head says in other places.
const OUT_OF_REQUESTS: Classes = CONNECTION_LEVEL.and(Classes::of(&[Known::Host, Known::Expect]));

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
    fields.drop_classes(if trusted { OUT_OF_REQUESTS } else { OUT_OF_REQUESTS.and(FORWARDING) });
    if te_trailers {
        fields.push_known(Name::Ref("Te"), Value::Ref(b"trailers"), Known::Te);
    }
    if fields.known(Known::RealIp).is_none() {
        fields.push_spelled(Known::RealIp, Value::Ref(peer.ip_text.as_bytes()));
    }
    if fields.known(Known::ForwardedProto).is_none() {
        let proto = match (upgrade, peer.is_secure()) {
            (false, false) => "http",
            (false, true) => "https",
            (true, false) => "ws",
            (true, true) => "wss",
        };
        fields.push_spelled(Known::ForwardedProto, Value::Ref(proto.as_bytes()));
    }
    if fields.known(Known::ForwardedPort).is_none() {
        let encrypted = matches!(fields.known(Known::ForwardedProto), Some(b"https" | b"wss"));
        let port = match &head.host {
            Cow::Borrowed(host) => port_of(host).map(Value::from),
            Cow::Owned(host) => port_of(host).map(|port| Value::from(port.to_owned())),
        };
        let usual = if encrypted { "443" } else { "80" };
        fields.push_spelled(Known::ForwardedPort, port.unwrap_or(Value::Ref(usual.as_bytes())));
    }
    if fields.known(Known::ForwardedHost).is_none() && !head.host.is_empty() {
        let host = match &head.host {
            Cow::Borrowed(host) => Value::Ref(host.as_bytes()),
            Cow::Owned(host) => Value::from(host.clone()),
        };
        fields.push_spelled(Known::ForwardedHost, host);
    }
    if fields.known(Known::ForwardedServer).is_none() {
        fields.push_spelled(Known::ForwardedServer, Value::Ref(hostname.as_bytes()));
    }
}

/// Appends the peer to `X-Forwarded-For`, joining what came before; last step before a request leaves.
pub(crate) fn append_forwarded_for<'b>(fields: &mut Fields<'b>, peer: &'b Peer) {
    match joined_forwarded_for(fields, peer) {
        Some(chain) => replace_forwarded_for(fields, Value::from(chain)),
        None => fields.push_spelled(Known::ForwardedFor, Value::Ref(peer.ip_text.as_bytes())),
    }
}

/// As [`append_forwarded_for`], for fields that own their bytes.
pub(crate) fn append_forwarded_for_owned(fields: &mut Fields<'static>, peer: &Peer) {
    let chain = joined_forwarded_for(fields, peer).unwrap_or_else(|| peer.ip_text.to_string());
    replace_forwarded_for(fields, Value::from(chain));
}

fn joined_forwarded_for(fields: &Fields<'_>, peer: &Peer) -> Option<String> {
    fields.known(Known::ForwardedFor)?;
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
    fields.drop_classes(Classes::of(&[Known::ForwardedFor]));
    fields.push_spelled(Known::ForwardedFor, chain);
}

/// Removes a server's connection-level fields. `Content-Length` goes too: the writer knows the length.
pub(crate) fn accept_response(head: &mut ResponseHead<'_>, listed: bool) {
    if listed {
        remove_listed(&mut head.fields);
    }
    head.fields.drop_classes(CONNECTION_LEVEL);
}
