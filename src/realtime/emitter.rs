//! An event for users, rooms or sockets: encoded once, handed to every connection it is for.
//!
//! ```text
//!   audience ─► groups: the sockets of each name ─► fanout: each socket once ─┬► few: written at once
//!                                                                             ├► many: queued, the pump writes
//!                                                                             └► recovery: logged and queued
//! ```

mod ack_budget;
mod asking;
mod counters;
mod fanout;
mod groups;
mod recent;

pub use ack_budget::{AckBudget, AckShare};
pub use asking::{PendingAcks, Recipients, TooManyRecipients};
pub use groups::addressed;
pub use recent::RecentEmit;

use super::sockets::Sockets;
use crate::clock::Clock;
use crate::connection::{Pump, Sent};
use crate::core::emit::message::Emit;
use crate::core::presence::session::PresenceStatus;
use crate::core::protocol::packet;
use crate::core::recovery::Offset;
use crate::entropy;
use crate::recovery::{Logged, NamespaceRecovery, Recoveries};
use crate::registry::Socket;
use crate::types::UserId;
use bytes::Bytes;
use counters::EmitCounters;
use fanout::{Fanout, NotSent, SentCounts};
use recent::RecentEmits;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Sockets whose event is queued between two yields, so that one large room does not hold up everybody else.
const QUEUE_SLICE: usize = 4096;

/// Sends events to the sockets of this node.
#[derive(Debug)]
pub struct Emitter {
    sockets: Sockets,
    recoveries: Recoveries<Arc<Socket>>,
    /// Writes to the many.
    pump: Pump,
    recent: RecentEmits,
    clock: Clock,
    counters: EmitCounters,
    /// The ack id of the last emit that asked for acks.
    last_ack_id: AtomicU64,
}

/// What became of an emit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Names the emit, for logs and for whoever asks later what became of it.
    pub id: String,
    /// Sockets it was for.
    pub matched: usize,
    /// Sockets whose connection took it.
    pub sent: usize,
    /// The same for each user that was named, in the order they were named.
    pub users: Vec<(UserId, UserEmitted)>,
}

/// What became of an emit for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserEmitted {
    /// The user's status at that moment.
    pub status: PresenceStatus,
    /// Sockets of the user it was for.
    pub matched: usize,
    /// Sockets of the user whose connection took it.
    pub sent: usize,
}

impl Emitter {
    /// Counts emits where the process counts by now, and remembers the last `recent` of them.
    pub fn new(
        sockets: Sockets,
        recoveries: Recoveries<Arc<Socket>>,
        pump: Pump,
        recent: usize,
        clock: Clock,
    ) -> Self {
        Self {
            sockets,
            recoveries,
            pump,
            recent: RecentEmits::new(recent),
            clock,
            counters: EmitCounters::new(),
            last_ack_id: AtomicU64::new(0),
        }
    }

    /// A name for an emit that nobody else has: `msg_` and 20 characters.
    pub fn fresh_id() -> String {
        entropy::token("msg_")
    }

    /// Emits under the name `id`; an offline user is an answer, not an error. Events emitted one after the other, each
    /// after the answer to the one before, arrive at each socket in that order.
    pub async fn emit(&self, id: String, emit: &Emit) -> Emitted {
        let counts = match self.deliver_at_once(emit) {
            Ok(counts) => counts,
            Err(fanout) => self.deliver_in_slices(emit, *fanout).await,
        };
        self.emitted(id, emit, counts)
    }

    /// Emits without waiting, if that is short work; else, for very many sockets, nothing is done.
    pub fn emit_at_once(&self, emit: &Emit) -> Option<Emitted> {
        let counts = self.deliver_at_once(emit).ok()?;
        Some(self.emitted(Self::fresh_id(), emit, counts))
    }

    /// The last emits, the newest first.
    pub fn recent(&self) -> Vec<Arc<RecentEmit>> {
        self.recent.all()
    }

