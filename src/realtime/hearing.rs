//! What other nodes ask of this one, done and answered.
//!
//! Events are sent in the order of the log, each before the next is looked at. What may have to wait for something else is
//! done beside that, one after the other.

use super::attachments;
use super::attendance::Attendance;
use super::bulk::Bulk;
use super::control::{Control, ControlError};
use super::directory::Directory;
use super::emitter::Emitter;
use super::erasure::Erasure;
use super::inboxes::LiveInboxes;
use super::memberships::MembershipControl;
use super::people::Farewell;
use super::reports::Reports;
use super::shared_log;
use crate::cluster::Bus;
use crate::core::cluster::book::BookName;
use crate::core::cluster::bus::words::{BusRequest, NodeAnswer};
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::node::NodeEffect;
use crate::recovery::Recoveries;
use crate::registry::Socket;
use crate::tasks::Tasks;
use crate::types::SocketId;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Requests that wait for their turn; then the log is read no further.
const REQUESTS_MAX: usize = 1024;

/// Hears other nodes.
#[derive(Debug)]
pub struct Hearing {
    bus: Bus,
    emitter: Arc<Emitter>,
    attendance: Arc<Attendance>,
    recoveries: Recoveries<Arc<Socket>>,
    directory: Arc<Directory>,
    reports: Arc<Reports>,
    inboxes: Arc<LiveInboxes>,
    requests: mpsc::Sender<AskedHere>,
    tasks: Tasks,
}

/// Does what takes longer than to send an event.
struct Answering {
    bus: Bus,
    bulk: Arc<Bulk>,
    control: Arc<Control>,
    memberships: Arc<MembershipControl>,
    erasure: Arc<Erasure>,
}

/// What another node asks.
#[derive(Debug)]
struct AskedHere {
    from: Incarnation,
    question: Option<u64>,
    request: BusRequest,
}

impl Hearing {
    /// Does what is asked by `bus`, with these parts, in `tasks`.
    pub fn start(
        bus: Bus,
        (attendance, recoveries): (Arc<Attendance>, Recoveries<Arc<Socket>>),
        (emitter, directory, reports, inboxes): (
            Arc<Emitter>,
            Arc<Directory>,
            Arc<Reports>,
            Arc<LiveInboxes>,
        ),
        (bulk, control, memberships, erasure): (
            Arc<Bulk>,
            Arc<Control>,
            Arc<MembershipControl>,
            Arc<Erasure>,
        ),
        tasks: &Tasks,
    ) -> Self {
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        let answering = Answering { bus: bus.clone(), bulk, control, memberships, erasure };
        tasks.spawn("cluster.requests", answering.run(asked));
        tasks.spawn("cluster.questions", bus.clone().run());
        let tasks = tasks.clone();
        Self { bus, emitter, attendance, recoveries, directory, reports, inboxes, requests, tasks }
    }

    /// Takes what is about questions and answers, and what comes by the log, or did not; the other effects are neither.
    pub async fn hear(&self, effect: NodeEffect) {
        match effect {
            NodeEffect::Taken { event, others, .. } => self.bus.taken(event, &others),
            NodeEffect::Degraded { event } => {
                self.bus.not_taken(event);
                self.emitter.degrade(event);
            }
            NodeEffect::Unknown { event } => {
                self.bus.not_taken(event);
                self.emitter.lose(event);
            }
            NodeEffect::Told { from, message } => self.bus.told(&from, &message),
            NodeEffect::MissedSome => self.inboxes.look_at_all(),
            NodeEffect::Heard { number, from, own, is_repeat, event } => {
                let is_own = self.bus.is_own(&from);
                let is_known = is_own && !self.recoveries.is_shared();
                if is_known || own.is_some_and(|own| self.emitter.hear_own(own, number)) {
                    return;
                }
                let Some(message) = self.bus.heard(&from, &event) else { return };
                let (question, request) = (message.question, message.request);
                if let Some(judged) = shared_log::verdict(&request) {
                    judged.tell(&self.recoveries, number);
                }
                let recovered = if let BusRequest::Emit { emit, acks: None, .. } = &request {
                    self.emitter.hear(emit, number, is_repeat)
                } else {
                    None
                };
                match recovered {
                    // What is repeated was answered, and the rest of it done, when it came first.
                    _ if is_own || is_repeat => {}
                    Some(counts) => self.bus.answer(&from, question, NodeAnswer::Emitted(counts)),
                    None => self.take(AskedHere { from, question, request }).await,
                }
            }
            NodeEffect::Session { .. }
            | NodeEffect::Marked { .. }
            | NodeEffect::ReadTo(_)
            | NodeEffect::NewEpoch { .. }
            | NodeEffect::Left
            | NodeEffect::Verify => {}
        }
    }

