//! Connections whose clients have joined no namespace: nobody knows who they are. They have `socketio.connect_timeout`, and
//! there are at most `limits.unauthenticated` of them. Beyond, the one that has been so longest is ended, not the new one
//! refused: whoever opens connections and says nothing must not keep out clients who say who they are at once.

use super::shared::SharedParts;
use super::{Connection, ConnectionState, Phase};
use crate::types::{Reason, Timestamp};
use std::mem;
use std::time::Duration;

/// Connections that are looked at for one that is opened. Most that are found have joined a namespace since they were
/// expected to.
const LOOKS: usize = 64;

impl Connection {
    /// The client has joined no namespace, or none any more: it has `connect_timeout` from now on.
    pub(super) fn expect_connect(&self, state: &mut ConnectionState) {
        let now = self.now();
        if state.homeless_since.replace(now).is_none() {
            self.shared.connections.one_more_homeless();
        }
        // Once at a time: a client that comes and goes would else fill the queue.
        if !mem::replace(&mut state.is_expected, true) {
            self.shared.heartbeats.expect(self, now);
        }
    }

    /// The client has joined a namespace, or its connection is closed.
    pub(super) fn is_homeless_no_more(&self, state: &mut ConnectionState) {
        if state.homeless_since.take().is_some() {
            self.shared.connections.one_less_homeless();
        }
    }

    /// Closes the connection if its client has joined no namespace for `timeout`. One that has left its last one since it
    /// was first expected gets the whole time anew.
    pub(super) fn end_if_homeless(&self, now: Timestamp, timeout: Duration) {
        let mut state = self.lock();
        let Some(since) = state.homeless_since else {
            state.is_expected = false;
            return;
        };
        if now < since + timeout {
            return self.shared.heartbeats.expect(self, now);
        }
        tracing::debug!("closing a connection: its client has joined no namespace");
        self.close_locked(&mut state, Reason::TransportClose);
    }

    /// Closes the connection if its client has joined no namespace; whether it is closed now.
    fn end_for_another(&self) -> bool {
        let mut state = self.lock();
        state.is_expected = false;
        if state.homeless_since.is_none() || matches!(state.phase, Phase::Closed(_)) {
            return false;
        }
        tracing::debug!(
            "closing a connection: limits.unauthenticated is reached, and it is the oldest"
        );
        metrics::counter!("userline_unauthenticated_ended_total").increment(1);
        self.close_locked(&mut state, Reason::TransportClose);
        true
    }
}

impl SharedParts {
    /// Ends the connection that has been without a namespace longest, if there are more than may be.
    pub(super) fn end_oldest_homeless(&self) {
        for _ in 0..LOOKS {
            if !self.connections.are_too_many_homeless() {
                return;
            }
            let Some(sid) = self.heartbeats.take_longest_expected() else { return };
            if self.connections.get(&sid).is_some_and(|it| it.end_for_another()) {
                return;
            }
        }
    }
}
