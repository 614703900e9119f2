//! Events that clients can recover. On one node they are numbered, logged and queued in one step; in a cluster they get their
//! numbers where all nodes agree, and come back by the log: to the sockets of this node as to those of all others.

use super::fanout::SentCounts;
use super::{Emitted, Emitter, Emitting, OtherCounts, OtherNodes, encode, was_sent};
use crate::cluster::{Bus, BusError, MissingNodes};
use crate::core::cluster::bus::words::{EmitCounts, UserEmitted};
use crate::core::cluster::node::EventId;
use crate::core::emit::message::Emit;
use crate::core::presence::session::PresenceStatus;
use crate::core::recovery::Offset;
use crate::recovery::{Logged, NamespaceRecovery};
use crate::registry::Socket;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an answer waits for what becomes of an event here.
const HERE_LIMIT: Duration = Duration::from_secs(2);
/// Emits whose events did not come back by the log, at most. Of those before them the event comes by the log all the same.
const LEN_MAX: usize = 10_000;

/// What becomes of an emit here.
pub(super) type EmittedHere = oneshot::Receiver<Emitted>;

/// Emits of this node whose events did not come back by the log.
#[derive(Debug, Default)]
pub(super) struct NumberedEmits(Mutex<BTreeMap<EventId, NumberedEmit>>);

#[derive(Debug)]
struct NumberedEmit {
    id: String,
    emit: Emit,
    others: OtherCounts,
    /// Whoever wants to hear what became of it; `None` if that was said.
    done: Option<oneshot::Sender<Emitted>>,
}

/// What became of an emit here; if that is not known in time, the answer says so.
pub(super) async fn here(at_first: Emitted, here: Option<EmittedHere>) -> Emitted {
    let Some(here) = here else { return at_first };
    let in_time = tokio::time::timeout(HERE_LIMIT, here).await;
    in_time.ok().and_then(Result::ok).unwrap_or_else(|| {
        let missing = MissingNodes { names: Box::default(), is_degraded: true };
        Emitted { missing, ..at_first }
    })
}

impl Emitter {
    /// Whether the sockets of this node, too, get an event by the log of the cluster: clients recover it.
    pub(super) fn is_numbered(&self, emit: &Emit) -> bool {
        let recovery = self.recoveries.of(&emit.audience.namespace);
        !emit.volatile && recovery.is_some_and(NamespaceRecovery::is_shared)
    }

    /// Puts an event into the log of the cluster.
    pub(super) fn emit_numbered(
        &self,
        id: String,
        emit: &Emit,
        bus: &Bus,
    ) -> Result<Emitting, BusError> {
        let (done, here) = oneshot::channel();
        let nobody = |_: &_| UserEmitted { status: PresenceStatus::Offline, matched: 0, sent: 0 };
        let users = emit.audience.target.users.iter().map(|user| (user.clone(), nobody(user)));
        let emitted = Emitted {
            id: id.clone(),
            matched: 0,
            sent: 0,
            users: users.collect(),
            missing: MissingNodes::default(),
            others: OtherCounts::default(),
        };
        let (counts, note) = OtherCounts::asked();
        let mut own = EventId::default();
        let (asked, is_on_its_way) = {
            let mut numbered = self.numbered.0.lock();
            let others = counts.clone();
            let begun = |event| {
                own = event;
                let (emit, done) = (emit.clone(), Some(done));
                numbered.insert(event, NumberedEmit { id, emit, others, done });
                if LEN_MAX < numbered.len() {
                    numbered.pop_first();
                }
            };
            bus.ask_numbered(&emitted.id, emit, begun, note)?
        };
        if !is_on_its_way {
            self.degrade(own);
        }
        let others = OtherNodes { asked, bus: bus.clone(), counts, here: Some(here) };
        Ok(Emitting { emitted, others: Some(others) })
    }

    /// An event of this node comes by the log, if it is one that waited for that.
    pub fn hear_own(&self, own: EventId, number: u64) -> bool {
        let Some(numbered) = self.numbered.0.lock().remove(&own) else { return false };
        let NumberedEmit { id, emit, others, done } = numbered;
        let Some(counts) = self.hand_out(&emit, (number, Some(own)), false) else { return true };
        if let Some(done) = done {
            // Fails if nobody waits, which is fine.
            drop(done.send(self.emitted(id, &emit, counts, others)));
        }
        true
    }

