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
mod elsewhere;
mod fanout;
mod groups;
mod other_acks;
mod recent;

pub use crate::core::cluster::bus::words::UserEmitted;
pub use ack_budget::{AckBudget, AckShare};
pub use asking::{NotAsked, PendingAcks, Recipients, TooManyRecipients};
pub use groups::addressed;
pub use recent::RecentEmit;

use super::sockets::Sockets;
use crate::clock::Clock;
use crate::cluster::{Answers, AskedNodes, Bus, BusError, MissingNodes};
use crate::connection::{Pump, Sent};
use crate::core::cluster::bus::words::{EmitCounts, NodeAnswer};
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
    /// The other nodes, if there are any.
    bus: Option<Bus>,
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
    /// The nodes of which that is not known.
    pub missing: MissingNodes,
}

/// An emit that is done here; other nodes may be at it.
#[derive(Debug)]
pub struct Emitting {
    /// What became of it here.
    pub emitted: Emitted,
    /// What becomes of it elsewhere. Whoever drops it does not wait for that.
    pub others: Option<OtherNodes>,
}

/// The other nodes, which are at an emit.
#[derive(Debug)]
pub struct OtherNodes {
    asked: AskedNodes,
    bus: Bus,
}

/// Why an emit was not done at once: nothing was sent.
enum NotAtOnce<'a> {
    /// It is for very many.
    Large(Box<Fanout<'a>>),
    /// The other nodes cannot be asked.
    Bus,
}

impl Emitter {
    /// Counts emits where the process counts by now, and remembers the last `recent` of them. What it sends goes to the nodes
    /// of `bus` too.
    pub fn new(
        sockets: Sockets,
        recoveries: Recoveries<Arc<Socket>>,
        (pump, bus): (Pump, Option<Bus>),
        recent: usize,
        clock: Clock,
    ) -> Self {
        Self {
            sockets,
            recoveries,
            pump,
            bus,
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
    /// after the answer to the one before, arrive at each socket in that order. After an error nobody was sent the event.
    pub async fn emit(&self, id: String, emit: &Emit) -> Result<Emitting, BusError> {
        // First, so that a refusal does nothing.
        let others = self.ask_others(&id, emit)?;
        let counts = self.deliver(emit).await;
        Ok(Emitting { emitted: self.emitted(id, emit, counts), others })
    }

    /// Emits without waiting, if that is short work; else, for very many sockets, nothing is done.
    pub fn emit_at_once(&self, emit: &Emit) -> Option<Emitting> {
        let (id, mut others) = (Self::fresh_id(), None);
        let counts = self.deliver_at_once(emit, || {
            others = self.ask_others(&id, emit)?;
            Ok(())
        });
        Some(Emitting { emitted: self.emitted(id, emit, counts.ok()?), others })
    }

    /// Sends an event that came to another node to the sockets of this one.
    pub async fn emit_for_another(&self, emit: &Emit) -> EmitCounts {
        let counts = self.deliver(emit).await;
        self.counters.count_sockets(&counts);
        let users = counts.users.into_iter().map(|(_, it)| it).collect();
        EmitCounts { matched: counts.matched, sent: counts.sent, users, asked: Vec::new() }
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
        let emitted = Emitted { id, matched, sent, users, missing: MissingNodes::default() };
        self.recent.remember(emit, &emitted, self.clock.wall());
        emitted
    }

    fn ask_others(&self, id: &str, emit: &Emit) -> Result<Option<OtherNodes>, BusError> {
        let Some(bus) = &self.bus else { return Ok(None) };
        Ok(Some(OtherNodes { asked: bus.ask_emit(id, emit)?, bus: bus.clone() }))
    }

    /// To the sockets of this node.
    async fn deliver(&self, emit: &Emit) -> SentCounts {
        match self.deliver_at_once(emit, || Ok(())) {
            Ok(counts) => counts,
            Err(NotAtOnce::Large(fanout)) => self.deliver_in_slices(emit, *fanout).await,
            Err(NotAtOnce::Bus) => SentCounts::default(),
        }
    }

    /// Gives the fanout back, not begun, if it is for very many. Does `before` what has to be done before the first is sent it.
    fn deliver_at_once<'a>(
        &self,
        emit: &'a Emit,
        before: impl FnOnce() -> Result<(), BusError>,
    ) -> Result<SentCounts, NotAtOnce<'a>> {
        if let Some(recovery) = self.recoveries.of(&emit.audience.namespace) {
            before().map_err(|_| NotAtOnce::Bus)?;
            return Ok(self.deliver_logged(emit, recovery));
        }
        let mut fanout = self.fanout(emit);
        let sockets = fanout.sockets();
        if QUEUE_SLICE < sockets {
            return Err(NotAtOnce::Large(Box::new(fanout)));
        }
        before().map_err(|_| NotAtOnce::Bus)?;
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

impl Emitting {
    /// Waits for the other nodes.
    pub async fn end(self) -> Emitted {
        let Self { emitted, others } = self;
        match others {
            None => emitted,
            // Apart: each request has this future within its own, which is moved several times.
            Some(others) => Box::pin(others.end(emitted)).await,
        }
    }
}

impl OtherNodes {
    async fn end(self, here: Emitted) -> Emitted {
        let Self { asked, bus } = self;
        let mut emitted = here.with(asked.answers().await);
        // No node has a socket of these: whether they linger stands where all agree.
        let is_away = |it: &(UserId, UserEmitted)| it.1.status == PresenceStatus::Offline;
        let mut away: Vec<_> = emitted.users.iter_mut().filter(|it| is_away(it)).collect();
        let names: Vec<UserId> = away.iter().map(|it| it.0.clone()).collect();
        if !names.is_empty()
            && let Ok(statuses) = bus.presence(&names).await
        {
            away.iter_mut().zip(statuses).for_each(|(it, status)| it.1.status = status);
        }
        emitted
    }
}

impl Emitted {
    /// With what became of it on other nodes.
    #[must_use]
    pub fn with(mut self, others: Answers) -> Self {
        for answer in others.answers {
            // A node that failed says so in its log.
            let NodeAnswer::Emitted(EmitCounts { matched, sent, users, .. }) = answer else {
                continue;
            };
            self.matched += matched;
            self.sent += sent;
            for ((_, own), other) in self.users.iter_mut().zip(users) {
                own.add(other);
            }
        }
        self.missing = others.missing;
        self
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
