//! What survives a restart: who is online, what happened, and which hooks are still to be sent; a database in `data_dir`.
//!
//! ```text
//!   reserve() ─▶ Permit ─record()─▶ ┌───────────────┐        ┌──────────────┐ one transaction for all that waits:
//!   settle() ──────────────────────▶│ bounded queue │───────▶│ writer thread│ presence + event + deliveries
//!   replay(), alive(), flush() ────▶└───────────────┘        └──────┬───────┘
//!   events(), deliveries(), … ──────▶ a few read-only connections   └─▶ committed(): watch, fresh hooks at hand
//! ```
//!
//! A change is durable (in the file, synced) before anyone can see it: hooks, `events` and `committed` know committed
//! rows only. Presence and the hooks that tell of it change in one transaction, so a crash at any point leaves either
//! both or neither.

mod deliveries;
mod error;
mod events;
mod file;
mod fresh;
mod inbox;
mod orphans;
mod prune;
mod readers;
mod record;
mod replay;
mod schema;
mod settle;
mod shared;
#[cfg(test)]
mod tests;
mod undelivered;
mod writer;

pub use deliveries::{Deliveries, Delivery, DeliveryFilter, DeliveryState, Payload};
pub use error::{Closed, DatabaseError, OpenError, ReadError, ReplayError};
pub use events::{Event, Events};
pub use inbox::Inboxes;
pub use replay::{DeadRange, Replayed};
pub use settle::{Next, Settlement};
pub use shared::EndpointId;
pub use undelivered::NoHook;

use crate::config::{HooksConfig, StoreConfig};
use crate::core::delivery::decision::DeliveryId;
use crate::types::{Change, Seq, Timestamp, UserId, WallMs};
use readers::Readers;
use shared::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot, watch};
use writer::Command;

/// Commands that wait for the writer: at a few thousand commits' worth, whoever brings more waits.
const QUEUE: usize = 10_000;
/// How often the time of [`Store::alive`] is written down.
const ALIVE_EVERY_MS: u64 = 5000;

/// The store of this process. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    commands: mpsc::Sender<Command>,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
    outbox: Arc<undelivered::Outbox>,
}

/// What an earlier life left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Users who were online, by user.
    pub sessions: Vec<OpenSession>,
    /// The highest sequence number ever recorded; zero if there was none.
    pub last_seq: Seq,
    /// When that life was last known to run.
    pub alive_at: Option<WallMs>,
}

/// A session whose end was not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub session: Seq,
    /// When it began.
    pub since: WallMs,
}

/// Room for one change in the writer's queue.
#[derive(Debug)]
pub struct Permit(mpsc::OwnedPermit<Command>);

impl Permit {
    /// Queues the change: never blocks, never fails; changes are committed in the order of these calls.
    ///
    /// A change that was recorded before (same user and sequence number) is ignored.
    pub fn record(self, change: Change) {
        self.0.send(Command::Record(change));
    }
}

impl Store {
    /// Opens the database in `data_dir`, made if missing, brings it up to date and takes it for this process alone.
    ///
    /// Blocks; call it before anything is served. Hooks that wait for an endpoint that is no longer configured wait on,
    /// and become dead letters when they would have been given up.
    pub fn open(config: &StoreConfig, hooks: &HooksConfig) -> Result<(Self, Recovered), OpenError> {
        let lock = file::lock(&config.data_dir)?;
        let mut db = file::open(&config.data_dir)?;
        let (shared, recovered) = schema::recover(&mut db, hooks, config.keep_items)?;
        let shared = Arc::new(shared);
        let (commands, queue) = mpsc::channel(QUEUE);
        let rules = record::Rules::new(hooks, &shared);
        let outbox = Arc::new(undelivered::Outbox::new(hooks, &shared));
        let shared_too = Arc::clone(&shared);
        let tidying = writer::Tidying::new(config.keep_events, hooks.retry_for, &shared);
        let writer = writer::Writer::new(db, lock, rules, shared_too, tidying);
        writer.start(queue).map_err(OpenError::Thread)?;
        let readers = Arc::new(Readers::new(&config.data_dir));
        Ok((Self { commands, readers, shared, outbox }, recovered))
    }

