//! Clients that take nothing of what the kernel has for them.
//!
//! What fits into the kernel's buffer is written at once and waits there, out of sight. The kernel itself knows best
//! whether the client still takes of it, and ends a connection on which nothing moved for `limits.stall`
//! (`TCP_USER_TIMEOUT`, set by the listener). But it has one word, `ETIMEDOUT`, for a client that does not read and for
//! a network that has lost its client. What tells them apart is whether bytes were left unsent because the client's
//! window was full: so that is looked at regularly, on connections that were written to.
//!
//! A client that polls takes what waits for it with its next poll. If that does not come for as long, it takes nothing
//! either, whatever it posts meanwhile.

use super::outgoing::Slow;
use super::vitals::ending_of;
use super::{Connection, ConnectionState, Connections, Phase};
use crate::types::Ending;
use std::io;
use std::time::Duration;

/// Looks at each connection per `limits.stall`.
const LOOKS: u32 = 4;
/// Connections that are looked at between two yields.
const SLICE: usize = 128;

/// What is known of the bytes that the kernel has for a client.
#[derive(Debug, Default)]
pub(super) struct SendStall {
    /// The connection's `bytes_out` when all of it was on its way.
    settled: u64,
    /// At the last look bytes were waiting for the client's window.
    is_waiting: bool,
}

/// Looks at all connections, again and again.
pub(super) async fn watch(connections: Connections, stall: Duration) {
    loop {
        tokio::time::sleep(stall / LOOKS).await;
        for slice in connections.snapshot().chunks(SLICE) {
            for connection in slice {
                connection.look();
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Connection {
    /// Looks whether bytes wait for the client's window, or for a poll.
    fn look(&self) {
        let Some(stream) = self.stream.get() else { return self.look_for_polls() };
        // Under the lock, because nothing may be written while the stream is asked.
        let mut state = self.lock();
        let written = self.traffic.bytes_out();
        if matches!(state.phase, Phase::Closed(_)) || state.send_stall.settled == written {
            return;
        }
        state.send_stall.is_waiting = stream.has_unsent().unwrap_or(false);
        if !state.send_stall.is_waiting {
            state.send_stall.settled = written;
        }
    }

    /// Closes the connection of a client that has not polled for what waits, for too long.
    fn look_for_polls(&self) {
        let mut state = self.lock();
        if state.phase != Phase::Open || state.polling.is_polled || state.outbound.is_clear() {
            state.polling.untaken_since = None;
            return;
        }
        let now = self.now();
        let since = *state.polling.untaken_since.get_or_insert(now);
        if since + self.shared.limits.stall <= now {
            self.close_slow(&mut state, Slow::Stalled);
        }
    }

    /// The stream has failed. True if that was because the client took nothing; the connection is closed then.
    pub(super) fn stream_failed(&self, state: &mut ConnectionState, error: &io::Error) -> bool {
        let ending = ending_of(error);
        let is_waiting = state.send_stall.is_waiting || !state.outbound.is_clear();
        if ending == Ending::Unreachable && error.kind() == io::ErrorKind::TimedOut && is_waiting {
            self.close_slow(state, Slow::Stalled);
            return true;
        }
        state.note(ending);
        false
    }
}
