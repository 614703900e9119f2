//! What survives a restart: who is online, what happened, which hooks are still to be sent, and the inboxes; a database
//! in `data_dir`.
//!
//! ```text
//!   presence().reserve() ─▶ Permit ─record()─▶ ┌───────────────┐    ┌──────────────┐ one transaction for all that
//!   outbox().settle(), undelivered(), replay()▶│ bounded queue │───▶│ writer thread│ waits: presence, event, hooks,
//!   inboxes().put(), mark(), delete() ────────▶└───────────────┘    └──────┬───────┘ items of inboxes
//!   events().page(), outbox().pending(), … ───▶ a few read-only connections└─▶ outbox().news(), fresh hooks at hand
//! ```
//!
//! A change is durable (in the file, synced) before anyone can see it: whoever reads sees committed rows only. Presence
//! and the hooks that tell of it change in one transaction, so a crash at any point leaves either both or neither.
//!
//! The rest of the program uses narrow interfaces, [`PresenceRecords`], [`EventLog`], [`Outbox`], [`Inboxes`],
//! [`RestrictionRecords`], [`MembershipRecords`] and [`ResumeRecords`], and the words of the core; it knows nothing of how things are kept.

mod after_commit;
mod command;
mod erase;
mod error;
mod event_log;
mod file;
mod folder;
mod inbox;
mod memberships;
mod moving;
mod open;
mod outbox;
mod presence;
mod prune;
mod queue;
mod read_pool;
mod record;
mod restrictions;
mod resume;
mod rows;
mod schema;
mod shares;
mod state;
#[cfg(test)]
mod tests;
mod tidying;
mod writer;

pub use command::Attaching;
pub use error::{Closed, DatabaseError, OpenError, ReadError, ReplayError};
pub use event_log::EventLog;
pub use folder::{FolderError, FolderUse, look_at};
pub use inbox::Inboxes;
pub use memberships::MembershipRecords;
pub use moving::LoneStore;
pub use open::{OpenSession, Recovered};
pub use outbox::Outbox;
pub use presence::PresenceRecords;
pub use queue::{Committed, Permit};
pub use restrictions::RestrictionRecords;
pub use resume::{ResumeRecords, SavedResume};

use crate::config::{HooksConfig, StoreConfig};
use crate::core::auth::resume_families::FamilyNews;
use crate::types::UserId;
use command::WriteCommand;
use outbox::undelivered::UndeliveredRules;
use queue::WriterQueue;
use read_pool::ReadPool;
use record::Rules;
use rusqlite::Connection;
use state::StoreState;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidying::Tidying;
use writer::Writer;

/// The store of this process: opened once, closed once. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    queue: WriterQueue,
    readers: Arc<ReadPool>,
    state: Arc<StoreState>,
    undelivered: Arc<UndeliveredRules>,
}

impl Store {
    /// Opens the database in `data_dir`, made if missing, brings it up to date and takes it for this process alone.
    ///
    /// Blocks; call it before anything is served. Hooks that wait for an endpoint that is no longer configured wait on,
    /// and become dead letters when they would have been given up.
    pub fn open(config: &StoreConfig, hooks: &HooksConfig) -> Result<(Self, Recovered), OpenError> {
        let lock = file::lock(&config.data_dir)?;
        let db = file::open(&config.data_dir)?;
        Self::start(db, lock, config, hooks)
    }

    /// Starts to write to `db`.
    fn start(
        mut db: Connection,
        lock: File,
        config: &StoreConfig,
        hooks: &HooksConfig,
    ) -> Result<(Self, Recovered), OpenError> {
        let dir = || config.data_dir.clone();
        let folder = |source| OpenError::Folder { dir: dir(), source };
        if file::was_whole(&lock).map_err(folder)? && schema::is_blank(&db)? {
            return Err(OpenError::Emptied { dir: dir() });
        }
        let (state, recovered) = open::recover(&mut db, hooks, config.keep_items)?;
        file::note_whole(&lock).map_err(folder)?;
        let state = Arc::new(state);
        let (queue, commands) = WriterQueue::new(&state);
        let rules = Rules::new(hooks, &state);
        let undelivered = Arc::new(UndeliveredRules::new(hooks, &state));
        let tidying = Tidying::new(config.keep_events, hooks.retry_for, &state);
        let writer = Writer::new(db, lock, rules, Arc::clone(&state), tidying)?;
        writer.start(commands).map_err(OpenError::Thread)?;
        let readers = Arc::new(ReadPool::new(&config.data_dir));
        Ok((Self { queue, readers, state, undelivered }, recovered))
    }

