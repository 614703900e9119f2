//! The way to the writer: a bounded queue of commands.

use super::command::{Attaching, WriteCommand};
use super::error::Closed;
use super::shares::{PLACES, PlaceFor, Shares, WriterPlace};
use super::state::StoreState;
use crate::types::{Change, UserId, UserNews};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Commands that may wait for the writer: one for each place of either kind, and the last one.
const QUEUE: usize = 2 * PLACES + 1;

/// The way to the writer. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct WriterQueue {
    commands: mpsc::Sender<Queued>,
    shares: Arc<Shares>,
    state: Arc<StoreState>,
}

/// The writer's end of the queue. When it is closed or dropped, nobody waits for a place any more.
#[derive(Debug)]
pub(super) struct QueueEnd {
    commands: mpsc::Receiver<Queued>,
    shares: Arc<Shares>,
}

/// A command that waits for the writer.
#[derive(Debug)]
struct Queued {
    command: WriteCommand,
    /// Given back when the writer takes the command.
    _place: Option<WriterPlace>,
}

/// Ends well when something is on disk, and with an error if it never will be.
pub type Committed = oneshot::Receiver<()>;

/// A reserved place in the writer's queue, for one presence change, or for what is news of one user at one moment.
#[derive(Debug)]
pub struct Permit {
    slot: mpsc::OwnedPermit<Queued>,
    place: WriterPlace,
}

impl Permit {
    /// Queues the change. Never blocks, never fails; changes are committed in the order of these calls.
    ///
    /// A change that was recorded before (same user and sequence number) is ignored.
    pub fn record(self, change: Change) {
        self.send(WriteCommand::Record(change));
    }

    /// The same for several things about one user, in their order; all are committed together.
    pub fn record_all(self, news: Vec<UserNews>) {
        self.send(WriteCommand::RecordAll(news));
    }

    /// The same for what is attached to a session. The answer comes when that is committed.
    pub fn attach(self, to: Attaching) -> Committed {
        let (reply, answer) = oneshot::channel();
        self.send(WriteCommand::Attach { to, reply });
        answer
    }

    fn send(self, command: WriteCommand) {
        self.slot.send(Queued { command, _place: Some(self.place) });
    }
}

impl WriterQueue {
    /// A queue, and the end of it for the writer.
    pub(super) fn new(state: &Arc<StoreState>) -> (Self, QueueEnd) {
        let (commands, queued) = mpsc::channel(QUEUE);
        let shares = Arc::new(Shares::new());
        let end = QueueEnd { commands: queued, shares: Arc::clone(&shares) };
        (Self { commands, shares, state: Arc::clone(state) }, end)
    }

    /// Waits for a place for one presence change, which with a user is also one of the user's places.
    pub(super) async fn reserve(&self, user: Option<&UserId>) -> Result<Permit, Closed> {
        let place = self.shares.take(PlaceFor::Change, user).await?;
        // There is a slot for each place.
        let slot = self.commands.clone().reserve_owned().await.map_err(|_| Closed)?;
        Ok(Permit { slot, place })
    }

    /// Queues a command if there is a place now; says whether there was.
    pub(super) fn try_send(&self, command: WriteCommand) -> bool {
        let Some(place) = self.shares.try_take(PlaceFor::Request) else { return false };
        self.commands.try_send(Queued { command, _place: Some(place) }).is_ok()
    }

    /// Queues the command that ends the writer.
    pub(super) async fn send_close(&self) -> Result<(), Closed> {
        let last = Queued { command: WriteCommand::Close, _place: None };
        self.commands.send(last).await.map_err(|_| Closed)
    }

    /// Queues a command and waits for its answer, for which the writer cuts its rest short.
    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> WriteCommand,
    ) -> Result<T, Closed> {
        self.ask_hurrying(None, command).await
    }

    /// The same for something that a user may bring about, on one of the user's places.
    pub(super) async fn ask_for<T>(
        &self,
        user: &UserId,
        command: impl FnOnce(oneshot::Sender<T>) -> WriteCommand,
    ) -> Result<T, Closed> {
        self.ask_hurrying(Some(user), command).await
    }

    /// Queues a command and waits for its answer, which comes when the writer has rested: committed with others, the
    /// command costs less.
    pub(super) async fn ask_without_hurry<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> WriteCommand,
    ) -> Result<T, Closed> {
        self.queue(None, command).await?.await.map_err(|_| Closed)
    }

    async fn ask_hurrying<T>(
        &self,
        user: Option<&UserId>,
        command: impl FnOnce(oneshot::Sender<T>) -> WriteCommand,
    ) -> Result<T, Closed> {
        let answer = self.queue(user, command).await?;
        self.state.call();
        answer.await.map_err(|_| Closed)
    }

    async fn queue<T>(
        &self,
        user: Option<&UserId>,
        command: impl FnOnce(oneshot::Sender<T>) -> WriteCommand,
    ) -> Result<oneshot::Receiver<T>, Closed> {
        let place = self.shares.take(PlaceFor::Request, user).await?;
        let (reply, answer) = oneshot::channel();
        let queued = Queued { command: command(reply), _place: Some(place) };
        self.commands.send(queued).await.map_err(|_| Closed)?;
        Ok(answer)
    }
}

impl QueueEnd {
    /// Waits for commands and takes those that are there, at most `max`; none if the queue is closed and empty.
    pub(super) fn take(&mut self, max: usize) -> Vec<WriteCommand> {
        let mut queued = Vec::new();
        self.commands.blocking_recv_many(&mut queued, max);
        queued.into_iter().map(|it| it.command).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.commands.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Takes no more than what has a place by now.
    pub(super) fn close(&mut self) {
        self.commands.close();
        self.shares.close();
    }
}

impl Drop for QueueEnd {
    fn drop(&mut self) {
        self.close();
    }
}
