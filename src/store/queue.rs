//! The way to the writer: a bounded queue of commands.

use super::command::WriteCommand;
use super::error::Closed;
use super::state::StoreState;
use crate::types::Change;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Commands that may wait for the writer; whoever brings more waits. It takes them in a few thousand commits.
const QUEUE: usize = 10_000;

/// The way to the writer. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct WriterQueue {
    commands: mpsc::Sender<WriteCommand>,
    state: Arc<StoreState>,
}

/// A reserved place in the writer's queue, for one presence change.
#[derive(Debug)]
pub struct Permit(mpsc::OwnedPermit<WriteCommand>);

impl Permit {
    /// Queues the change. Never blocks, never fails; changes are committed in the order of these calls.
    ///
    /// A change that was recorded before (same user and sequence number) is ignored.
    pub fn record(self, change: Change) {
        self.0.send(WriteCommand::Record(change));
    }
}

impl WriterQueue {
    /// A queue, and the end of it for the writer.
    pub(super) fn new(state: &Arc<StoreState>) -> (Self, mpsc::Receiver<WriteCommand>) {
        let (commands, queue) = mpsc::channel(QUEUE);
        (Self { commands, state: Arc::clone(state) }, queue)
    }

    pub(super) async fn reserve(&self) -> Result<Permit, Closed> {
        self.commands.clone().reserve_owned().await.map(Permit).map_err(|_| Closed)
    }

    /// Queues a command if there is room; says whether there was.
    pub(super) fn try_send(&self, command: WriteCommand) -> bool {
        self.commands.try_send(command).is_ok()
    }

    /// Queues the command that ends the writer.
    pub(super) async fn send_close(&self) -> Result<(), Closed> {
        self.commands.send(WriteCommand::Close).await.map_err(|_| Closed)
    }

    /// Queues a command and waits for its answer, for which the writer cuts its rest short.
    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> WriteCommand,
    ) -> Result<T, Closed> {
        let answer = self.queue(command).await?;
        self.state.call();
        answer.await.map_err(|_| Closed)
    }

    /// Queues a command and waits for its answer, which comes when the writer has rested: committed with others, the
    /// command costs less.
    pub(super) async fn ask_without_hurry<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> WriteCommand,
    ) -> Result<T, Closed> {
        self.queue(command).await?.await.map_err(|_| Closed)
    }

    async fn queue<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> WriteCommand,
    ) -> Result<oneshot::Receiver<T>, Closed> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Closed)?;
        Ok(answer)
    }
}