    /// Waits for room for one change; while the disk fails this waits, so nothing is accepted that cannot be kept.
    pub async fn reserve(&self) -> Result<Permit, Closed> {
        self.commands.clone().reserve_owned().await.map(Permit).map_err(|_| Closed)
    }

    /// Notes that the process runs at `at`, which is `now` by the monotonic clock; written down every few seconds, for
    /// [`Recovered::alive_at`]. What is too old is deleted then.
    pub fn alive(&self, at: WallMs, now: Timestamp) {
        let noted = self.shared.alive_at.load(Ordering::Relaxed);
        if ALIVE_EVERY_MS <= at.0.abs_diff(noted)
            // A full queue means that the writer is busy: the next call will do.
            && self.commands.try_send(Command::Alive(at, now)).is_ok()
        {
            self.shared.alive_at.store(at.0, Ordering::Relaxed);
        }
    }

    /// Waits until everything recorded before is committed.
    pub async fn flush(&self) -> Result<(), Closed> {
        self.ask(Command::Flush).await
    }

    /// Commits what is queued and closes the file; everything later fails with [`Closed`].
    ///
    /// If the disk fails it is tried for a few more seconds; what could not be kept is counted in the log.
    pub async fn close(&self) {
        let mut closed = self.shared.closed.subscribe();
        self.shared.begin_closing();
        // Fails only if it is closed already.
        let _sent = self.commands.send(Command::Close).await;
        // Fails only if the writer is gone, which is what this waits for.
        let _gone = closed.wait_for(|it| *it).await;
        self.readers.close();
    }

    /// The number of events committed in this life; changes whenever there are new ones, and when hooks are replayed.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.shared.committed.subscribe()
    }

    /// Whether the last write succeeded. `false` lasts until the disk takes writes again.
    pub fn healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::Relaxed)
    }

    /// The configured endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<EndpointId> {
        self.shared.endpoints.iter().find(|it| it.name == name).map(|it| it.id)
    }

    /// Undelivered hooks of a configured endpoint.
    pub fn backlog(&self, endpoint: EndpointId) -> u64 {
        self.shared.endpoint(endpoint).map_or(0, |it| it.pending.load(Ordering::Relaxed))
    }

    /// Records what became of hooks of one endpoint. Answers, once that is committed and in the same order, with the
    /// next undelivered hook of each user whose hook is not to be retried.
    pub async fn settle(
        &self,
        endpoint: EndpointId,
        settlements: Vec<Settlement>,
    ) -> Result<Vec<Next>, Closed> {
        // Not in a hurry: what is settled with others costs less.
        self.queue(|reply| Command::Settle { endpoint, settlements, reply })
            .await?
            .await
            .map_err(|_| Closed)
    }

    /// Sends one ended hook again, with its old `webhook-id`; its time to be retried begins at `at`.
    pub async fn replay(&self, id: DeliveryId, at: WallMs) -> Result<(), ReplayError> {
        self.ask(|reply| Command::Replay { id, at, reply }).await?
    }

    /// Sends dead letters of one endpoint again, at most 10,000 at a time, the oldest first.
    pub async fn replay_dead(&self, range: DeadRange, at: WallMs) -> Result<Replayed, Closed> {
        self.ask(|reply| Command::ReplayDead { range, at, reply }).await
    }

    /// The lowest id that a replay has put back since the last call, for the endpoint's dispatcher.
    pub fn take_rewind(&self, endpoint: EndpointId) -> Option<DeliveryId> {
        self.shared.rewinds.lock().remove(&endpoint)
    }

    /// Asks the writer and waits for its answer, with which it does not take its time.
    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Closed> {
        let answer = self.queue(command).await?;
        self.shared.call();
        answer.await.map_err(|_| Closed)
    }

    async fn queue<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<oneshot::Receiver<T>, Closed> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Closed)?;
        Ok(answer)
    }
}