    async fn take(&self, asked: AskedHere) {
        match &asked.request {
            BusRequest::Emit { emit, acks: Some(timeout), .. } => {
                let (bus, to, question) = (self.bus.clone(), asked.from.clone(), asked.question);
                let recipients = self.emitter.recipients(&emit.audience);
                if recipients.check().is_err() {
                    return bus.answer(&to, question, NodeAnswer::Failed);
                }
                let (counts, answers) = self.emitter.ask_for_another(emit, recipients).await;
                bus.answer(&to, question, NodeAnswer::Emitted(counts));
                let timeout = *timeout;
                self.tasks.spawn("cluster.acks", async move {
                    answers.tell(timeout, |answer| bus.answer(&to, question, answer)).await;
                });
            }
            BusRequest::Look(query) => {
                let answer = self.directory.answer(query.clone());
                self.bus.answer(&asked.from, asked.question, answer);
            }
            BusRequest::Report(query) => {
                let report = Box::new(self.reports.answer(query));
                self.bus.answer(&asked.from, asked.question, NodeAnswer::Report(report));
            }
            BusRequest::WakeHooks(endpoint) => {
                let (reports, endpoint) = (Arc::clone(&self.reports), endpoint.clone());
                let wake = async move { reports.wake_hooks_here(&endpoint).await };
                self.tasks.spawn("cluster.wake", wake);
            }
            BusRequest::Replace(id) => self.attendance.dismiss(*id),
            BusRequest::Attach(patch) => {
                let (sockets, namespaces) =
                    (self.attendance.sockets(), self.directory.namespaces());
                let patched = attachments::patch_here(sockets, namespaces, patch);
                self.bus.answer(&asked.from, asked.question, NodeAnswer::Attached(patched));
            }
            BusRequest::Inboxes(states) => self.inboxes.tell_here(states),
            BusRequest::SeatsOf(user) => {
                let seats = NodeAnswer::Seats(self.attendance.seats_of(user));
                self.bus.answer(&asked.from, asked.question, seats);
            }
            BusRequest::EndSeats { user, replaced, evicted } => {
                let count = self.attendance.end_seats(user, replaced, evicted);
                self.bus.answer(&asked.from, asked.question, NodeAnswer::Counted(count));
            }
            BusRequest::Count(audience) => {
                let count = self.emitter.recipients(audience).matched();
                self.bus.answer(&asked.from, asked.question, NodeAnswer::Counted(count));
            }
            BusRequest::Emit { emit, acks: None, .. } => {
                let counts = self.emitter.emit_for_another(emit).await;
                self.bus.answer(&asked.from, asked.question, NodeAnswer::Emitted(counts));
            }
            // Fails if the server stops.
            BusRequest::Join { .. }
            | BusRequest::Leave { .. }
            | BusRequest::Disconnect(_)
            | BusRequest::KickUser { .. }
            | BusRequest::KickSocket(_)
            | BusRequest::Follow { .. }
            | BusRequest::LogOut { .. }
            | BusRequest::Erase { .. }
            | BusRequest::LogOutFamily { .. } => drop(self.requests.send(asked).await),
        }
    }
}

impl Answering {
    async fn run(self, mut asked: mpsc::Receiver<AskedHere>) {
        while let Some(AskedHere { from, question, request }) = asked.recv().await {
            let answer = self.answer(request).await;
            self.bus.answer(&from, question, answer);
        }
    }

    async fn answer(&self, request: BusRequest) -> NodeAnswer {
        let failed = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, "what another node asked for could not be done");
            NodeAnswer::Failed
        };
        let kicked = |done: Result<Vec<SocketId>, ControlError>| match done {
            Ok(sockets) => NodeAnswer::Kicked(sockets),
            Err(error) => failed(&error),
        };
        match request {
            // They are answered where they are heard.
            BusRequest::Emit { .. }
            | BusRequest::Count(_)
            | BusRequest::Look(_)
            | BusRequest::Replace(_)
            | BusRequest::Report(_)
            | BusRequest::Inboxes(_)
            | BusRequest::SeatsOf(_)
            | BusRequest::EndSeats { .. }
            | BusRequest::WakeHooks(_)
            | BusRequest::Attach(_) => NodeAnswer::Failed,
            BusRequest::Join { audience, rooms } => match self.bulk.join(audience, rooms).await {
                Ok(moved) => NodeAnswer::Moved(moved),
                Err(error) => failed(&error),
            },
            BusRequest::Leave { audience, rooms } => match self.bulk.leave(audience, rooms).await {
                Ok(moved) => NodeAnswer::Moved(moved),
                Err(error) => failed(&error),
            },
            BusRequest::Disconnect(dismissal) => match self.bulk.disconnect(dismissal).await {
                Ok(count) => NodeAnswer::Disconnected(count),
                Err(error) => failed(&error),
            },
            BusRequest::KickUser { user, reason, grace } => {
                let farewell = Farewell { reason: reason.as_deref(), ..Farewell::default() };
                kicked(self.control.kick(&user, farewell, grace).await)
            }
            BusRequest::Follow { book: BookName::Restrictions, change } => {
                kicked(self.control.follow(change).await)
            }
            BusRequest::Follow { book: BookName::Memberships, change } => {
                match self.memberships.follow(change).await {
                    Ok(changed) => NodeAnswer::Counted(changed),
                    Err(error) => failed(&error),
                }
            }
            BusRequest::LogOut { user, reason } => {
                kicked(self.control.log_out(&user, None, reason.as_deref()).await)
            }
            BusRequest::LogOutFamily { user, family, reason } => {
                kicked(self.control.log_out(&user, Some(family), reason.as_deref()).await)
            }
            BusRequest::Erase { user, forget } => {
                match self.erasure.erase_for_another(&user, forget).await {
                    Some(count) => NodeAnswer::Counted(count),
                    None => NodeAnswer::Failed,
                }
            }
            BusRequest::KickSocket(id) => match self.control.kick_socket(id).await {
                Ok(socket) => NodeAnswer::KickedSocket(socket.map(|it| it.user().clone())),
                Err(error) => failed(&error),
            },
        }
    }
}
