//! An emit whose sender wants to know who got it: the clients are asked for acks.
//!
//! One frame with one id serves all sockets, so an ack costs no more than an event. It goes out in the order of all
//! events; it is not logged for recovery, because a client that was away could not answer in time.
//!
//! The seam for several nodes: [`Asking`] waits for futures of `(socket, answer)`, and does not care who makes them.

use super::run::{Handing, Run};
use super::{Emitted, Named, NamedSockets};
use crate::clock::Clock;
use crate::core::emit::acks::{Acks, Outcome, Why};
use crate::core::emit::message::{Ask, Emit};
use crate::core::protocol::ack_reader::HeardAck;
use crate::core::protocol::packet;
use crate::realtime::Realtime;
use crate::registry::Socket;
use crate::types::{SocketId, Timestamp, UserId, saturating_u64};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use thiserror::Error;

/// Sockets written to between two yields, so that one large room does not hold up everybody else.
const SLICE: usize = 128;
/// Sockets that one emit may ask for acks.
const SOCKETS_MAX: usize = 10_000;
/// Bytes of acks that are kept for one emit.
const ACK_BYTES_MAX: usize = 8_000_000;

/// Why nobody was sent the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AskError {
    /// It is for more sockets than can be asked.
    #[error("an emit that asks for acks can be for at most {max} sockets, not {matched}")]
    TooMany {
        /// Sockets it is for.
        matched: usize,
        /// Sockets that may be asked.
        max: usize,
    },
}

/// Acks that are on their way. Whoever drops it does not wait any more.
pub struct Asking {
    acks: Acks<HeardAck>,
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    until: Timestamp,
    clock: Clock,
}

/// What a socket said; nothing if it is gone.
type Answer = (SocketId, Option<HeardAck>);

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").field("acks", &self.acks).finish_non_exhaustive()
    }
}

/// The sockets that an emit is for, none of which was sent anything yet.
struct Found<'a> {
    run: Run<'a>,
    named: Vec<Named>,
    /// Users who were named, are not left out, and have no socket in the namespace.
    absent: Vec<UserId>,
}

impl Realtime {
    /// Emits like [`Realtime::emit`] and asks every socket for an ack; [`Asking::end`] waits for these.
    pub async fn ask(&self, emit: &Emit, ask: Ask) -> Result<(Emitted, Asking), AskError> {
        let found = self.find(emit);
        found.check()?;
        Ok(self.ask_found(super::fresh_id(), found, emit, ask).await)
    }

    /// Whether an emit may ask all that it is for now.
    pub(in crate::realtime) fn may_ask(&self, emit: &Emit) -> Result<(), AskError> {
        self.find(emit).check()
    }

    /// [`Realtime::ask`] under an id that was made before, however many it is for.
    pub(in crate::realtime) async fn ask_as(
        &self,
        id: String,
        emit: &Emit,
        ask: Ask,
    ) -> (Emitted, Asking) {
        self.ask_found(id, self.find(emit), emit, ask).await
    }

    fn find<'a>(&self, emit: &'a Emit) -> Found<'a> {
        let mut run = Run::new(emit);
        let mut named = Vec::with_capacity(emit.audience.target.users.len());
        let mut absent = Vec::new();
        for Named { sockets, user } in self.named(&emit.audience) {
            let is_absent = |user: &UserId| sockets.is_empty() && !emit.audience.leaves_out(user);
            absent.extend(user.as_ref().map(|(user, _)| user).filter(|it| is_absent(it)).cloned());
            let sockets = sockets.iter().filter(|it| run.matches(it)).cloned();
            let sockets = NamedSockets::Many(sockets.collect());
            named.push(Named { sockets, user });
        }
        Found { run, named, absent }
    }

    async fn ask_found(
        &self,
        emit_id: String,
        found: Found<'_>,
        emit: &Emit,
        ask: Ask,
    ) -> (Emitted, Asking) {
        let Found { mut run, named, absent } = found;
        let id = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let name = serde_json::Value::from(emit.event.as_str()).to_string();
        let mut asking = Asking {
            acks: Acks::new(ask.need, emit.audience.target.users.iter().cloned(), ACK_BYTES_MAX),
            answers: FuturesUnordered::new(),
            until: self.clock.now() + ask.timeout,
            clock: self.clock.clone(),
        };
        for user in absent {
            asking.acks.absent(user);
        }
        let event = packet::event_asking(&emit.audience.namespace, id, &name, &emit.payload);
        let mut users = Vec::with_capacity(emit.audience.target.users.len());
        let mut since_yield = 0;
        for Named { sockets, user } in named {
            let before = run.tally();
            for socket in &*sockets {
                asking.ask(&mut run, socket, id, &event);
                since_yield += 1;
                if since_yield == SLICE {
                    since_yield = 0;
                    tokio::task::yield_now().await;
                }
            }
            let now_matched = sockets.len();
            users.extend(user.map(|(user, status)| {
                let counts = run.tally().since(&before, status);
                (user, super::UserEmitted { matched: now_matched, ..counts })
            }));
        }
        (self.emitted(emit_id, emit, run.tally(), users), asking)
    }
}

impl Found<'_> {
    fn check(&self) -> Result<(), AskError> {
        let (matched, max) = (self.run.tally().matched, SOCKETS_MAX);
        if matched <= max { Ok(()) } else { Err(AskError::TooMany { matched, max }) }
    }
}

impl Asking {
    fn ask(&mut self, run: &mut Run<'_>, socket: &Arc<Socket>, id: u64, event: &Bytes) {
        let user = socket.user.clone();
        let Ok(awaited) = socket.connection.await_ack(&socket.namespace, id) else {
            run.refuse();
            return self.acks.refuse(socket.id, user, Why::TooMany);
        };
        if !run.give(socket, event, Handing::Write) {
            return self.acks.refuse(socket.id, user, Why::NotSent);
        }
        self.acks.ask(socket.id, user, self.clock.now());
        let socket = socket.id;
        self.answers.push(Box::pin(async move { (socket, awaited.heard().await) }));
    }

    /// Waits until what is needed has come, cannot come any more, or the time has passed.
    pub async fn end(mut self) -> Outcome<HeardAck> {
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
                    let len =
                        ack.args.get().len() + ack.buffers.iter().map(Bytes::len).sum::<usize>();
                    self.acks.hear(socket, ack, len, self.clock.now());
                }
                Some((socket, None)) => self.acks.lose(socket),
                None => break,
            }
        }
        let outcome = self.acks.end();
        metrics::counter!("userline_acks_total").increment(saturating_u64(outcome.acks.len()));
        metrics::counter!("userline_acks_missing_total")
            .increment(saturating_u64(outcome.missing.len()));
        outcome
    }
}
