//! Pings, and the end of connections that do not answer them, or whose clients ask for nothing or join no namespace.

use super::{Connection, Connections, Phase, Sent};
use crate::clock::Clock;
use crate::config::SocketIoConfig;
use crate::core::protocol::heartbeat::{Due, Heartbeat, HeartbeatTimes};
use crate::types::{Reason, Timestamp};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A text frame with a ping: <https://socket.io/docs/v4/engine-io-protocol/#heartbeat>.
const PING: [u8; 3] = [0x81, 0x01, b'2'];
/// How long a client that polls may take to ask for something after its handshake: a new connection with TLS on a bad
/// network. Whoever takes longer is no client, and its place is another's.
const UNHEARD: Duration = Duration::from_secs(10);
/// Connections that are pinged between two yields.
const SLICE: usize = 128;

/// The heartbeat of all connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Heartbeats {
    timeout: Duration,
    connect_timeout: Duration,
    shared: Arc<HeartbeatQueue>,
}

#[derive(Debug)]
struct HeartbeatQueue {
    /// By their secret names, so that those that are gone hold nothing.
    beats: Mutex<Heartbeat<Arc<str>>>,
    /// Says that something is due before what was due next.
    changed: Notify,
}

impl Heartbeats {
    pub(super) fn new(config: &SocketIoConfig) -> Self {
        let SocketIoConfig { ping_interval, ping_timeout, connect_timeout, .. } = *config;
        let beats = Mutex::new(Heartbeat::new(HeartbeatTimes {
            interval: ping_interval,
            timeout: ping_timeout,
            unheard: UNHEARD,
            connect: connect_timeout,
        }));
        let shared = Arc::new(HeartbeatQueue { beats, changed: Notify::new() });
        Self { timeout: ping_timeout, connect_timeout, shared }
    }

    /// A connection has come, and is among these.
    pub(super) fn add(&self, connection: &Connection, all: &Connections, now: Timestamp) {
        let crowd = self.change(|beats| {
            beats.add(Arc::clone(connection.sid()), now);
            beats.is_crowded(all.len()).then(|| beats.take_all())
        });
        if let Some(mut crowd) = crowd {
            // Not under the lock: with many connections this takes some milliseconds, in which nobody else could come.
            crowd.forget_gone(|sid| all.get(sid).is_some());
            self.change(|beats| beats.put_back(crowd));
        }
    }

    /// The client of a polling connection has to ask for something from now on.
    pub(super) fn hear(&self, connection: &Connection, now: Timestamp) {
        self.change(|beats| beats.hear(Arc::clone(connection.sid()), now));
    }

    /// The client of a connection has to join a namespace from now on.
    pub(super) fn expect(&self, connection: &Connection, now: Timestamp) {
        self.change(|beats| beats.expect(Arc::clone(connection.sid()), now));
    }

    /// Whose client has been expected longest, whether its time is over or not; it is expected no more.
    pub(super) fn take_longest_expected(&self) -> Option<Arc<str>> {
        self.shared.beats.lock().take_longest_expected()
    }

    /// Adds something, which may be due before all else.
    fn change<T>(&self, add: impl FnOnce(&mut Heartbeat<Arc<str>>) -> T) -> T {
        let mut beats = self.shared.beats.lock();
        let before = beats.next();
        let changed = add(&mut beats);
        if beats.next() != before {
            self.shared.changed.notify_one();
        }
        changed
    }

    /// Pings those in `connections`, as long as it runs.
    pub(super) async fn run(self, connections: Connections, clock: Clock) {
        loop {
            let next = self.shared.beats.lock().next();
            let changed = self.shared.changed.notified();
            let Some(next) = next else {
                changed.await;
                continue;
            };
            tokio::select! {
                () = clock.sleep_until(next) => {}
                () = changed => continue,
            }
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
                    let connection = connections.get(&sid);
                    if connection.is_some_and(|it| it.end_if_silent(now, self.timeout)) {
                        self.shared.beats.lock().waits(sid, now);
                    }
                }
                Some(Due::Unheard(sid)) => {
                    if let Some(connection) = connections.get(&sid) {
                        connection.end_if_unheard();
                    }
                }
                Some(Due::Expected(sid)) => {
                    if let Some(connection) = connections.get(&sid) {
                        connection.end_if_homeless(now, self.connect_timeout);
                    }
                }
            }
        }
        true
    }
}

impl Connection {
    /// Whether it was pinged and has not answered yet. One that is not read may have answered.
    pub fn owes_pong(&self) -> bool {
        let state = self.lock();
        state.pinged_at.is_some() && !state.is_paused
    }

    /// Pings the client, unless an earlier ping is not answered yet. One that is not read cannot have answered; it is
    /// pinged all the same, or its client would take the silence for the end. False if the connection is about to end.
    fn ping(self: &Arc<Self>, now: Timestamp) -> bool {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return false;
        }
        let is_answered = state.pinged_at.is_none();
        if is_answered {
            state.pinged_at = Some(now);
            self.note_waiting(&mut state);
        }
        if is_answered || state.is_paused {
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

    /// Closes the connection if a ping was not answered for `timeout`. A client whose TCP has acknowledged something since
    /// is only slow: the ping stands behind what it takes. It has as long again; true if so.
    fn end_if_silent(&self, now: Timestamp, timeout: Duration) -> bool {
        let mut state = self.lock();
        let Some(since) = state.pinged_at.filter(|at| *at + timeout <= now) else { return false };
        // One that is not read cannot answer.
        if state.phase != Phase::Open || state.is_paused {
            return false;
        }
        if self.has_taken_since(&mut state, since) {
            state.pinged_at = Some(now);
            return true;
        }
        self.close_locked(&mut state, Reason::PingTimeout);
        false
    }
}