    /// Takes a user out of what is remembered of the last emits.
    pub(super) fn erase(&self, user: &UserId) {
        self.recent.erase(user);
    }

    /// The sockets that it sends to.
    pub(super) fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// An emit is done: counted, and remembered.
    fn emitted(&self, id: String, emit: &Emit, counts: SentCounts) -> Emitted {
        self.counters.count(&counts);
        let SentCounts { matched, sent, users, dropped: _ } = counts;
        let emitted = Emitted { id, matched, sent, users };
        self.recent.remember(emit, &emitted, self.clock.wall());
        emitted
    }

    /// Gives the fanout back, not begun, if it is for very many.
    fn deliver_at_once<'a>(&self, emit: &'a Emit) -> Result<SentCounts, Box<Fanout<'a>>> {
        if let Some(recovery) = self.recoveries.of(&emit.audience.namespace) {
            return Ok(self.deliver_logged(emit, recovery));
        }
        let mut fanout = self.fanout(emit);
        let sockets = fanout.sockets();
        if QUEUE_SLICE < sockets {
            return Err(Box::new(fanout));
        }
        let event = encode(emit, None);
        match self.pump.batch_for(sockets) {
            None => fanout.finish(|socket| {
                let connection = &socket.connection;
                was_sent(if emit.volatile {
                    connection.send_volatile(&event)
                } else {
                    connection.send(&event)
                })
            }),
            Some(mut batch) => fanout
                .finish(|socket| was_sent(batch.send(&socket.connection, &event, emit.volatile))),
        }
        Ok(fanout.end())
    }

    /// Queues for very many, who are written to afterwards.
    async fn deliver_in_slices(&self, emit: &Emit, mut fanout: Fanout<'_>) -> SentCounts {
        let event = encode(emit, None);
        let mut batch = self.pump.batch();
        while fanout.advance(QUEUE_SLICE, |socket| {
            was_sent(batch.send(&socket.connection, &event, emit.volatile))
        }) {
            tokio::task::yield_now().await;
        }
        fanout.end()
    }

    /// Where there is recovery: the event is numbered, logged and queued in one step, in turn with those who connect; what
    /// was queued is written after. A volatile event is not logged.
    fn deliver_logged(&self, emit: &Emit, recovery: &NamespaceRecovery<Arc<Socket>>) -> SentCounts {
        // Writes when recovery is done with the event, because it is made before.
        let mut batch = self.pump.batch();
        let encode = |offset: &Offset| encode(emit, Some(&offset.to_string()));
        if emit.volatile {
            return recovery.announce(|offset| {
                let (event, mut fanout) = (encode(offset), self.fanout(emit));
                fanout.finish(|socket| was_sent(batch.send(&socket.connection, &event, true)));
                fanout.end()
            });
        }
        let find = || {
            let fanout = self.fanout(emit);
            let is_any = 0 < fanout.sockets();
            (fanout, is_any)
        };
        recovery.append(&emit.audience, encode, find, |mut fanout, Logged { frame, number }| {
            fanout.finish(|socket| {
                socket.address(number);
                was_sent(batch.send(&socket.connection, &frame, false))
            });
            fanout.end()
        })
    }

    fn fanout<'a>(&self, emit: &'a Emit) -> Fanout<'a> {
        Fanout::new(groups::find(&self.sockets, &emit.audience), &emit.audience)
    }
}

/// The frames of an event, for every socket the same.
fn encode(emit: &Emit, offset: Option<&str>) -> Bytes {
    packet::event(&emit.audience.namespace, &emit.event.to_json(), &emit.payload, offset)
}

fn was_sent(sent: Sent) -> Result<(), NotSent> {
    match sent {
        Sent::Yes => Ok(()),
        Sent::Dropped => Err(NotSent::Volatile),
        Sent::Closed => Err(NotSent::Closed),
    }
}

#[cfg(test)]
mod tests;
