//! An emit whose sender wants to know who got it: the clients are asked for acks.
//!
//! One frame with one id serves all sockets, so an ack costs no more than an event. It goes out in the order of all
//! events; it is not logged for recovery, because a client that was away could not answer in time.
//!
//! The seam for several nodes: [`PendingAcks`] waits for futures of `(socket, ack)`, and does not care who makes them.

use super::ack_budget::AckShare;
use super::fanout::{AudienceFilter, Fanout, NotSent};
use super::{Emitted, Emitter, groups, was_sent};
use crate::clock::Clock;
use crate::connection::ReceivedAck;
use crate::core::emit::acks::{AckSummary, Acks, NotKept, WhyNoAck};
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

/// The sockets that an emit is for, none of which was sent anything yet.
pub struct Recipients {
    fanout: Fanout<'static>,
    /// Users who were named, are not left out, and have no socket in the namespace.
    absent: Vec<UserId>,
}

/// Acks that are on their way. Whoever drops it does not wait any more.
pub struct PendingAcks {
    acks: Acks<ReceivedAck>,
    /// What each socket says; `None` if it is gone.
    answers: FuturesUnordered<BoxFuture<'static, (SocketId, Option<ReceivedAck>)>>,
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
    ) -> (Emitted, PendingAcks) {
        let Recipients { mut fanout, absent } = recipients;
        let ack_id = self.last_ack_id.fetch_add(1, Ordering::Relaxed) + 1;
        let Audience { namespace, target, .. } = &*emit.audience;
        let mut asking = PendingAcks {
            acks: Acks::new(ask.need, target.users.iter().cloned()),
            answers: FuturesUnordered::new(),
            until: self.clock.now() + ask.timeout,
            clock: self.clock.clone(),
        };
        for user in absent {
            asking.acks.absent(user);
        }
        let event = packet::event_asking(namespace, ack_id, &emit.event.to_json(), &emit.payload);
        let send = |socket: &Arc<Socket>| {
            was_sent(if emit.volatile {
                socket.connection.send_volatile(&event)
            } else {
                socket.connection.send(&event)
            })
        };
        while fanout.advance(WRITE_SLICE, |socket| asking.ask(socket, ack_id, send)) {
            tokio::task::yield_now().await;
        }
        (self.emitted(id, emit, fanout.end()), asking)
    }
}

impl Recipients {
    /// Whether all of them may be asked for acks by one emit.
    pub fn check(&self) -> Result<(), TooManyRecipients> {
        let matched = self.fanout.sockets();
        if matched <= SOCKETS_MAX { Ok(()) } else { Err(TooManyRecipients { matched }) }
    }
}

impl PendingAcks {
    /// Sends the event to a socket, and waits for its ack if the connection takes it.
    fn ask(
        &mut self,
        socket: &Arc<Socket>,
        ack_id: u64,
        send: impl Fn(&Arc<Socket>) -> Result<(), NotSent>,
    ) -> Result<(), NotSent> {
        let user = socket.user().clone();
        let Ok(awaited) = socket.connection.await_ack(&socket.namespace, ack_id) else {
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
        while !self.acks.is_over() {
            let answer = tokio::select! {
                biased;
                answer = self.answers.next() => answer,
                () = &mut timeout => break,
            };
            match answer {
                Some((socket, Some(ack))) => {
                    let kept = share.keep(len(&ack)).inspect_err(|why| count_not_kept(*why));
                    self.acks.hear(socket, kept.map(|()| ack), self.clock.now());
                }
                Some((socket, None)) => self.acks.lose(socket),
                None => break,
            }
        }
        let summary = self.acks.end();
        let (acked, missing) = (summary.acks.len(), summary.missing.len());
        metrics::counter!("userline_acks_total").increment(saturating_u64(acked));
        metrics::counter!("userline_acks_missing_total").increment(saturating_u64(missing));
        summary
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
