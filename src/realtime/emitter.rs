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
mod logged;
mod other_acks;
mod other_counts;
mod reach;
mod recent;

pub use crate::core::cluster::bus::words::UserEmitted;
pub use ack_budget::{AckBudget, AckShare};
pub use asking::{NotAsked, PendingAcks, Recipients, TooManyRecipients};
pub use groups::addressed;
pub use other_counts::OtherCounts;
pub use recent::RecentEmit;

use super::sockets::Sockets;
use crate::clock::Clock;
use crate::cluster::{Answers, AskedNodes, Bus, BusError, MissingNodes, Unattached};
use crate::connection::{Pump, Sent};
use crate::core::cluster::bus::words::{EmitCounts, NodeAnswer};
use crate::core::emit::message::Emit;
use crate::core::presence::session::PresenceStatus;
use crate::core::protocol::packet;
use crate::entropy;
use crate::recovery::Recoveries;
use crate::registry::Socket;
use crate::types::UserId;
use bytes::Bytes;
use counters::EmitCounters;
use fanout::{Fanout, NotSent, SentCounts};
use logged::{EmittedHere, NumberedEmits};
use recent::RecentEmits;
use std::mem;
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
    /// Those that wait for their numbers.
    numbered: NumberedEmits,
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
    /// What becomes of it on other nodes, for whoever remembers it.
    pub others: OtherCounts,
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
    counts: OtherCounts,
    /// What becomes of it here, if that waits for its number.
    here: Option<EmittedHere>,
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
            numbered: NumberedEmits::default(),
        }
    }

    /// A name for an emit that nobody else has: `msg_` and 20 characters.
    pub fn fresh_id() -> String {
        entropy::token("msg_")
    }

    /// Emits under the name `id`; an offline user is an answer, not an error. Events emitted one after the other, each
    /// after the answer to the one before, arrive at each socket in that order. After an error nobody was sent the event.
    pub async fn emit(&self, id: String, emit: &Emit) -> Result<Emitting, BusError> {
        if let Some(bus) = self.bus.as_ref().filter(|_| self.is_numbered(emit)) {
            return self.emit_numbered(id, emit, bus);
        }
        // First, so that a refusal does nothing.
        let others = self.ask_others(&id, emit)?;
        let counts = self.deliver(emit).await;
        let noted = OtherNodes::counts(others.as_ref());
        Ok(Emitting { emitted: self.emitted(id, emit, counts, noted), others })
    }

    /// Emits without waiting, if that is short work; else, for very many sockets, nothing is done.
    pub fn emit_at_once(&self, emit: &Emit) -> Option<Emitting> {
        let (id, mut others) = (Self::fresh_id(), None);
        if let Some(bus) = self.bus.as_ref().filter(|_| self.is_numbered(emit)) {
            return self.emit_numbered(id, emit, bus).ok();
        }
        let counts = self.deliver_at_once(emit, || {
            others = self.ask_others(&id, emit)?;
            Ok(())
        });
        let (counts, noted) = (counts.ok()?, OtherNodes::counts(others.as_ref()));
        Some(Emitting { emitted: self.emitted(id, emit, counts, noted), others })
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
    fn emitted(&self, id: String, emit: &Emit, counts: SentCounts, others: OtherCounts) -> Emitted {
        self.counters.count(&counts);
        let SentCounts { matched, sent, users, dropped: _ } = counts;
        let missing = MissingNodes::default();
        let emitted = Emitted { id, matched, sent, users, missing, others };
        self.recent.remember(emit, &emitted, self.clock.wall());
        emitted
    }

    fn ask_others(&self, id: &str, emit: &Emit) -> Result<Option<OtherNodes>, BusError> {
        let Some(bus) = &self.bus else { return Ok(None) };
        let (counts, note) = OtherCounts::asked();
        let asked = bus.ask_emit(id, emit, note)?;
        Ok(Some(OtherNodes { asked, bus: bus.clone(), counts, here: None }))
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
        let frames = encode(emit, None);
        if let Some(mut batch) = self.pump.batch_for(sockets) {
            let event = self.pump.share(frames);
            fanout.finish(|socket| was_sent(batch.send(&socket.connection, &event, emit.volatile)));
        } else {
            let event = self.pump.share_at_once(frames);
            fanout.finish(|socket| was_sent(socket.connection.send_shared(&event, emit.volatile)));
        }
        Ok(fanout.end())
    }

    /// Queues for very many, who are written to afterwards.
    async fn deliver_in_slices(&self, emit: &Emit, mut fanout: Fanout<'_>) -> SentCounts {
        let event = self.pump.share(encode(emit, None));
        let mut batch = self.pump.batch();
        while fanout.advance(QUEUE_SLICE, |socket| {
            was_sent(batch.send(&socket.connection, &event, emit.volatile))
        }) {
            tokio::task::yield_now().await;
        }
        fanout.end()
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
    fn counts(others: Option<&Self>) -> OtherCounts {
        others.map(|it| it.counts.clone()).unwrap_or_default()
    }

    async fn end(self, at_first: Emitted) -> Emitted {
        let Self { asked, bus, here, counts: _ } = self;
        let (here, others) = tokio::join!(logged::here(at_first, here), asked.answers());
        let mut emitted = here.with(others);
        // No node has a socket of these: whether they linger stands where all agree.
        let is_away = |it: &(UserId, UserEmitted)| it.1.status == PresenceStatus::Offline;
        let mut away: Vec<_> = emitted.users.iter_mut().filter(|it| is_away(it)).collect();
        let names: Vec<UserId> = away.iter().map(|it| it.0.clone()).collect();
        if names.is_empty() {
            return emitted;
        }
        match bus.presence(&names).await {
            Ok(statuses) => {
                away.iter_mut().zip(statuses).for_each(|(it, status)| it.1.status = status);
            }
            // They may linger: the answer must not look like the whole truth.
            Err(Unattached) => emitted.missing.is_degraded = true,
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
        // They are counted: nobody adds them again.
        self.others = OtherCounts::default();
        let names = mem::take(&mut self.missing.names);
        self.missing.names = names.into_iter().chain(others.missing.names).collect();
        self.missing.is_degraded |= others.missing.is_degraded;
        self
    }
}

/// The frames of an event, for every socket the same.
pub(super) fn encode(emit: &Emit, offset: Option<&str>) -> Bytes {
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
