//! Memory of what waits for clients, bounded in all.
//!
//! Each connection has a bound of its own, but there are many. What several are sent is one copy, and counts once, for as long as
//! any of them holds it; what a connection alone is sent counts where it has to wait.

use super::{Connection, ConnectionState};
use bytes::Bytes;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// Memory is freed until so much of the bound is left, as a part of it: not for each event anew.
const RELIEF_PART: usize = 8;

/// What waits for all clients. Cheap to clone.
#[derive(Clone)]
pub(super) struct WaitingBytes {
    shared: Arc<WaitingPool>,
}

struct WaitingPool {
    bytes: AtomicUsize,
    max: usize,
    /// There are more than may be.
    exceeded: Notify,
}

/// Frames for any number of connections: one copy, which counts once, as soon as it has to wait anywhere.
#[derive(Debug)]
pub struct SharedFrames {
    frames: Bytes,
    held: OnceLock<Bytes>,
    waiting: WaitingBytes,
}

/// Frames that count for as long as somebody holds them.
struct HeldFrames {
    frames: Bytes,
    pool: Arc<WaitingPool>,
}

impl SharedFrames {
    /// To be written at once.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.frames
    }

    /// The same where they have to wait.
    pub(super) fn held(&self) -> &Bytes {
        self.held.get_or_init(|| self.waiting.hold(self.frames.clone()))
    }
}

impl AsRef<[u8]> for HeldFrames {
    fn as_ref(&self) -> &[u8] {
        &self.frames
    }
}

impl Drop for HeldFrames {
    fn drop(&mut self) {
        self.pool.give_back(self.frames.len());
    }
}

impl fmt::Debug for WaitingBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingBytes").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl WaitingPool {
    fn take(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.max < before.saturating_add(bytes) {
            self.exceeded.notify_one();
        }
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl WaitingBytes {
    /// Beyond `max` bytes somebody has to go.
    pub(super) fn new(max: usize) -> Self {
        let (bytes, exceeded) = (AtomicUsize::new(0), Notify::new());
        Self { shared: Arc::new(WaitingPool { bytes, max, exceeded }) }
    }

    /// How many there are.
    pub(super) fn bytes(&self) -> usize {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// The same frames, counted for as long as anybody holds a part of them.
    pub(super) fn hold(&self, frames: Bytes) -> Bytes {
        self.shared.take(frames.len());
        Bytes::from_owner(HeldFrames { frames, pool: Arc::clone(&self.shared) })
    }

    /// Frames for several connections, which are queued.
    pub(super) fn share(&self, frames: Bytes) -> SharedFrames {
        let frames = self.hold(frames);
        SharedFrames { held: frames.clone().into(), frames, waiting: self.clone() }
    }

    /// Frames for several connections that are written to at once: most of these wait nowhere, and counting them is not free.
    pub(super) fn share_at_once(&self, frames: Bytes) -> SharedFrames {
        SharedFrames { frames, held: OnceLock::new(), waiting: self.clone() }
    }

    /// A queue takes so many bytes more for itself.
    pub(super) fn grow(&self, bytes: usize) {
        if 0 < bytes {
            self.shared.take(bytes);
        }
    }

    /// A queue takes so many less.
    pub(super) fn shrink(&self, bytes: usize) {
        if 0 < bytes {
            self.shared.give_back(bytes);
        }
    }

    /// Waits until there are more than may be.
    pub(super) async fn exceeded(&self) {
        self.shared.exceeded.notified().await;
    }

    /// Bytes that have to go, if there are more than may be.
    pub(super) fn excess(&self) -> Option<usize> {
        let (bytes, max) = (self.bytes(), self.shared.max);
        (max < bytes).then(|| bytes - (max - max / RELIEF_PART))
    }
}

impl Connection {
    /// Bytes of frames that are this connection's alone, where they have to wait.
    pub(super) fn hold(&self, frames: Bytes) -> Bytes {
        self.shared.connections.waiting().hold(frames)
    }
}

impl ConnectionState {
    /// Nothing waits any more.
    pub(super) fn forget_outbound(&mut self, waiting: &WaitingBytes) {
        waiting.shrink(self.outbound.clear());
        self.forget_untaken();
    }
}
