//! Clients that take nothing of what the kernel has for them.
//!
//! What fits into the kernel's buffer is written at once and waits there, out of sight. The kernel itself knows best
//! whether the client still takes of it, and ends a connection on which nothing moved for `limits.stall`
//! (`TCP_USER_TIMEOUT`, set by the listener). But it has one word, `ETIMEDOUT`, for a client that does not read and for
//! a network that has lost its client. What tells them apart is whether bytes were left unsent because the client's
//! window was full: so that is looked at regularly, on connections that were written to.
//!
//! What is seen on the way also tells a slow client from one that is gone when a ping is not answered: the kernel sends what
//! had to wait, and takes more, only as the client's TCP acknowledges what was sent. That something was written says nothing.
//!
//! A client that polls takes what waits for it with its next poll. If that does not come for as long, and it takes nothing of
//! the answer before, it takes nothing either, whatever it posts meanwhile.

use super::outgoing::{STALL_LOOKS, Slow};
use super::posts::UntakenSince;
use super::stream::{Outlet, Unsent};
use super::vitals::ending_of;
use super::{Connection, ConnectionState, Connections, Phase};
use crate::types::{Ending, Timestamp};
use std::io;
use std::time::Duration;

/// Connections that are looked at between two yields.
const SLICE: usize = 128;

/// What is known of the bytes that the kernel has for a client.
#[derive(Debug, Default)]
pub(super) struct SendStall {
    /// The connection's `bytes_out` when all of it was on its way.
    settled: u64,
    /// At the last look bytes were waiting for the client's window.
    waiting: Option<Box<WaitingBytes>>,
}

/// How far the client's TCP had come with bytes that wait for it.
#[derive(Debug)]
struct WaitingBytes {
    taken: TakenBytes,
    /// When it was last seen to have come further, or first looked at.
    moved_at: Timestamp,
    has_moved: bool,
}

/// How far a client's TCP has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenBytes {
    /// The kernel has no room for more, or hardly any; so much it has taken so far.
    Full(u64),
    /// The kernel has taken all and has room for more. So much of it was sent; less than nothing where the kernel names more
    /// unsent bytes than there are.
    Sent(i64),
}

impl TakenBytes {
    /// Whether the client's TCP has acknowledged something by the time of `later`.
    fn has_moved(self, later: Self) -> bool {
        match (self, later) {
            // Room is made by what was acknowledged; and what had to wait is sent when something before it was.
            (Self::Full(earlier), Self::Full(later)) => earlier < later,
            (Self::Sent(earlier), Self::Sent(later)) => earlier < later,
            (Self::Full(_), Self::Sent(_)) => true,
            (Self::Sent(_), Self::Full(_)) => false,
        }
    }
}

/// Looks at all connections, again and again.
pub(super) async fn watch(connections: Connections, stall: Duration) {
    loop {
        tokio::time::sleep(stall / STALL_LOOKS).await;
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
        if self.stream.get().is_none() {
            return self.look_for_polls();
        }
        // Under the lock, because nothing may be written while the stream is asked.
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Closed(_)) {
            self.note_waiting(&mut state);
        }
    }

    /// Looks how far the client's TCP has come with what was written since it had all: before a ping, because from then on it
    /// counts whether what the ping waits behind is taken.
    pub(super) fn note_waiting(&self, state: &mut ConnectionState) {
        let Some(stream) = self.stream.get() else { return };
        let written = self.traffic.bytes_out();
        if state.outbound.is_clear() && state.send_stall.settled == written {
            return;
        }
        let taken = self.taken(state, stream);
        if taken.is_none() {
            state.send_stall.settled = written;
        }
        self.note_taken(state, taken);
    }

    /// How far the client's TCP has come with what waits for it; `None` if nothing does. Nothing may be written meanwhile.
    fn taken(&self, state: &ConnectionState, stream: &Outlet) -> Option<TakenBytes> {
        let written = self.traffic.bytes_out();
        if !state.outbound.is_clear() {
            return Some(TakenBytes::Full(written));
        }
        match stream.unsent().unwrap_or(Unsent::Nothing) {
            Unsent::Nothing => None,
            Unsent::Bytes(unsent) => {
                let written = i64::try_from(written).unwrap_or(i64::MAX);
                Some(TakenBytes::Sent(written.saturating_sub(unsent.into())))
            }
            Unsent::Full => Some(TakenBytes::Full(written)),
        }
    }

    /// Writes down how far it has come; of what has come further, when.
    fn note_taken(&self, state: &mut ConnectionState, taken: Option<TakenBytes>) {
        let now = self.now();
        let waiting = &mut state.send_stall.waiting;
        match (taken, waiting.as_deref_mut()) {
            (None, _) => *waiting = None,
            (Some(taken), None) => {
                let new = WaitingBytes { taken, moved_at: now, has_moved: false };
                *waiting = Some(Box::new(new));
            }
            (Some(taken), Some(known)) => {
                if known.taken.has_moved(taken) {
                    (known.moved_at, known.has_moved) = (now, true);
                }
                known.taken = taken;
            }
        }
    }

    /// Whether the client's TCP has acknowledged something since `since`, as far as that is known.
    pub(super) fn has_taken_since(&self, state: &mut ConnectionState, since: Timestamp) -> bool {
        let Some(stream) = self.stream.get() else { return false };
        let is_waiting = state.send_stall.waiting.is_some();
        let taken = self.taken(state, stream);
        self.note_taken(state, taken);
        let Some(waiting) = &state.send_stall.waiting else {
            return is_waiting; // all that waited was sent
        };
        waiting.has_moved && since <= waiting.moved_at
    }

    /// Closes the connection of a client that has not polled for what waits, for too long.
    fn look_for_polls(&self) {
        let mut state = self.lock();
        let is_idle = state.phase != Phase::Open || state.outbound.is_clear();
        let left = state.untaken_bytes();
        let Some(polling) = &mut state.polling else { return };
        if is_idle || (polling.is_polled && left == 0) {
            polling.untaken_since = None;
            return;
        }
        let now = UntakenSince { at: self.now(), left };
        let since = polling.untaken_since.get_or_insert(now);
        if left < since.left {
            *since = now;
        }
        if since.at + self.shared.limits.stall <= now.at {
            self.close_slow(&mut state, Slow::Stalled);
        }
    }

    /// The stream has failed. True if that was because the client took nothing; the connection is closed then.
    pub(super) fn stream_failed(&self, state: &mut ConnectionState, error: &io::Error) -> bool {
        let ending = ending_of(error);
        let is_waiting = state.send_stall.waiting.is_some() || !state.outbound.is_clear();
        if ending == Ending::Unreachable && error.kind() == io::ErrorKind::TimedOut && is_waiting {
            self.close_slow(state, Slow::Stalled);
            return true;
        }
        state.note(ending);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::TakenBytes::{Full, Sent};

    #[test]
    fn only_what_was_acknowledged_moves_it() {
        for (earlier, later, has_moved) in [
            (Full(7), Full(7), false),
            (Full(7), Full(8), true),
            (Full(7), Sent(5), true),
            (Sent(5), Sent(5), false),
            (Sent(5), Sent(6), true),
            (Sent(-7), Sent(-7), false),
            (Sent(-7), Sent(-6), true),
            // Written since, which says nothing.
            (Sent(5), Full(9), false),
        ] {
            assert_eq!(earlier.has_moved(later), has_moved, "{earlier:?} {later:?}");
        }
    }
}
