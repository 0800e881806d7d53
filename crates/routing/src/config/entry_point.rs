//! Entry points: the sockets that clients reach, and the rules of behaviour that hold for all traffic there.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{EncodedCharacters, Named, Observability, Omit, RouterTls, Timespan, record::record};

/// Priority of an entry point's redirection: above every router but the ACME challenge's.
pub const REDIRECTION_PRIORITY: i64 = i64::MAX - 1;

/// Largest request head by default, in bytes.
pub const HEADER_BYTES_MAX: u64 = 1 << 20;

record! {
    /// One named listening address.
    pub struct EntryPoint {
        /// `[host]:port[/tcp|/udp]` as written; see [`EntryPoint::bind`].
        pub address: String,
        /// User routers may own `/.well-known/acme-challenge/`.
        #[serde(rename = "allowACMEByPass")]
        pub allow_acme_by_pass: bool,
        /// Several processes may bind the address at once.
        pub reuse_port: bool,
        /// Routers that name no entry point use those that say `asDefault`, if any does.
        pub as_default: bool,
        pub transport: EntryPointTransport = EntryPointTransport::default(),
        pub proxy_protocol: Option<ProxyProtocol>,
        pub forwarded_headers: ForwardedHeaders = ForwardedHeaders::default(),
        pub http: EntryPointHttp = EntryPointHttp::default(),
        pub http2: Http2 = Http2::default(),
        pub http3: Option<Http3>,
        pub udp: UdpOptions = UdpOptions::default(),
        pub observability: Option<Observability>,
    }
}

impl EntryPoint {
    /// The address taken apart.
    pub fn bind(&self) -> Result<Bind, BindError> {
        self.address.parse()
    }

    /// Whether routers here get defaults of the entry point (and so copies of their own).
    pub fn has_defaults(&self) -> bool {
        !self.http.middlewares.is_empty()
            || self.http.tls.is_some()
            || self.http.encoded_characters.is_some()
            || self.observability.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// An entry point's address taken apart; an empty host means all addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bind {
    pub host: String,
    pub port: u16,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is not an address of the form [host]:port[/tcp|/udp]: {reason}")]
pub struct BindError {
    pub address: String,
    pub reason: &'static str,
}

impl FromStr for Bind {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        let error = |reason| BindError { address: text.to_owned(), reason };
        let (address, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((address, name)) if name.eq_ignore_ascii_case("tcp") => (address, Protocol::Tcp),
            Some((address, name)) if name.eq_ignore_ascii_case("udp") => (address, Protocol::Udp),
            Some(_) => return Err(error("the protocol is neither tcp nor udp")),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(|| error("it has no port"))?;
        let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        if literal.is_none() && host.contains(':') {
            return Err(error("an IPv6 address stands in brackets"));
        }
        let host = literal.unwrap_or(host);
        if host.contains(|c: char| !(c.is_alphanumeric() || ".-_:%".contains(c))) {
            return Err(error("the host is neither a name nor an address"));
        }
        let port = match port {
            "http" => 80,
            "https" => 443,
            number => number.parse().map_err(|_| error("the port is not a number up to 65535"))?,
        };
        Ok(Self { host: host.to_owned(), port, protocol })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

record! {
    /// How connections live and end.
    pub struct EntryPointTransport {
        pub life_cycle: LifeCycle = LifeCycle::default(),
        pub responding_timeouts: RespondingTimeouts = RespondingTimeouts::default(),
        /// Connections older than this are asked to close after the current request; 0 means never.
        pub keep_alive_max_time: Timespan,
        /// Connections that served this many requests are closed; 0 means never.
        pub keep_alive_max_requests: u32,
    }
}

record! {
    /// The two phases of stopping an entry point.
    pub struct LifeCycle {
        /// Still accepting for this long after the stop signal.
        pub request_accept_grace_timeout: Timespan,
        /// Then active requests have this long to end.
        pub grace_time_out: Timespan = Timespan::from_secs(10),
    }
}

record! {
    pub struct RespondingTimeouts {
        /// Limit for reading a request; 0 means none.
        pub read_timeout: Timespan = Timespan::from_secs(60),
        /// Limit for writing a response; 0 means none.
        pub write_timeout: Timespan,
        /// How long an idle kept-alive connection stays open.
        pub idle_timeout: Timespan = Timespan::from_secs(180),
    }
}

record! {
    /// Whose PROXY protocol headers are believed. The header is optional; from other peers it is read and ignored.
    pub struct ProxyProtocol {
        pub insecure: bool,
        #[serde(rename = "trustedIPs")]
        pub trusted_ips: Vec<String>,
    }
}

record! {
    /// Whose `X-Forwarded-*` headers are kept.
    pub struct ForwardedHeaders {
        pub insecure: bool,
        #[serde(rename = "trustedIPs")]
        pub trusted_ips: Vec<String>,
        /// `Connection`-listed names that are kept although hop-by-hop.
        pub connection: Vec<String>,
        #[serde(rename = "notAppendXForwardedFor")]
        pub not_append_x_forwarded_for: bool,
    }
}

record! {
    /// HTTP behaviour and defaults for the routers of an entry point.
    pub struct EntryPointHttp {
        pub redirections: Option<Redirections>,
        /// Prepended to every router's own list.
        pub middlewares: Vec<String>,
        /// Used by routers that say nothing about TLS.
        pub tls: Option<RouterTls>,
        pub encoded_characters: Option<EncodedCharacters>,
        /// `;` in queries is sent as `%3B`; otherwise it becomes `&`.
        pub encode_query_semicolons: bool,
        pub sanitize_path: bool = true,
        pub max_header_bytes: u64 = HEADER_BYTES_MAX,
        /// keep | delete | reject, for header names that collide when `_` is read as `-`.
        pub alias_headers_strategy: String,
        /// Older name of `aliasHeadersStrategy`, which counts when both are set.
        pub underscore_headers_strategy: String,
    }
}

record! {
    pub struct Redirections {
        pub entry_point: Option<Redirection>,
    }
}

record! {
    /// Redirects everything that arrives here to another entry point.
    pub struct Redirection {
        /// Name of an entry point, or `:port`.
        pub to: String,
        pub scheme: String = "https".to_owned(),
        pub permanent: bool = true,
        pub priority: i64 = REDIRECTION_PRIORITY,
    }
}

record! {
    pub struct Http2 {
        pub max_concurrent_streams: u32 = 250,
        pub max_decoder_header_table_size: u32 = 4096,
        pub max_encoder_header_table_size: u32 = 4096,
    }
}

record! {
    pub struct Http3 {
        /// Port told to clients in `Alt-Svc`; 0 means the entry point's own.
        pub advertised_port: u16,
    }
}

record! {
    pub struct UdpOptions {
        /// An idle session ends after this long.
        pub timeout: Timespan = Timespan::from_secs(3),
    }
}

/// Chooses the entry points of a router that names none: those marked as default, else every TCP one except
/// one named exactly `traefik` (documented behaviour of Traefik).
pub fn default_entry_points(entry_points: &Named<EntryPoint>, protocol: Protocol) -> Vec<String> {
    let speaks = |e: &EntryPoint| e.bind().is_ok_and(|b| b.protocol == protocol);
    let marked: Vec<_> =
        entry_points.iter().filter(|(_, e)| e.as_default && speaks(e)).map(|(n, _)| n.clone()).collect();
    if !marked.is_empty() {
        return marked;
    }
    entry_points.iter().filter(|(n, e)| n.as_str() != "traefik" && speaks(e)).map(|(n, _)| n.clone()).collect()
}

impl Omit for Protocol {
    fn omit(&self) -> bool {
        false
    }
}
