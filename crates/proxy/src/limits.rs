//! Every bound of the data plane, by name.
//!
//! Defaults only: what a user can set (header bytes, timeouts, connections) travels in the configuration and falls
//! back to these.

use std::time::Duration;

/// Read/parse buffer of a core; also the largest single read of a body.
pub const SCRATCH_BYTES: usize = 128 * 1024;
/// Request head limit where the entry point names none (1 MiB, Traefik's `maxHeaderBytes`).
pub const HEADER_BYTES_DEFAULT: usize = 1 << 20;
/// Fields in one request or response head.
pub const HEADER_FIELDS_MAX: usize = 200;
/// All `Connection` lines of a head: each field is looked up in what they name.
pub const CONNECTION_BYTES_MAX: usize = 4096;
/// Cookies of the sticky name that are looked at.
pub const STICKY_COOKIES_MAX: usize = 8;
/// Head of an upstream's response.
pub const RESPONSE_HEADER_BYTES_MAX: usize = 1 << 20;
/// A chunk-size line with its extensions.
pub const CHUNK_LINE_BYTES_MAX: usize = 512;
/// The trailer section of a chunked body.
pub const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// Interim (1xx) responses relayed for one request.
pub const INTERIM_RESPONSES_MAX: usize = 16;
/// A request whose body is at most this long and already read can be replayed on a stale connection.
pub const REPLAY_BYTES_MAX: usize = 64 * 1024;

/// Input kept for the next request while one is answered.
pub const PIPELINE_BYTES_MAX: usize = 64 * 1024;

/// Idle upstream connections kept per server and core where the transport names none.
pub const POOL_IDLE_PER_SERVER: usize = 200;
/// Output buffers kept for reuse per core, and the largest one kept.
pub const SPARE_BUFFERS: usize = 64;
/// See [`SPARE_BUFFERS`].
pub const SPARE_BUFFER_BYTES: usize = GATHERED_BYTES_MAX;
/// Output of an HTTP/2 connection gathered before it is sent: two TLS records.
pub const GATHERED_BYTES_MAX: usize = 32 * 1024;
/// Open client connections per core; further ones wait in the listen backlog.
pub const CONNECTIONS_PER_CORE: usize = 100_000;
/// Connections waiting to be handed from one core to another.
pub const HANDOVER_QUEUE: usize = 1024;
/// A core hands accepted connections over when it carries this share of the mean (percent)…
pub const HANDOVER_PERCENT: usize = 150;
/// …and at least so many connections.
pub const HANDOVER_FLOOR: usize = 16;
/// Accepts per readiness event, so that a storm of connects cannot starve open connections.
pub const ACCEPT_BATCH: usize = 64;
/// Listen backlog (the kernel clamps it to somaxconn).
pub const BACKLOG: i32 = 4096;
/// Pause of a listener that failed to accept (descriptor limit).
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Resolution of the coarse clock and of every timeout.
pub const TICK: Duration = Duration::from_millis(100);
/// Time to send a complete request head.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Time in which a client has to take some of its answer, where the entry point names none.
pub const WRITE_STALL: Duration = Duration::from_secs(180);
/// Keep-alive idle time of a client connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(180);
/// TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// TCP connect to a server.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle time of a pooled upstream connection.
pub const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// After a refusal the rest of a request is read and dropped for at most this long, so that the answer arrives.
pub const LINGER: Duration = Duration::from_secs(2);
/// Bytes read and dropped while lingering.
pub const LINGER_BYTES: usize = 256 * 1024;
/// Concurrent HTTP/2 streams per connection where the entry point names none.
pub const H2_STREAMS_MAX: u32 = 250;
/// Attempts on pooled connections that turn out to be closed, before a fresh one is dialled.
pub const STALE_RETRIES_MAX: usize = 1;
/// Name look-ups are remembered this long.
pub const DNS_TTL: Duration = Duration::from_secs(5);
/// Bytes of a request body kept for replay by the `retry` middleware (2 MiB).
pub const RETRY_BODY_BYTES: usize = 2 << 20;
