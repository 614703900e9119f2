//! The records of presence: who is online, and the news that somebody came or went.

use super::command::WriteCommand;
use super::error::{Closed, ReadError};
use super::queue::{Permit, WriterQueue};
use super::read_pool::ReadPool;
use super::rows::from_db;
use super::state::StoreState;
use crate::types::{Timestamp, UserId, WallMs};
use rusqlite::{Connection, OptionalExtension as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often the time of [`PresenceRecords::alive`] is written down.
const ALIVE_EVERY_MS: u64 = 5000;

/// The records of presence. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct PresenceRecords {
    pub(super) queue: WriterQueue,
    pub(super) readers: Arc<ReadPool>,
    pub(super) state: Arc<StoreState>,
}

impl PresenceRecords {
    /// Waits for room for one change. While the disk fails this waits, so nothing is accepted that cannot be kept.
    pub async fn reserve(&self) -> Result<Permit, Closed> {
        self.queue.reserve(None).await
    }

    /// The same for a change that this user may bring about: of the room that there is, one user gets a small part, so
    /// a user who takes room and does not give it back keeps no other one waiting.
    pub async fn reserve_for(&self, user: &UserId) -> Result<Permit, Closed> {
        self.queue.reserve(Some(user)).await
    }

    /// Notes that the process runs at `at`, which is `now` by the monotonic clock. That is written down every few
    /// seconds, for [`super::Recovered::alive_at`]; then also what is too old is deleted.
    pub fn alive(&self, at: WallMs, now: Timestamp) {
        let noted = self.state.alive_at.load(Ordering::Relaxed);
        if ALIVE_EVERY_MS <= at.0.abs_diff(noted)
            // A full queue means that the writer is busy: the next call will do.
            && self.queue.try_send(WriteCommand::Alive(at, now))
        {
            self.state.alive_at.store(at.0, Ordering::Relaxed);
        }
    }

    /// Tells of the end of the sockets that were here when an earlier life of the process ended, as far as sockets are news;
    /// call it before any comes. `ended` is when that life was last known. If the process is killed meanwhile, the next life goes
    /// on with those that were not told yet.
    pub async fn end_lost_sockets(&self, at: WallMs, ended: Option<WallMs>) -> Result<(), Closed> {
        while self.queue.ask(|reply| WriteCommand::EndLostSockets { at, ended, reply }).await? {}
        Ok(())
    }

    /// When the last socket of a user closed before the last time the user went offline; `None` if that is not known
    /// or too long ago.
    pub async fn last_seen(&self, user: &UserId) -> Result<Option<WallMs>, ReadError> {
        let user = user.clone();
        let sql = "SELECT closed_ms FROM events WHERE user = ?1 AND closed_ms IS NOT NULL \
                   ORDER BY seq DESC LIMIT 1";
        let query = move |db: &Connection| {
            let mut query = db.prepare_cached(sql)?;
            query.query_row([user.as_str()], |row| row.get(0)).optional()
        };
        Ok(self.readers.read(query).await?.map(|ms| WallMs(from_db(ms))))
    }
}