    /// The records of presence.
    pub fn presence(&self) -> PresenceRecords {
        let (readers, state) = (Arc::clone(&self.readers), Arc::clone(&self.state));
        PresenceRecords { queue: self.queue.clone(), readers, state }
    }

    /// The event log.
    pub fn events(&self) -> EventLog {
        EventLog { readers: Arc::clone(&self.readers) }
    }

    /// The outbox.
    pub fn outbox(&self) -> Outbox {
        Outbox {
            queue: self.queue.clone(),
            readers: Arc::clone(&self.readers),
            state: Arc::clone(&self.state),
            undelivered: Arc::clone(&self.undelivered),
        }
    }

    /// The inboxes.
    pub fn inboxes(&self) -> Inboxes {
        let (readers, state) = (Arc::clone(&self.readers), Arc::clone(&self.state));
        Inboxes { queue: self.queue.clone(), readers, state }
    }

    /// What is held against users.
    pub fn restrictions(&self) -> RestrictionRecords {
        RestrictionRecords { queue: self.queue.clone(), readers: Arc::clone(&self.readers) }
    }

    /// Who is in which room wherever and whenever it connects.
    pub fn memberships(&self) -> MembershipRecords {
        MembershipRecords { queue: self.queue.clone(), readers: Arc::clone(&self.readers) }
    }

    /// What is known of resume tokens.
    pub fn resume(&self) -> ResumeRecords {
        ResumeRecords { queue: self.queue.clone(), readers: Arc::clone(&self.readers) }
    }

    /// Deletes everything that names a user, but the numbers of the inbox, which are never given twice: they stay under a
    /// keyed hash of the name. Answers when that is committed, with the number of hooks that were still to be sent and
    /// are not sent any more.
    ///
    /// What is recorded of the user afterwards is there again, so call this for a user who is offline, when the news of
    /// that is recorded.
    ///
    /// `kept` is kept with that, by which resume tokens of the user do not count any more.
    pub async fn erase(&self, user: &UserId, kept: Option<FamilyNews>) -> Result<u64, Closed> {
        let user = user.clone();
        self.queue.ask(|reply| WriteCommand::Erase { user, kept, reply }).await
    }

    /// The same, if no hook of the user is still to be sent: else nothing is done, and the error is how many there are.
    pub async fn erase_if_told(
        &self,
        user: &UserId,
        kept: Option<FamilyNews>,
    ) -> Result<Result<(), u64>, Closed> {
        let user = user.clone();
        self.queue.ask(|reply| WriteCommand::EraseIfTold { user, kept, reply }).await
    }

    /// Waits until everything recorded before is committed.
    pub async fn flush(&self) -> Result<(), Closed> {
        self.queue.ask(WriteCommand::Flush).await
    }

    /// Commits what is queued and closes the file; everything later fails with [`Closed`].
    ///
    /// If the disk fails it is tried for a few more seconds; what could not be kept is counted in the log.
    pub async fn close(&self) {
        let mut closed = self.state.closed.subscribe();
        self.state.begin_closing();
        // The connection that closes last tidies the folder up, and only the writer's can.
        self.readers.close();
        // Fails only if it is closed already.
        let _sent = self.queue.send_close().await;
        // Fails only if the writer is gone, which is what this waits for.
        let _gone = closed.wait_for(|it| *it).await;
    }

    /// Whether the last write succeeded. `false` lasts until the disk takes writes again.
    pub fn healthy(&self) -> bool {
        self.state.healthy.load(Ordering::Relaxed)
    }
}
