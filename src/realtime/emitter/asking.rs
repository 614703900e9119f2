//! An emit whose sender wants to know who got it: the clients are asked for acks.
//!
//! One frame with one id serves all sockets, so an ack costs no more than an event. It goes out in the order of all
//! events; it is not logged for recovery, because a client that was away could not answer in time.
//!
//! The seam for several nodes: [`PendingAcks`] waits for futures of `(socket, ack)`, and does not care who makes them.

use super::ack_budget::AckShare;
use super::fanout::{AudienceFilter, Fanout, NotSent, SentCounts};
use super::other_acks::OtherAcks;
use super::{Emitter, Emitting, OtherCounts, OtherNodes, groups, was_sent};
use crate::clock::Clock;
use crate::cluster::BusError;
use crate::connection::{AckAsker, Pump, ReceivedAck};
use crate::core::cluster::bus::words::{BusRequest, NodeAnswer};
use crate::core::emit::acks::{AckNeed, AckSummary, Acks, NotKept, WhyNoAck};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::{AckOptions, Emit};
use crate::core::protocol::packet;
use crate::registry::Socket;
use crate::types::{SocketId, Timestamp, UserId, saturating_u64};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use thiserror::Error;

/// Sockets written to between two yields, so that one large room does not hold up everybody else.
const WRITE_SLICE: usize = 128;
/// Sockets that one emit may ask for acks.
const SOCKETS_MAX: usize = 10_000;

/// An emit is for more sockets than can be asked for acks; nobody was sent the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an emit that asks for acks can be for at most {SOCKETS_MAX} sockets, not {matched}")]
pub struct TooManyRecipients {
    /// Sockets it is for.
    pub matched: usize,
}

/// Why nobody was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAsked {
    /// They are too many.
    #[error(transparent)]
    TooMany(#[from] TooManyRecipients),
    /// The other nodes could not be asked how many there are.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// The sockets that an emit is for, none of which was sent anything yet.
pub struct Recipients {
    pub(super) fanout: Fanout<'static>,
    /// Users who were named, are not left out, and have no socket in the namespace.
    absent: Vec<UserId>,
}

/// Acks that are on their way. Whoever drops it does not wait any more.
pub struct PendingAcks {
    acks: Acks<ReceivedAck>,
    /// What each socket says; `None` if it is gone.
    answers: FuturesUnordered<BoxFuture<'static, (SocketId, Option<ReceivedAck>)>>,
    /// Those of other nodes.
    others: Option<OtherAcks>,
    need: AckNeed,
    until: Timestamp,
    clock: Clock,
}

impl std::fmt::Debug for PendingAcks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingAcks").field("acks", &self.acks).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recipients")
            .field("sockets", &self.fanout.sockets())
            .field("absent", &self.absent)
            .finish()
    }
}

impl Emitter {
    /// The sockets that an emit is for now.
    pub fn recipients(&self, audience: &Audience) -> Recipients {
        let mut filter = AudienceFilter::new(audience);
        let mut absent = Vec::new();
        let groups = groups::find(&self.sockets, audience).into_iter().map(|group| {
            let is_absent = |user: &UserId| group.sockets.is_empty() && !audience.leaves_out(user);
            let user = group.user.as_ref().map(|(user, _)| user);
            absent.extend(user.filter(|it| is_absent(it)).cloned());
            group.filtered(&mut filter)
        });
        let fanout = Fanout::to_all(groups.collect());
        Recipients { fanout, absent }
    }

    /// Emits under the name `id` and asks every recipient for an ack; [`PendingAcks::end`] waits for these.
    pub async fn ask(
        &self,
        id: String,
        emit: &Emit,
        ask: AckOptions,
        recipients: Recipients,
    ) -> Result<(Emitting, PendingAcks), BusError> {
        let Recipients { fanout, absent } = recipients;
        let ack_id = self.next_ack_id();
        let now = self.clock.now();
        // First, so that a refusal does nothing.
        let bus = self.bus.as_ref();
        let (noted, note) = OtherCounts::asked();
        let asked = bus.map(|bus| bus.ask_emit_with_acks(&id, emit, ask.timeout, note));
        let (others, news) = asked.transpose()?.unzip();
        let mut asking = PendingAcks {
            acks: Acks::new(ask.need, emit.audience.target.users.iter().cloned()),
            answers: FuturesUnordered::new(),
            others: news.map(|news| OtherAcks::new(news, now)),
            need: ask.need,
            until: now + ask.timeout,
            clock: self.clock.clone(),
        };
        for user in absent {
            asking.acks.absent(user);
        }
        let ask = |socket: &Arc<Socket>, send: &SendAsking<'_>| {
            asking.ask(socket, (ack_id, asker(emit)), send)
        };
        let counts = send_asking((emit, ack_id), &self.pump, fanout, ask).await;
        let others = others.zip(self.bus.clone()).map(|(asked, bus)| OtherNodes {
            asked,
            bus,
            counts: noted,
            here: None,
        });
        let noted = OtherNodes::counts(others.as_ref());
        Ok((Emitting { emitted: self.emitted(id, emit, counts, noted), others }, asking))
    }

    /// An ack id that no other emit of this node has.
    pub(super) fn next_ack_id(&self) -> u64 {
        self.last_ack_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Refuses an emit that would ask more sockets of all nodes than may be.
    pub async fn check_elsewhere(
        &self,
        audience: &Audience,
        recipients: &Recipients,
    ) -> Result<(), NotAsked> {
        let target = &audience.target;
        // Names of users and sockets are few enough, and each socket has few of its kind.
        let Some(bus) = self.bus.as_ref().filter(|_| target.all || !target.rooms.is_empty()) else {
            return Ok(());
        };
        let asked = bus.ask(BusRequest::Count(audience.clone()))?;
        let counts = asked
            .answers()
            .await
            .answers
            .into_iter()
            .map(|it| if let NodeAnswer::Counted(count) = it { count } else { 0 });
        let matched = recipients.matched() + counts.sum::<usize>();
        Ok(check(matched)?)
    }
}

