//! New connections to servers.

use crate::balance::{Scheme, Server};
use crate::core::Core;
use crate::io::Stream;
use crate::middleware::Failure;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;

/// A fresh connection by what it speaks.
pub enum Connected {
    /// HTTP/1.1
    Http1(Stream),
    /// HTTP/2
    Http2(::h2::client::SendRequest<bytes::Bytes>),
}

/// Dials a server.
pub async fn connect(core: &Rc<Core>, server: &Server) -> Result<Connected, Failure> {
    within(server.transport.dial_timeout(), async {
        let tcp = dial(core, server).await?;
        match server.scheme {
            Scheme::Http => Ok(Connected::Http1(Stream::Tcp(tcp))),
            Scheme::H2c => super::h2::handshake(core, Stream::Tcp(tcp)).await.map(Connected::Http2),
            Scheme::Https => {
                let config = server.transport.tls.clone().map_err(|_| Failure::Malformed)?;
                let name = match server.transport.config.server_name.as_str() {
                    "" => &*server.host,
                    name => name,
                };
                let name = rustls_pki_types::ServerName::try_from(name.to_owned()).map_err(|_| Failure::Malformed)?;
                // A certificate that does not verify is answered with 500, as Traefik does; a broken connection with 502.
                let tls =
                    tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.map_err(|error| {
                        match error.kind() {
                            std::io::ErrorKind::InvalidData => Failure::Malformed,
                            _ => Failure::Connect,
                        }
                    })?;
                let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                let stream = Stream::TlsClient(Box::new(tls));
                if http2 {
                    super::h2::handshake(core, stream).await.map(Connected::Http2)
                } else {
                    Ok(Connected::Http1(stream))
                }
            }
        }
    })
    .await
}

/// Dials a server that speaks HTTP/1.1 in clear text.
pub async fn connect_plain(core: &Rc<Core>, server: &Server) -> Result<Stream, Failure> {
    within(server.transport.dial_timeout(), dial(core, server)).await.map(Stream::Tcp)
}

async fn within<T>(limit: Option<Duration>, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or(Err(Failure::Timeout)),
        None => work.await,
    }
}

async fn dial(core: &Rc<Core>, server: &Server) -> Result<TcpStream, Failure> {
    let tcp = match server.address {
        Some(address) => TcpStream::connect(address).await.map_err(|_| Failure::Connect)?,
        None => {
            let addresses = core.resolver.lookup(&server.host, server.port).await.map_err(|_| Failure::Connect)?;
            let mut connected = None;
            for address in addresses {
                if let Ok(tcp) = TcpStream::connect(address).await {
                    connected = Some(tcp);
                    break;
                }
            }
            connected.ok_or(Failure::Connect)?
        }
    };
    let peer = tcp.peer_addr().map_err(|_| Failure::Connect)?;
    if core.shared.denied.holds(peer, tcp.local_addr().ok().map(|local| local.ip())) {
        core.shared.denied.tell(server.id, &server.url);
        return Err(Failure::Denied);
    }
    // Heads and small bodies must not wait for acknowledgements; failing to say so is no reason to fail.
    let _ = tcp.set_nodelay(true);
    Ok(tcp)
}
