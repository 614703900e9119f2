//! How requests of a client to one socket are answered.
//!
//! What can be answered at once is answered by the task that reads the connection. What has to ask the store is answered
//! by a task of its own, so that the client is read meanwhile: up to a number of questions, then it has to wait.

use super::ClientParts;
use super::pacer::{Paced, Pacer};
use super::questions::{LineTurn, Questions};
use super::request_error::RequestError;
use super::user_shares::{UserShare, UserShares};
use crate::clock::Clock;
use crate::config::GuestRight;
use crate::core::protocol::inbound::ClientEvent;
use crate::core::protocol::packet;
use crate::core::throttle::SocketRates;
use crate::registry::Socket;
use crate::tasks::Tasks;
use crate::types::{EventName, Reason};
use bytes::Bytes;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What requests are answered with; all sockets of a namespace share it.
#[derive(Debug)]
pub(super) struct RequestParts {
    /// What clients ask for.
    pub(super) client: ClientParts,
    /// Run what cannot be answered at once.
    tasks: Tasks,
    /// How much of that there may be of a user.
    shares: Arc<UserShares>,
    /// How fast a socket may send.
    rates: Arc<SocketRates>,
    /// What guests may do.
    guests_may: BTreeSet<GuestRight>,
    clock: Clock,
}

impl RequestParts {
    pub(super) fn new(
        client: ClientParts,
        (rates, guests_may): (SocketRates, BTreeSet<GuestRight>),
        requests_per_user: usize,
        tasks: Tasks,
        clock: Clock,
    ) -> Self {
        let shares = UserShares::new(requests_per_user);
        Self { client, tasks, shares, rates: Arc::new(rates), guests_may, clock }
    }
}

/// Answers what a client emits to one socket.
#[derive(Debug)]
pub(super) struct Requests {
    parts: Arc<RequestParts>,
    socket: Arc<Socket>,
    pub(super) questions: Questions,
    /// Where its pace is limited.
    pacer: Option<Arc<Pacer>>,
}

impl Requests {
    pub(super) fn new(parts: Arc<RequestParts>, socket: Arc<Socket>) -> Self {
        let pacer = Pacer::new(&parts.rates, &parts.clock);
        Self { parts, socket, questions: Questions::default(), pacer }
    }

    /// The client has sent an event.
    pub(super) fn count(&self, event: &ClientEvent<'_>) {
        if let Some(pacer) = &self.pacer {
            pacer.take(event);
        }
    }

    /// That event is one for other clients, of this name.
    pub(super) fn count_sent(&self, event: &ClientEvent<'_>, sent: &EventName) {
        if let Some(pacer) = &self.pacer {
            pacer.take_sent(event, sent);
        }
    }

    /// Whether the client may send more, as far as its pace goes; if not, `cx` is woken when it may. One that has been held
    /// back for too long is closed.
    pub(super) fn poll_pace(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pacer) = &self.pacer else { return Poll::Ready(()) };
        match pacer.pace(cx.waker()) {
            Paced::Go => Poll::Ready(()),
            Paced::Hold(None) => Poll::Pending,
            Paced::Hold(Some(until)) => {
                let (pacer, clock) = (Arc::clone(pacer), self.parts.clock.clone());
                self.parts.tasks.spawn("socket.pace", async move {
                    clock.sleep_until(until).await;
                    pacer.wake();
                });
                Poll::Pending
            }
            Paced::TooFast => {
                tracing::debug!("closing a connection: it sends too fast");
                self.socket.connection.close(Reason::RateLimited);
                Poll::Pending
            }
        }
    }

    /// What the client may ask for.
    pub(super) fn parts(&self) -> &ClientParts {
        &self.parts.client
    }

    /// Whether the client may do this: all may but guests, who need the right.
    pub(super) fn check_right(&self, right: GuestRight) -> Result<(), RequestError> {
        if !self.socket.user().is_guest() || self.parts.guests_may.contains(&right) {
            return Ok(());
        }
        let message = format_args!(
            "guests may not do this here (`guests.may` has no \"{}\"): sign in by `userline:refresh`",
            right.as_str()
        );
        Err(RequestError::new("guest_not_allowed", message))
    }

    /// The socket that the client emits to.
    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Runs `question`, which acks by itself unless it fails. An error if as many of the user run as may.
    pub(super) fn answer_later(
        self: &Arc<Self>,
        task: &'static str,
        ack: Option<u64>,
        question: impl Future<Output = Result<(), RequestError>> + Send + 'static,
    ) -> Result<(), RequestError> {
        let share = self.parts.shares.take(self.socket.user())?;
        let requests = Arc::clone(self);
        self.questions.begin();
        let open = OpenQuestion { requests: Arc::clone(self), _share: share };
        self.parts.tasks.spawn(task, async move {
            if let Err(error) = question.await {
                requests.refuse(ack, &error);
            }
            drop(open);
        });
        Ok(())
    }

    /// The same for one that must not overtake those in line, nor be overtaken by others that get there: `question` gets its
    /// turn, and ends it by dropping that.
    pub(super) fn answer_in_line<Q>(
        self: &Arc<Self>,
        task: &'static str,
        event: &ClientEvent<'_>,
        question: impl FnOnce(LineTurn) -> Q + Send + 'static,
    ) -> Result<(), RequestError>
    where
        Q: Future<Output = Result<(), RequestError>> + Send + 'static,
    {
        let permissions = self.parts.client.permissions.as_ref();
        let held = permissions.map(|it| it.hold(event.bytes())).transpose()?;
        let place = self.questions.line_up();
        self.answer_later(task, event.ack, async move {
            let answered = question(place.turn().await).await;
            drop(held);
            answered
        })
    }

    /// Acks with an error, and counts it.
    pub(super) fn refuse(&self, ack: Option<u64>, RequestError { code, message }: &RequestError) {
        metrics::counter!("userline_client_events_refused_total", "code" => *code).increment(1);
        let error = json!({"error": {"code": code, "message": message}});
        if let Ok(error) = to_raw_value(&error) {
            self.ack(ack, &[&error]);
        }
    }

    /// Acks, if the client asked for it.
    pub(super) fn ack(&self, id: Option<u64>, args: &[&RawValue]) {
        self.ack_with(id, args, &[]);
    }

    /// The same with the buffers for which there are places in `args`.
    pub(super) fn ack_with(&self, id: Option<u64>, args: &[&RawValue], buffers: &[Bytes]) {
        if let Some(id) = id {
            let ack = packet::ack(&self.socket.namespace, id, args, buffers);
            self.socket.connection.send(&ack);
        }
    }
}

/// One question that is open, until this is dropped.
struct OpenQuestion {
    requests: Arc<Requests>,
    _share: UserShare,
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        self.requests.questions.end();
    }
}

/// Each socket has one; the counters of an `Arc` and the allocator's sizes make 80 bytes of it.
#[test]
#[cfg(target_pointer_width = "64")]
fn what_answers_a_socket_is_small() {
    crate::core::memory::assert_size::<Requests>(64);
}
