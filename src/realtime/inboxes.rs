//! The inboxes, as their owners see them: events that are kept for their user until they are read, too old or too many.
//!
//! Whatever changes an inbox is committed first; then all sockets of the user hear `userline:inbox` with the new
//! numbers, so that every tab shows the same. In a cluster it is kept where all nodes agree, and the other nodes are told of the
//! numbers by whichever has changed them.

mod keeper;
mod replay;
mod view;

pub use keeper::{InboxKeeper, PutError};
pub use view::{page_view, state_view};

use super::notices::Notices;
use crate::clock::Clock;
use crate::cluster::{Bus, InboxesError};
use crate::config::InboxConfig;
use crate::core::cluster::bus::words::BusRequest;
use crate::core::emit::message::{Emit, StoreOptions};
use crate::core::inbox::{
    InboxPage, InboxState, Naming, NewItem, PageQuery, Placed, Put, Putting, SeenItems,
};
use crate::registry::Socket;
use crate::store::{Closed, DatabaseError, ReadError};
use crate::tasks::Tasks;
use crate::types::{ItemId, ItemSeq, ServerEvent, UserId, WallMs, millis};
use futures_util::StreamExt as _;
use futures_util::stream;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::sleep;

/// How long somebody may wait for the store.
pub(super) const STORE_WAIT: Duration = Duration::from_secs(10);
/// The part of a client's buffer that a page may fill: recovery and live events need the rest.
const BUFFER_PART: usize = 4;
/// Inboxes that other nodes are told of at once.
const TOLD_AT_ONCE: usize = 1000;
/// Inboxes that are looked at at once.
const LOOKS_AT_ONCE: usize = 64;
/// When what could not be looked at is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The inboxes, whose changes the sockets of their users hear.
#[derive(Debug)]
pub struct LiveInboxes {
    keeper: InboxKeeper,
    /// The other nodes, if there are any.
    bus: Option<Bus>,
    bounds: InboxBounds,
    notices: Notices,
    clock: Clock,
    /// Clients that connect get what they missed here.
    tasks: Tasks,
    /// Something was missed that other nodes said of inboxes.
    missed: Notify,
}

/// How much inboxes keep and clients get.
#[derive(Debug, Clone, Copy)]
pub struct InboxBounds {
    /// How long and how much they keep.
    pub config: InboxConfig,
    /// Bytes that may wait for one client.
    pub buffer_bytes: usize,
    /// Whether guests have inboxes.
    pub of_guests: bool,
}

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
    /// They are kept where all nodes agree, and that cannot be reached. What was asked for may be done all the same.
    #[error(transparent)]
    Cluster(#[from] InboxesError),
}

impl InboxError {
    /// The stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Waiting | Self::Closed | Self::Cluster(_) => "unavailable",
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

impl LiveInboxes {
    /// `tasks` must run as long as clients connect. What changes is told to the nodes of the bus, too.
    pub fn new(
        (keeper, bus): (InboxKeeper, Option<Bus>),
        bounds: InboxBounds,
        notices: Notices,
        clock: Clock,
        tasks: Tasks,
    ) -> Self {
        Self { keeper, bus, bounds, notices, clock, tasks, missed: Notify::new() }
    }

    /// A page of a user's inbox.
    pub async fn page(&self, user: &UserId, query: PageQuery) -> Result<InboxPage, InboxError> {
        self.keeper.page(user, query, &self.clock).await
    }

    /// Marks items of a user as read, for all of the user's sockets; answers with the inbox afterwards.
    pub async fn mark_read(
        &self,
        user: &UserId,
        seen: SeenItems,
    ) -> Result<InboxState, InboxError> {
        let state = self.keeper.mark(user, seen, &self.clock).await?;
        self.tell_all(&[(user.clone(), state)]);
        Ok(state)
    }

    /// Takes an item out of a user's inbox; answers with the inbox afterwards, `None` if there is no such item.
    pub async fn delete_item(
        &self,
        user: &UserId,
        seq: ItemSeq,
    ) -> Result<Option<InboxState>, InboxError> {
        let state = self.keeper.delete(user, seq, &self.clock).await?;
        if let Some(state) = state {
            self.tell_all(&[(user.clone(), state)]);
        }
        Ok(state)
    }

    /// Whether a user has an inbox: of guests, nothing may be kept.
    pub(super) fn is_of(&self, user: &UserId) -> bool {
        self.bounds.of_guests || !user.is_guest()
    }

    /// Bytes that a page for a client may have.
    pub fn page_bytes_max(&self) -> usize {
        self.bounds.buffer_bytes / BUFFER_PART
    }

    /// Bytes of the inboxes of all nodes of a cluster; 0 where there is none.
    pub fn bytes(&self) -> usize {
        self.keeper.bytes()
    }

