//! Bytes both ways, after `101 Switching Protocols`. A tunnel counts as an open connection until both ends are through.

use super::Client;
use crate::engine::Phase;
use crate::io::Rewound;
use bytes::Bytes;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::Poll;
use tokio::io::AsyncWriteExt;

/// Bytes in flight per direction.
const WINDOW_BYTES: usize = 16 * 1024;

/// Relays until both sides closed, one broke, or the process cuts.
pub(super) async fn run(client: &mut Client, mut upstream: Rewound) {
    let core = client.core.clone();
    let load = &core.shared.load[core.index];
    load.tunnels.fetch_add(1, Ordering::Relaxed);
    core.timers.arm(&client.connection.watch, std::time::Duration::ZERO);
    if super::respond::drain(client).await.is_ok() {
        let early = Bytes::from(std::mem::take(&mut client.io.input));
        if early.is_empty() || upstream.write_all(&early).await.is_ok() {
            let watch = &client.connection.watch;
            let cut = poll_fn(|cx| {
                watch.register(cx);
                if core.shared.phase() == Phase::Cut { Poll::Ready(()) } else { Poll::Pending }
            });
            tokio::select! {
                _ = tokio::io::copy_bidirectional_with_sizes(&mut client.io.stream, &mut upstream, WINDOW_BYTES, WINDOW_BYTES) => {}
                () = cut => {}
            }
        }
    }
    load.tunnels.fetch_sub(1, Ordering::Relaxed);
}
