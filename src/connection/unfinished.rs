//! Room for what clients have begun to send and the server has not taken yet: bodies of posts, messages that are not whole
//! or whose buffers have not all come, CONNECTs that wait for their turn. Each is bounded by `limits.payload`, but there
//! are many clients.
//!
//! What is short is not counted: a client that sends what clients send needs no room. Those that have joined no namespace
//! have half of it, so that whoever has can still send when strangers hold all that they get.

use super::pool::{NoRoom, Pool};
use super::{Connection, ConnectionState};
use crate::config::LimitsConfig;
use std::sync::Arc;

/// Bytes that stand around the `auth` of a CONNECT.
const AROUND_AUTH: usize = 1024;

/// Room for all clients.
#[derive(Debug)]
pub(super) struct UnfinishedRoom {
    /// Bytes of each thing that are not counted: what clients send when they join.
    uncounted: usize,
    all: Pool,
    /// Of these, of clients that have joined no namespace.
    homeless: Pool,
}

/// The room that one body, message or CONNECT takes. Others have it again when this is dropped.
#[derive(Debug)]
pub(super) struct TakenRoom {
    room: Arc<UnfinishedRoom>,
    bytes: usize,
    /// Its client has joined no namespace.
    is_homeless: bool,
}

impl UnfinishedRoom {
    /// As much as is configured.
    pub(super) fn new(limits: &LimitsConfig) -> Arc<Self> {
        let LimitsConfig { unfinished_bytes, auth_bytes, .. } = *limits;
        Arc::new(Self {
            uncounted: auth_bytes + AROUND_AUTH,
            all: Pool::new(unfinished_bytes),
            homeless: Pool::new(unfinished_bytes / 2),
        })
    }
}

#[cfg(test)]
impl UnfinishedRoom {
    /// Bytes that may still be taken.
    pub(super) fn left(&self) -> usize {
        self.all.left()
    }
}

impl TakenRoom {
    /// For something of which `bytes` have come. What it took before is taken still if there is no room for more.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = bytes.saturating_sub(self.room.uncounted);
        if bytes <= self.bytes {
            self.give_back(self.bytes - bytes);
        } else {
            self.take(bytes - self.bytes)?;
        }
        self.bytes = bytes;
        Ok(())
    }

    fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        if self.is_homeless {
            self.room.homeless.take(bytes)?;
        }
        self.room.all.take(bytes).inspect_err(|_| {
            if self.is_homeless {
                self.room.homeless.give_back(bytes);
            }
        })
    }

    fn give_back(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.room.all.give_back(bytes);
        if self.is_homeless {
            self.room.homeless.give_back(bytes);
        }
    }
}

impl Drop for TakenRoom {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

impl Connection {
    /// Room for something of which nothing has come.
    pub(super) fn no_room_yet(&self, state: &ConnectionState) -> TakenRoom {
        let is_homeless = state.homeless_since.is_some();
        TakenRoom { room: Arc::clone(&self.shared.unfinished), bytes: 0, is_homeless }
    }
}

/// Something was not taken for want of room: a `post`, a `message` or a `connect`.
pub(super) fn count_refused(what: &'static str) {
    metrics::counter!("userline_unfinished_refused_total", "what" => what).increment(1);
}

#[cfg(test)]
mod tests {
    use super::{NoRoom, Pool, TakenRoom, UnfinishedRoom};
    use proptest::prelude::*;
    use std::sync::Arc;

    const UNCOUNTED: usize = 10;

    fn room(bytes: usize) -> Arc<UnfinishedRoom> {
        let (all, homeless) = (Pool::new(bytes), Pool::new(bytes / 2));
        Arc::new(UnfinishedRoom { uncounted: UNCOUNTED, all, homeless })
    }

    fn none_of(room: &Arc<UnfinishedRoom>, is_homeless: bool) -> TakenRoom {
        TakenRoom { room: Arc::clone(room), bytes: 0, is_homeless }
    }

    #[test]
    fn what_is_short_needs_no_room_and_strangers_have_half_of_it() {
        let room = room(100);
        let [mut stranger, mut other] = [true, true].map(|it| none_of(&room, it));
        let mut client = none_of(&room, false);

        assert_eq!(stranger.resize(UNCOUNTED + 50), Ok(()));
        assert_eq!(other.resize(UNCOUNTED + 1), Err(NoRoom));
        assert_eq!(other.resize(UNCOUNTED), Ok(()), "short");
        assert_eq!(client.resize(UNCOUNTED + 50), Ok(()), "the other half");
        assert_eq!(client.resize(UNCOUNTED + 51), Err(NoRoom));
        drop(stranger);
        assert_eq!(client.resize(UNCOUNTED + 100), Ok(()), "whoever is first has what is left");
        assert_eq!(other.resize(UNCOUNTED + 1), Err(NoRoom));
        assert_eq!(room.homeless.left(), 50, "what was refused is not counted");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_more_is_taken_than_there_is_and_all_is_given_back(
            steps in prop::collection::vec((0..6_usize, 0..80_usize), 0..60),
        ) {
            let room = room(100);
            let mut all: Vec<TakenRoom> = (0..6).map(|n| none_of(&room, n % 2 == 0)).collect();
            for (n, bytes) in steps {
                let before = all[n].bytes;
                let is_ok = all[n].resize(bytes).is_ok();
                prop_assert_eq!(all[n].bytes, if is_ok { bytes.saturating_sub(UNCOUNTED) } else { before });
                let taken: usize = all.iter().map(|it| it.bytes).sum();
                let homeless: usize = all.iter().filter(|it| it.is_homeless).map(|it| it.bytes).sum();
                prop_assert!(taken <= 100 && homeless <= 50);
                prop_assert_eq!(room.all.left(), 100 - taken);
                prop_assert_eq!(room.homeless.left(), 50 - homeless);
            }
            drop(all);
            prop_assert_eq!(room.all.left(), 100);
        }
    }
}