/// How one socket is sent an event that asks for an ack.
pub(super) type SendAsking<'a> = dyn Fn(&Arc<Socket>) -> Result<(), NotSent> + Send + Sync + 'a;

/// Sends an event that asks for acks by the number `ack_id`; `ask` is called for each socket with what sends it.
pub(super) async fn send_asking(
    (emit, ack_id): (&Emit, u64),
    pump: &Pump,
    mut fanout: Fanout<'static>,
    mut ask: impl FnMut(&Arc<Socket>, &SendAsking<'_>) -> Result<(), NotSent>,
) -> SentCounts {
    let namespace = &emit.audience.namespace;
    let event = packet::event_asking(namespace, ack_id, &emit.event.to_json(), &emit.payload);
    let event = pump.share_at_once(event);
    let send =
        |socket: &Arc<Socket>| was_sent(socket.connection.send_shared(&event, emit.volatile));
    while fanout.advance(WRITE_SLICE, |socket| ask(socket, &send)) {
        tokio::task::yield_now().await;
    }
    fanout.end()
}

/// Who waits for the acks of `emit`.
pub(super) fn asker(emit: &Emit) -> AckAsker {
    if emit.is_of_client() { AckAsker::Client } else { AckAsker::Backend }
}

fn check(matched: usize) -> Result<(), TooManyRecipients> {
    if matched <= SOCKETS_MAX { Ok(()) } else { Err(TooManyRecipients { matched }) }
}

impl Recipients {
    /// Whether all of them may be asked for acks by one emit.
    pub fn check(&self) -> Result<(), TooManyRecipients> {
        check(self.matched())
    }

    /// How many they are.
    pub fn matched(&self) -> usize {
        self.fanout.sockets()
    }
}

impl PendingAcks {
    /// Sends the event to a socket, and waits for its ack if the connection takes it.
    fn ask(
        &mut self,
        socket: &Arc<Socket>,
        (ack_id, asker): (u64, AckAsker),
        send: &SendAsking<'_>,
    ) -> Result<(), NotSent> {
        let user = socket.user().clone();
        let Ok(awaited) = socket.connection.await_ack(&socket.namespace, ack_id, asker) else {
            self.acks.refuse(socket.id, user, WhyNoAck::TooMany);
            return Err(NotSent::TooManyAcks);
        };
        if let Err(why) = send(socket) {
            self.acks.refuse(socket.id, user, WhyNoAck::NotSent);
            return Err(why);
        }
        self.acks.ask(socket.id, user, self.clock.now());
        let socket = socket.id;
        self.answers.push(Box::pin(async move { (socket, awaited.received().await) }));
        Ok(())
    }

    /// Waits until what is needed has come, cannot come any more, or the time has passed. What the acks say is kept as far
    /// as `share` has room for it, which is to be held as long as they are.
    pub async fn end(mut self, share: &AckShare) -> AckSummary<ReceivedAck> {
        let timeout = self.clock.clone();
        let timeout = timeout.sleep_until(self.until);
        tokio::pin!(timeout);
        let keep = |ack: ReceivedAck| {
            let kept = share.keep(len(&ack)).inspect_err(|why| count_not_kept(*why));
            kept.map(|()| ack)
        };
        while !self.is_over() {
            tokio::select! {
                biased;
                Some((socket, ack)) = self.answers.next() => match ack {
                    Some(ack) => self.acks.hear(socket, keep(ack), self.clock.now()),
                    None => self.acks.lose(socket),
                },
                news = OtherAcks::next(&mut self.others) => {
                    let now = self.clock.now();
                    if let Some(others) = &mut self.others {
                        others.take(news, &mut self.acks, keep, now);
                    }
                }
                () = &mut timeout => break,
            }
        }
        if self.others.as_ref().is_some_and(|it| !it.is_whole()) {
            self.acks.may_lack_some();
        }
        let summary = self.acks.end();
        let (acked, missing) = (summary.acks.len(), summary.missing.len());
        metrics::counter!("userline_acks_total").increment(saturating_u64(acked));
        metrics::counter!("userline_acks_missing_total").increment(saturating_u64(missing));
        summary
    }
}

impl PendingAcks {
    /// Whether there is nothing to wait for: for that it has to be known whom other nodes have asked, unless one is enough.
    fn is_over(&self) -> bool {
        let is_enough = self.need == AckNeed::Any && self.acks.is_met();
        is_enough || self.others.as_ref().is_none_or(OtherAcks::is_whole) && self.acks.is_over()
    }
}

/// Bytes of what an ack says.
fn len(ack: &ReceivedAck) -> usize {
    ack.args.get().len() + ack.buffers.iter().map(Bytes::len).sum::<usize>()
}

fn count_not_kept(why: NotKept) {
    let cause = match why {
        NotKept::RequestFull => "request_full",
        NotKept::ServerFull => "server_full",
    };
    metrics::counter!("userline_acks_not_kept_total", "cause" => cause).increment(1);
}
