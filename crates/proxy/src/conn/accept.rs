//! The first moments of a connection: who it is, TLS or not, which protocol.

use super::{Client, ClientIo, http1, http2};
use crate::core::{Connection, Core};
use crate::engine::Phase;
use crate::exchange::{Peer, TlsFacts};
use crate::io::{Outgoing, Rewound, Stream};
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::tls;
use bytes::Bytes;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::net::TcpStream;

/// First byte of a TLS record that holds a ClientHello.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves a connection accepted at the entry point in `slot`.
pub async fn serve(core: Rc<Core>, tcp: TcpStream, address: SocketAddr, slot: usize) {
    let connection = core.register();
    // Small answers must not wait for acknowledgements; failing to say so is no reason to refuse.
    let _ = tcp.set_nodelay(true);
    let Ok(local) = tcp.local_addr() else { return };
    let snapshot = core.snapshot();
    let Some(entry_point) = snapshot.entry_point(slot) else { return };
    let ip = address.ip().to_canonical();
    let mut peer = Peer {
        address,
        local,
        ip_text: ip.to_string().into(),
        tls: None,
        entry_point: slot,
        trusted: entry_point.trusts(ip),
        append_forwarded_for: !entry_point.options.forwarded_headers.not_append_x_forwarded_for,
    };
    let since = core.timers.now();
    let limit = if entry_point.expects_tls { HANDSHAKE_TIMEOUT } else { entry_point.read_timeout };
    core.timers.arm(&connection.watch, limit);
    let mut first = [0u8; 1];
    // Nothing was asked yet, so nobody waits for an answer.
    match until_deadline(&core, &connection, Phase::Closing, tcp.peek(&mut first)).await {
        Some(Ok(1)) if first[0] == TLS_HANDSHAKE => {}
        Some(Ok(1)) => return http1::serve(client(core, connection, peer, Stream::Tcp(tcp), since)).await,
        _ => return,
    }
    core.timers.arm(&connection.watch, HANDSHAKE_TIMEOUT);
    // What is large and soon over has a box of its own: the task keeps room for its largest state as long as it lives.
    let shaken = until_deadline(&core, &connection, Phase::Cut, Box::pin(handshake(&core, tcp, slot))).await;
    let Some(Some((stream, facts))) = shaken else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    peer.tls = Some(facts);
    let stream = Stream::TlsServer(stream);
    if http2 {
        let stream = Rewound { prefix: Bytes::new(), stream };
        return Box::pin(http2::serve(core, connection, Rc::new(peer), stream)).await;
    }
    http1::serve(client(core, connection, peer, stream, since)).await;
}

fn client(core: Rc<Core>, connection: Connection, peer: Peer, stream: Stream, since: u64) -> Client {
    Client {
        core,
        connection,
        peer: Rc::new(peer),
        io: ClientIo { stream, input: Vec::new(), out: Outgoing::default() },
        served: 0,
        since,
    }
}

async fn handshake(
    core: &Rc<Core>,
    tcp: TcpStream,
    slot: usize,
) -> Option<(Box<tokio_rustls::server::TlsStream<TcpStream>>, TlsFacts)> {
    let start = match tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp).await {
        Ok(start) => start,
        Err(error) => {
            tracing::debug!(%error, "TLS handshake failed");
            return None;
        }
    };
    let sni =
        start.client_hello().server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase().into_boxed_str());
    let snapshot = core.snapshot();
    let (options, config) = match tls::choose(&snapshot, slot, sni.as_deref()) {
        tls::Choice::Serve(options, config) => (options, config),
        tls::Choice::UnknownName => {
            tls::refuse_name(start.io).await;
            return None;
        }
        tls::Choice::Closed => return None,
    };
    match start.into_stream(config).await {
        Ok(stream) => {
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let client_certificates =
                certificates.iter().map(|certificate| Bytes::copy_from_slice(certificate)).collect();
            Some((Box::new(stream), TlsFacts { sni, options, client_certificates }))
        }
        Err(error) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
    }
}

/// Runs `work` until the connection's deadline or the phase that ends it.
async fn until_deadline<T>(
    core: &Core,
    connection: &Connection,
    end: Phase,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(result) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        let over = connection.watch.expired(&core.timers, cx) || core.shared.phase() >= end;
        if over { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}