    /// Tells the sockets of users whose items have expired, as long as it runs.
    pub async fn run_expiry(self: Arc<Self>) {
        loop {
            let expired: Vec<_> = self.keeper.expired().await.into_iter().collect();
            self.tell_all(&expired);
        }
    }

    /// What other nodes said of inboxes may not have been heard: all that clients here have are looked at.
    pub(super) fn look_at_all(&self) {
        self.missed.notify_one();
    }

    /// Tells clients of inboxes of which something was missed what these are like by now, as long as it runs.
    pub async fn run_looks(self: Arc<Self>) {
        loop {
            self.missed.notified().await;
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "what inboxes are like will be told later");
                self.missed.notify_one();
                sleep(LOOK_AGAIN).await;
            }
        }
    }

    async fn look(&self) -> Result<(), InboxError> {
        let mut users = self.notices.users();
        users.retain(|it| self.is_of(it));
        let ask = |user: UserId| async move {
            let state = self.keeper.state(&user, &self.clock).await?;
            Ok::<_, InboxError>((user, state))
        };
        let mut asked = stream::iter(users).map(ask).buffer_unordered(LOOKS_AT_ONCE);
        while let Some((user, state)) = asked.next().await.transpose()? {
            // Of somebody who never had an inbox nothing is told.
            if state != InboxState::default() {
                self.tell(&user, state);
            }
        }
        Ok(())
    }

    /// Where the item is or was that came from this emit, or that its sender named so; at most 1000 places.
    pub(super) async fn placed(&self, id: &str) -> Result<Vec<Placed>, InboxError> {
        self.keeper.placed(id, &self.clock).await
    }

    /// What is put into inboxes for an emit with the id `message`.
    pub(super) fn new_item(&self, message: &str, emit: &Emit, options: StoreOptions) -> NewItem {
        let StoreOptions { keep: _, ttl, collapse_key, id: given } = options;
        let naming = if given.is_some() { Naming::Given } else { Naming::Made };
        let InboxConfig { keep, max_per_user } = self.bounds.config;
        let at = self.clock.wall();
        NewItem {
            id: given.unwrap_or_else(|| made(message)),
            naming,
            message: message.to_owned(),
            namespace: emit.audience.namespace.clone(),
            event: emit.event.clone(),
            payload: emit.payload.clone(),
            collapse_key,
            at,
            time: self.keeper.time(&self.clock),
            expires: later(at, ttl.unwrap_or(keep).min(keep)),
            remembered_until: later(at, keep),
            count_max: max_per_user,
        }
    }

    /// Puts an item into inboxes, or looks for it there. Answers in the order of `users`; `None` for one that was looked
    /// for and is not there. Tells nobody.
    pub(super) async fn put(
        &self,
        item: NewItem,
        users: &[(UserId, Putting)],
    ) -> Result<Vec<Option<Put>>, PutError> {
        self.keeper.put(item, users).await
    }

    /// Tells all sockets of users, on all nodes, what their inboxes are like.
    pub(super) fn tell_all(&self, states: &[(UserId, InboxState)]) {
        self.tell_here(states);
        let Some(bus) = &self.bus else { return };
        for states in states.chunks(TOLD_AT_ONCE) {
            // What is not said now because too much waits is said with the next change.
            let _later = bus.announce(BusRequest::Inboxes(states.to_vec()));
        }
    }

    /// The same on this node alone.
    pub(super) fn tell_here(&self, states: &[(UserId, InboxState)]) {
        for (user, state) in states {
            self.tell(user, *state);
        }
    }

    /// Tells all sockets of a user that are here, in all namespaces, what the inbox is like, unless they know already.
    pub(super) fn tell(&self, user: &UserId, state: InboxState) {
        for socket in &self.notices.sockets_of(user) {
            self.tell_socket(socket, state);
        }
    }

    /// Tells a socket what the inbox is like, unless it knows that or newer.
    fn tell_socket(&self, socket: &Socket, state: InboxState) {
        socket.tell_inbox(state, || {
            self.notices.send(socket, ServerEvent::Inbox, &state_view(state));
        });
    }
}

/// Work of the store, which may take so long.
pub(super) async fn in_time<T, E: Into<InboxError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, InboxError> {
    let done = tokio::time::timeout(STORE_WAIT, work).await;
    match done {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(InboxError::Waiting),
    }
}

#[expect(clippy::expect_used, reason = "`msg_` and 20 characters of base64 are a valid id")]
fn made(id: &str) -> ItemId {
    ItemId::parse(id).expect("a made id is valid")
}

fn later(at: WallMs, after: Duration) -> WallMs {
    WallMs(at.0.saturating_add(millis(after)))
}

#[cfg(test)]
mod tests;