    /// An event comes by the log that is handed out for another node, or for the first time since the log lost it. `None` if it is
    /// none that clients recover.
    pub fn hear(&self, emit: &Emit, number: u64, is_repeat: bool) -> Option<EmitCounts> {
        if !self.is_numbered(emit) {
            return None;
        }
        let counts = self.hand_out(emit, (number, None), is_repeat)?;
        self.counters.count_sockets(&counts);
        let users = counts.users.into_iter().map(|(_, it)| it).collect();
        Some(EmitCounts { matched: counts.matched, sent: counts.sent, users, asked: Vec::new() })
    }

    /// An event of this node has waited for its number for too long: it is handed out without one, and may come by the log all
    /// the same.
    pub fn degrade(&self, own: EventId) {
        let taken = self.numbered.0.lock().get_mut(&own).and_then(|it| {
            let done = it.done.take()?;
            Some((it.id.clone(), it.emit.clone(), it.others.clone(), done))
        });
        let Some((id, emit, others, done)) = taken else { return };
        let Some(recovery) = self.recoveries.of(&emit.audience.namespace) else { return };
        let mut batch = self.pump.batch();
        let frame = self.pump.share(encode(&emit, Some(&Offset::NONE.to_string())));
        let counts = recovery.in_turn(|_| {
            let mut fanout = self.fanout(&emit);
            fanout.finish(|socket| {
                if !socket.degrade(own) {
                    return Ok(());
                }
                was_sent(batch.send(&socket.connection, &frame, false))
            });
            fanout.end()
        });
        drop(done.send(self.emitted(id, &emit, counts, others)));
    }

    /// It will not be known whether an event of this node is in the log.
    pub fn lose(&self, own: EventId) {
        // Whoever waits is told so by that.
        drop(self.numbered.0.lock().get_mut(&own).and_then(|it| it.done.take()));
    }

    fn hand_out(
        &self,
        emit: &Emit,
        (number, own): (u64, Option<EventId>),
        is_repeat: bool,
    ) -> Option<SentCounts> {
        let recovery = self.recoveries.of(&emit.audience.namespace)?;
        let mut batch = self.pump.batch();
        let with_offset = |offset: &Offset| encode(emit, Some(&offset.to_string()));
        recovery.hear(number, &emit.audience, with_offset, |frame, epoch| {
            let (mut fanout, mut without) = (self.fanout(emit), None);
            let frame = self.pump.share(frame);
            let repeated_in = is_repeat.then_some(epoch);
            fanout.finish(|socket| {
                // Whoever is not to be sent it has it.
                let Some(counts) = socket.hear(number, own, repeated_in) else { return Ok(()) };
                socket.address(number);
                let frame = if counts {
                    &frame
                } else {
                    without.get_or_insert_with(|| self.pump.share(with_offset(&Offset::NONE)))
                };
                was_sent(batch.send(&socket.connection, frame, false))
            });
            fanout.end()
        })
    }

    /// Where there is recovery on one node: the event is numbered, logged and queued in one step, in turn with those who connect;
    /// what was queued is written after. A volatile event is not logged, in a cluster neither.
    pub(super) fn deliver_logged(
        &self,
        emit: &Emit,
        recovery: &NamespaceRecovery<Arc<Socket>>,
    ) -> SentCounts {
        // Writes when recovery is done with the event, because it is made before.
        let mut batch = self.pump.batch();
        let encode = |offset: &Offset| encode(emit, Some(&offset.to_string()));
        if emit.volatile {
            return recovery.announce(|head| {
                let share = |offset: &Offset| self.pump.share(encode(offset));
                let (event, mut nowhere, mut fanout) = (share(head), None, self.fanout(emit));
                fanout.finish(|socket| {
                    let is_placed = socket.offset_at(head) == *head;
                    let without = || share(&Offset::NONE);
                    let other = (!is_placed).then(|| &*nowhere.get_or_insert_with(without));
                    was_sent(batch.send(&socket.connection, other.unwrap_or(&event), true))
                });
                fanout.end()
            });
        }
        let find = || {
            let fanout = self.fanout(emit);
            let is_any = 0 < fanout.sockets();
            (fanout, is_any)
        };
        recovery.append(&emit.audience, encode, find, |mut fanout, Logged { frame, number }| {
            let frame = self.pump.share(frame);
            fanout.finish(|socket| {
                socket.address(number);
                was_sent(batch.send(&socket.connection, &frame, false))
            });
            fanout.end()
        })
    }
}
