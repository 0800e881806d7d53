//! `baton whoami`: a tiny backend for trying things out.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use baton_model::Nanos;
use bytes::Bytes;
use clap::Args;
use futures::stream::{self, StreamExt as _};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The longest that an answer is held.
const HOLD_MAX: Duration = Duration::from_secs(3600);

/// A tiny backend: answers with the request and its own name.
///
/// GET /health answers 200 until told otherwise: POST a status code to it (curl -d 503 http://…/health) and it answers
/// with that one. With ?hold=5s in a query the last line of the answer comes that much later.
#[derive(Debug, Clone, Args)]
pub struct Whoami {
    /// Address to listen on [default: the task's port labelled "http", else 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Name to answer with [default: the allocation's name, else the host name]
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug)]
struct Me {
    name: String,
    alloc: Option<String>,
    health: AtomicU16,
}

impl Whoami {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(self.serve())
    }

    async fn serve(self) -> Result<u8> {
        let address = self.address()?;
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let name = self.name.or_else(|| env("NOMAD_ALLOC_NAME")).unwrap_or_else(host_name);
        eprintln!("whoami {name:?} on http://{}", listener.local_addr()?);
        let me = Arc::new(Me { name, alloc: env("NOMAD_ALLOC_ID"), health: AtomicU16::new(200) });
        let app = Router::new().route("/health", get(health).post(set_health)).fallback(whoami).with_state(me);
        axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(stop_signal())
            .await?;
        Ok(0)
    }

    fn address(&self) -> Result<SocketAddr> {
        if let Some(address) = self.listen {
            return Ok(address);
        }
        let address = env("NOMAD_ADDR_http").unwrap_or_else(|| "127.0.0.1:8000".to_owned());
        address.parse().with_context(|| format!("NOMAD_ADDR_http={address} is not an address"))
    }
}

#[derive(Debug, Deserialize)]
struct Options {
    hold: Option<String>,
}

async fn whoami(
    State(me): State<Arc<Me>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(options): Query<Options>,
    request: Request,
) -> Response {
    let mut text = format!("Name: {}\n", me.name);
    if let Some(alloc) = &me.alloc {
        let _ = writeln!(text, "Allocation: {alloc}");
    }
    let _ = writeln!(text, "RemoteAddr: {peer}");
    let _ = writeln!(text, "{} {} {:?}", request.method(), request.uri(), request.version());
    for (name, value) in request.headers() {
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    match options.hold.as_deref().map(str::parse::<Nanos>) {
        None => text.into_response(),
        Some(Ok(hold)) => held(text, hold.to_std().min(HOLD_MAX)),
        Some(Err(error)) => (StatusCode::BAD_REQUEST, format!("hold: {error}\n")).into_response(),
    }
}

/// The text at once, one more line after the time.
fn held(text: String, hold: Duration) -> Response {
    let last = async move {
        tokio::time::sleep(hold).await;
        Bytes::from(format!("Held: {hold:?}\n"))
    };
    let parts = stream::once(async { Bytes::from(text) }).chain(stream::once(last));
    Body::from_stream(parts.map(Ok::<_, std::convert::Infallible>)).into_response()
}

async fn health(State(me): State<Arc<Me>>) -> StatusCode {
    StatusCode::from_u16(me.health.load(Ordering::Relaxed)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn set_health(State(me): State<Arc<Me>>, body: String) -> Response {
    match body.trim().parse::<u16>() {
        Ok(code @ 200..=599) => {
            me.health.store(code, Ordering::Relaxed);
            StatusCode::OK.into_response()
        }
        _ => (StatusCode::BAD_REQUEST, "give a status code from 200 to 599\n").into_response(),
    }
}

async fn stop_signal() {
    let wait = async |kind| match signal(kind) {
        Ok(mut stream) => drop(stream.recv().await),
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "whoami".to_owned())
}
