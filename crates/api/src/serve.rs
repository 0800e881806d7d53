//! Serves a router on a listener until told to stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::guard::Peer;
use crate::seats::{Seat, Seats};

/// Connections served at once; see [`Seats`] for what happens beyond.
const CONNECTIONS_MAX: usize = 1024;

/// Most headers of a request, and the most bytes they take together with the request line.
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 64 << 10;

/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests in flight may go on after the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after the system refused a connection for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

impl Listener {
    async fn accept(&self) -> io::Result<(Box<dyn Socket>, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), Peer::Tcp(address)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Peer::Local))
            }
        }
    }
}

/// Accepts until `shutdown`, then lets requests in flight end for a few seconds. Returns when all connections are gone.
pub async fn serve(listener: Listener, router: Router, shutdown: CancellationToken) {
    let seats = Seats::new(CONNECTIONS_MAX);
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = next(&listener, &seats) => accepted,
        };
        let Some((socket, peer, seat)) = accepted else { continue };
        let (router, shutdown, abort) = (router.clone(), shutdown.clone(), abort.clone());
        let seat = Arc::new(seat);
        connections.spawn(async move {
            tokio::select! {
                () = abort.cancelled() => {}
                () = seat.given_up() => tracing::debug!(?peer, "connection gave way to a newer one"),
                () = connection(socket, peer, Arc::clone(&seat), router, shutdown) => {}
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(STOP_TIMEOUT, connections.wait()).await.is_err() {
        abort.cancel();
        connections.wait().await;
    }
}

async fn next(listener: &Listener, seats: &Arc<Seats>) -> Option<(Box<dyn Socket>, Peer, Seat)> {
    match listener.accept().await {
        Ok((socket, peer)) => {
            let seat = seats.take().await;
            if matches!(peer, Peer::Local) {
                seat.trust();
            }
            Some((socket, peer, seat))
        }
        Err(error) => {
            tracing::warn!(%error, "connection not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection(socket: Box<dyn Socket>, peer: Peer, seat: Arc<Seat>, router: Router, shutdown: CancellationToken) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(seat.claim());
        // A router is always ready.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, ?peer, "connection ended");
    }
}
