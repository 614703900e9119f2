//! The inbox: events that are kept for their user until they are read, too old or too many.
//!
//! Whatever changes an inbox is committed first; then all sockets of the user hear `userline:inbox` with the new
//! numbers, so that every tab shows the same.

mod keep;
mod replay;
mod view;

pub use keep::{KeptEmit, Stored};
pub use view::{page_view, state_view};

use super::Realtime;
use crate::core::inbox::{InboxPage, InboxState, PageQuery, SeenItems};
use crate::core::protocol::packet;
use crate::registry::Socket;
use crate::store::{Closed, DatabaseError, ReadError};
use crate::types::{ItemSeq, Payload, ServerEvent, UserId, WallMs};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::future::Future;
use std::time::Duration;
use thiserror::Error;

/// How long somebody may wait for the store.
pub const STORE_WAIT: Duration = Duration::from_secs(10);

/// Why an inbox cannot be read or changed.
#[derive(Debug, Error)]
pub enum InboxError {
    /// The disk takes nothing for the moment. What was asked for may still be done.
    #[error("the server's disk takes nothing for the moment")]
    Waiting,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed,
    /// The database cannot be read.
    #[error("the server failed; its log says more")]
    Database(#[source] DatabaseError),
}

impl InboxError {
    /// The stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Waiting | Self::Closed => "unavailable",
            Self::Database(_) => "internal",
        }
    }
}

impl From<Closed> for InboxError {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<ReadError> for InboxError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Closed => Self::Closed,
            ReadError::Database(source) => Self::Database(source),
        }
    }
}

impl Realtime {
    /// The time by which items are old.
    pub(super) fn inbox_time(&self) -> WallMs {
        self.inbox.inboxes.time(self.clock.wall(), self.clock.now())
    }

    /// A page of a user's inbox.
    pub async fn inbox(&self, user: &UserId, query: PageQuery) -> Result<InboxPage, InboxError> {
        let page = self.inbox.inboxes.page(user, query, self.inbox_time());
        in_time(page).await
    }

    /// Marks items of a user as read, for all of the user's sockets; answers with the inbox afterwards.
    pub async fn mark_read(
        &self,
        user: &UserId,
        seen: SeenItems,
    ) -> Result<InboxState, InboxError> {
        let state = in_time(self.inbox.inboxes.mark(user, seen, self.inbox_time())).await?;
        self.tell_inbox(user, state);
        Ok(state)
    }

    /// Takes an item out of a user's inbox; answers with the inbox afterwards, `None` if there is no such item.
    pub async fn delete_item(
        &self,
        user: &UserId,
        seq: ItemSeq,
    ) -> Result<Option<InboxState>, InboxError> {
        let state = in_time(self.inbox.inboxes.delete(user, seq, self.inbox_time())).await?;
        if let Some(state) = state {
            self.tell_inbox(user, state);
        }
        Ok(state)
    }

    /// Bytes that may wait for one client.
    pub fn client_buffer_bytes(&self) -> usize {
        self.limits.buffer_bytes
    }

    /// Tells the sockets of users whose items have expired, as long as it runs.
    pub async fn run_inbox_expiry(self) {
        loop {
            for (user, state) in self.inbox.inboxes.expired().await {
                self.tell_inbox(&user, state);
            }
        }
    }

    /// Tells all sockets of a user, in all namespaces, what the inbox is like, unless they know already.
    fn tell_inbox(&self, user: &UserId, state: InboxState) {
        let (_, sockets) = self.sockets.user(user);
        for socket in &sockets {
            self.tell_numbers(socket, state);
        }
    }

    /// Tells a socket what the inbox is like, unless it knows that or newer.
    fn tell_numbers(&self, socket: &Socket, state: InboxState) {
        socket.tell_inbox(state, || self.send_own(socket, ServerEvent::Inbox, &state_view(state)));
    }

    /// Sends one of the server's own events.
    fn send_own(&self, socket: &Socket, name: ServerEvent, argument: &impl Serialize) {
        let argument = to_raw_value(argument).ok();
        let Some(payload) = argument.and_then(|it| Payload::try_new(vec![it]).ok()) else { return };
        let event = |offset: Option<&str>| {
            packet::event(&socket.namespace, name.json_name(), &payload, offset)
        };
        let Some(recovery) = self.recoveries.of(&socket.namespace) else {
            socket.connection.send(&event(None));
            return;
        };
        let recovery = recovery.lock();
        // Queued under the lock: after an event with a newer offset it would set the client back, and that event would
        // come twice.
        socket.connection.queue(&event(Some(&recovery.head().to_string())), false);
        drop(recovery);
        socket.connection.flush_queued();
    }
}

pub(super) async fn in_time<T, E: Into<InboxError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, InboxError> {
    let done = tokio::time::timeout(STORE_WAIT, work).await;
    match done {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(InboxError::Waiting),
    }
}
