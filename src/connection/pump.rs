//! Writes what is sent to many connections at once.
//!
//! A caller that sends to thousands of connections only queues, which is quick. The pump writes, in rounds. All that is
//! queued for a connection until its turn comes leaves in one write, so that many events share the cost of a write.

use super::outgoing::Flushing;
use super::waiting::{SharedFrames, WaitingBytes};
use super::{Connection, Connections, Sent};
use crate::tasks::Tasks;
use bytes::Bytes;
use parking_lot::Mutex;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::thread;
use tokio::sync::Notify;

/// Connections that are written to between two yields.
const SLICE: usize = 128;
/// Connections that their sender writes to itself: too few to make them wait for the pump's round.
const FEW: usize = 16;
/// Bytes that may wait for the pump's round at one connection. A caller that sends more writes them itself, so it cannot
/// queue faster than is written.
const WAITING_BYTES_MAX: usize = 64 * 1024;

/// Writes to connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pump {
    /// One for each core: a connection always has the same.
    rounds: Arc<[Round]>,
    waiting: WaitingBytes,
}

/// Connections with something to write, in the order in which they got it.
#[derive(Default)]
struct Round {
    connections: Mutex<Vec<Arc<Connection>>>,
    wake: Notify,
}

impl fmt::Debug for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Round")
            .field("connections", &self.connections.lock().len())
            .finish_non_exhaustive()
    }
}

impl Pump {
    /// Starts one for `connections` that runs as long as `tasks`.
    pub fn start(tasks: &Tasks, connections: &Connections) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let rounds = (0..cores).map(|_| Round::default()).collect();
        let pump = Self { rounds, waiting: connections.waiting().clone() };
        for index in 0..cores {
            tasks.spawn("connection.pump", pump.clone().run(index));
        }
        pump
    }

    /// Frames for a batch.
    pub fn share(&self, frames: Bytes) -> SharedFrames {
        self.waiting.share(frames)
    }

    /// Frames that whoever sends them writes to each connection at once.
    pub fn share_at_once(&self, frames: Bytes) -> SharedFrames {
        self.waiting.share_at_once(frames)
    }

    /// Begins to send to many connections.
    pub fn batch(&self) -> Batch<'_> {
        Batch { pump: self, connections: Vec::new() }
    }

    /// Begins to send to `count` connections; `None` if they are so few that whoever sends writes to each at once.
    pub fn batch_for(&self, count: usize) -> Option<Batch<'_>> {
        (FEW < count).then(|| self.batch())
    }

    async fn run(self, index: usize) {
        let Some(round) = self.rounds.get(index) else { return };
        loop {
            let connections = mem::take(&mut *round.connections.lock());
            if connections.is_empty() {
                round.wake.notified().await;
            }
            for slice in connections.chunks(SLICE) {
                slice.iter().for_each(Connection::flush_queued);
                tokio::task::yield_now().await;
            }
        }
    }

    fn write_later(&self, connections: Vec<Arc<Connection>>) {
        let mut rounds: Vec<Vec<Arc<Connection>>> =
            self.rounds.iter().map(|_| Vec::new()).collect();
        let count = rounds.len();
        for connection in connections {
            if let Some(round) = rounds.get_mut(round_of(&connection, count)) {
                round.push(connection);
            }
        }
        for (round, connections) in
            self.rounds.iter().zip(rounds).filter(|(_, connections)| !connections.is_empty())
        {
            round.connections.lock().extend(connections);
            round.wake.notify_one();
        }
    }
}

/// Which of `count` rounds writes to a connection: always the same, so that its bytes stay in order. Its address in memory
/// tells, because that never changes and costs no memory of its own; the low bits are the same for all.
fn round_of(connection: &Arc<Connection>, count: usize) -> usize {
    let line = Arc::as_ptr(connection).addr() >> 6;
    line % count
}

/// Sends to many connections; writes when it is dropped, or has the pump write.
#[derive(Debug)]
#[must_use = "what was sent is written when this is dropped"]
pub struct Batch<'a> {
    pump: &'a Pump,
    /// Those to which nothing else will write by itself.
    connections: Vec<Arc<Connection>>,
}

impl Batch<'_> {
    /// Sends an event to one connection, if it is `volatile` only if nothing waits there.
    pub fn send(
        &mut self,
        connection: &Arc<Connection>,
        event: &SharedFrames,
        is_volatile: bool,
    ) -> Sent {
        let mut state = connection.lock();
        let is_waiting = state.flushing == Flushing::Queued
            && (is_volatile || WAITING_BYTES_MAX < state.outbound.queued());
        if is_waiting {
            connection.flush_now(&mut state);
        }
        let sent = connection.queue_locked(&mut state, event.held(), is_volatile);
        if sent == Sent::Yes && state.flushing == Flushing::None {
            state.flushing = Flushing::Queued;
            self.connections.push(Arc::clone(connection));
        }
        sent
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let connections = mem::take(&mut self.connections);
        if connections.len() <= FEW {
            connections.iter().for_each(Connection::flush_queued);
        } else {
            self.pump.write_later(connections);
        }
    }
}
