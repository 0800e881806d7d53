//! What other programs send: a catalog's answers, frames for the keeper, notifications.

use baton_consul::decode::{lenient, strict};
use baton_consul::wire::{
    AgentService, CatalogDeregistration, CatalogRegistration, CatalogService, CheckRegistration, HealthCheck, KvPair,
    Node, ServiceEntry, ServiceRegistration, Session, SessionRequest, TxnOp,
};
use baton_keeper::protocol::{Call, Decoder, Message, encode};
use baton_net::notify_socket::Notification;
use std::collections::BTreeMap;

use crate::Target;

pub(crate) const CONSUL: Target = Target {
    name: "consul_json",
    run: consul,
    seeds: &[
        "[{\"Node\":{\"ID\":\"1\",\"Node\":\"n\",\"Address\":\"10.0.0.1\",\"Meta\":null},\"Service\":{\"ID\":\"s\",\"Service\":\"s\",\"Tags\":[\"a=b\"],\"Port\":80,\"Weights\":{\"Passing\":1}},\"Checks\":[{\"CheckID\":\"c\",\"Status\":\"passing\"}]}]",
        "{\"consul\":[],\"web\":[\"traefik.enable=true\"]}",
        "[{\"Key\":\"a/b\",\"Value\":\"eA==\",\"Flags\":0,\"ModifyIndex\":7,\"Session\":\"x\"}]",
        "{\"name\":\"x\",\"port\":80,\"check\":{\"http\":\"http://a\",\"interval\":\"10s\",\"deregister_critical_service_after\":\"1m\"},\"TaggedAddresses\":{\"lan\":{\"address\":\"a\",\"port\":1}}}",
        "[{\"KV\":{\"Verb\":\"set\",\"Key\":\"a\",\"Value\":\"eA==\"}},{\"Service\":{\"Verb\":\"get\",\"Service\":{\"ID\":\"x\"}}}]",
        "{\"TTL\":\"30s\",\"LockDelay\":15,\"Behavior\":\"delete\",\"NodeChecks\":[\"serfHealth\"]}",
    ],
    words: &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "null",
        "true",
        "-1",
        "1.5",
        "1e999",
        "18446744073709551616",
        "\"ID\"",
        "\"id\"",
        "\"_i_d\"",
        "\"Tags\"",
        "\"Value\"",
        "\"10s\"",
        "\"-1h\"",
        "\"=\"",
        "\\u0000",
        "\\ud800",
        "é",
        "\"passing\"",
    ],
};

/// All shapes that a body may be meant as, in both moods.
fn consul(input: &[u8]) {
    macro_rules! read {
        ($($shape:ty),* $(,)?) => {$(
            let _ = lenient::<$shape>(input);
            let _ = strict::<$shape>(input);
        )*};
    }
    read!(
        Vec<ServiceEntry>,
        Vec<CatalogService>,
        Vec<HealthCheck>,
        Vec<KvPair>,
        Vec<Node>,
        Vec<Session>,
        Vec<TxnOp>,
        BTreeMap<String, Vec<String>>,
        BTreeMap<String, AgentService>,
        ServiceRegistration,
        CheckRegistration,
        CatalogRegistration,
        CatalogDeregistration,
        SessionRequest,
    );
}

pub(crate) const KEEPER: Target = Target {
    name: "keeper_frames",
    run: keeper,
    seeds: &[
        "\x01\0\0\0\x2c{\"id\":1,\"request\":{\"hello\":{\"version\":1}}}",
        "\x05\0\0\0\x19{\"id\":2,\"request\":\"list\"}\0\0\0\x02{}",
        "\x03\0\0\0\x60{\"id\":3,\"request\":{\"start\":{\"key\":\"a\",\"incarnation\":1,\"program\":\"x\",\"env\":{\"A\":\"b\"}}}}",
        "\x02\0\0\0\x40{\"event\":{\"kind\":\"exited\",\"task\":{\"key\":\"a\",\"phase\":\"running\"}}}",
    ],
    words: &[
        "\0\0\0\x02{}",
        "\0\0\0\0",
        "\u{7f}\0\0\0",
        "{",
        "}",
        "\"",
        ":",
        ",",
        "null",
        "\"id\"",
        "\"request\"",
        "\"key\"",
        "-1",
        "[]",
    ],
};

/// Frames are the same however the stream is cut; what was read can be sent again.
fn keeper(input: &[u8]) {
    let Some((first, wire)) = input.split_first() else { return };
    let whole = frames(wire, wire.len().max(1));
    assert_eq!(whole, frames(wire, usize::from(*first).max(1)));
    let mut decoder = Decoder::default();
    decoder.push(wire);
    let _ = decoder.message::<Message>();
}

fn frames(wire: &[u8], size: usize) -> Vec<Call> {
    let (mut decoder, mut calls) = (Decoder::default(), Vec::new());
    for piece in wire.chunks(size) {
        decoder.push(piece);
        loop {
            match decoder.message::<Call>() {
                Ok(Some(call)) => {
                    assert!(encode(&call).is_ok());
                    calls.push(call);
                }
                Ok(None) => break,
                // Who sends this is cut off.
                Err(_) => return calls,
            }
        }
    }
    calls
}

pub(crate) const NOTIFY: Target = Target {
    name: "notify",
    run: notify,
    seeds: &[
        "READY=1\nSTATUS=a=b\nX-BATON-RELOAD=full\n",
        "FDSTORE=1\nFDNAME=web.0\n",
        "MAINPID=1\nRELOADING=1\nSTOPPING=1\nMONOTONIC_USEC=99999999999999999999\nBARRIER=1",
        "X-BATON-STANDBY=1\nX-BATON-PRIVATE=80=127.0.0.1:1 443=[::1]:2\n",
    ],
    words: &[
        "\n",
        "=",
        "\r",
        "\0",
        "READY=1\n",
        "FDNAME=",
        ":",
        "FDSTORE=1\n",
        "é",
        "\u{feff}",
        "=\n",
        "X-BATON-PRIVATE=",
        " ",
        "99999=:",
    ],
};

/// A datagram's fields have no line ends, and the name of a stored descriptor fits into a list of names.
fn notify(input: &[u8]) {
    let notification = Notification::read(input);
    assert!(notification.fields.iter().all(|(key, value)| !key.contains(['\n', '=']) && !value.contains('\n')));
    let name = notification.fd_name();
    assert!(!name.is_empty() && name.len() <= 255 && !name.contains(':') && !name.contains('\n'));
    let _ = (notification.is_set("READY"), notification.get("STATUS"));
}
