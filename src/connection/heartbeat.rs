//! Pings, and the end of connections that do not answer them.
//!
//! The engine could do that, too. But it has a task and a timer for each connection, and each ping would pass through
//! its queue of packets, which doubles for good when the first block of it is used up.

use super::{Connection, Connections, Phase, Sent};
use crate::clock::Clock;
use crate::config::SocketIoConfig;
use crate::core::protocol::heartbeat::{Due, Heartbeat};
use crate::types::{Reason, Timestamp};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A text frame with a ping: <https://socket.io/docs/v4/engine-io-protocol/#heartbeat>.
const PING: [u8; 3] = [0x81, 0x01, b'2'];
/// Connections that are pinged between two yields.
const SLICE: usize = 128;

/// The heartbeat of all connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Heartbeats {
    timeout: Duration,
    shared: Arc<HeartbeatQueue>,
}

#[derive(Debug)]
struct HeartbeatQueue {
    /// By their secret names, so that those that are gone hold nothing.
    beats: Mutex<Heartbeat<Arc<str>>>,
    /// Wakes up when there is a first connection.
    first: Notify,
}

impl Heartbeats {
    pub(super) fn new(config: &SocketIoConfig) -> Self {
        let timeout = config.ping_timeout;
        let beats = Mutex::new(Heartbeat::new(config.ping_interval, timeout));
        Self { timeout, shared: Arc::new(HeartbeatQueue { beats, first: Notify::new() }) }
    }

    /// A connection has come. The engine pings it once, now.
    pub(super) fn add(&self, connection: &Connection, now: Timestamp) {
        let mut beats = self.shared.beats.lock();
        if beats.next().is_none() {
            self.shared.first.notify_one();
        }
        beats.add(Arc::clone(connection.sid()), now);
    }

    /// Pings those in `connections`, as long as it runs.
    pub(super) async fn run(self, connections: Connections, clock: Clock) {
        loop {
            let next = self.shared.beats.lock().next();
            let Some(next) = next else {
                self.shared.first.notified().await;
                continue;
            };
            clock.sleep_until(next).await;
            while self.beat(&connections, clock.now()) {
                tokio::task::yield_now().await;
            }
            self.shared.beats.lock().shrink();
        }
    }

    /// Does what is due, a slice of it. Whether there may be more.
    fn beat(&self, connections: &Connections, now: Timestamp) -> bool {
        for _ in 0..SLICE {
            let due = self.shared.beats.lock().take(now);
            match due {
                None => return false,
                Some(Due::Ping(sid)) => {
                    if connections.get(&sid).is_some_and(|connection| connection.ping(now)) {
                        self.shared.beats.lock().pinged(sid, now);
                    }
                }
                Some(Due::Overdue(sid)) => {
                    if let Some(connection) = connections.get(&sid) {
                        connection.end_if_silent(now, self.timeout);
                    }
                }
            }
        }
        true
    }
}

impl Connection {
    /// Pings the client, unless an earlier ping is not answered yet. False if the connection is about to end.
    fn ping(self: &Arc<Self>, now: Timestamp) -> bool {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return false;
        }
        if state.pinged_at.is_none() {
            state.pinged_at = Some(now);
            let ping = Bytes::from_static(&PING);
            if self.queue_locked(&mut state, &ping, false) == Sent::Yes {
                self.flush_now(&mut state);
            }
        }
        true
    }

    /// The client has answered.
    pub(super) fn pong_received(&self) {
        self.lock().pinged_at = None;
    }

    /// Closes the connection if a ping was not answered for `timeout`.
    fn end_if_silent(&self, now: Timestamp, timeout: Duration) {
        let mut state = self.lock();
        let is_silent = state.pinged_at.is_some_and(|at| at + timeout <= now);
        // One that is not read cannot answer.
        if state.phase != Phase::Open || state.is_paused || !is_silent {
            return;
        }
        self.close_locked(&mut state, Some(Reason::PingTimeout));
    }
}
