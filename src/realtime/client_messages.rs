//! Events that clients send to each other: checked against what each was granted, and sent under the sender's verified
//! name.
//!
//! The sender learns nothing of the receivers: whether somebody is there, or in reach, makes no difference to the answer.

use super::messages::{AckOutcome, Messages};
use super::permissions::{NotAnswered, Permissions};
use super::sockets::Sockets;
use crate::clock::Clock;
use crate::cluster::ClusterMember;
use crate::config::ClientMessagesConfig;
use crate::connection::ReceivedAck;
use crate::core::cluster::places::UserRooms;
use crate::core::contacts::{self, Reach, Viewer};
use crate::core::emit::acks::AckNeed;
use crate::core::emit::audience::{Addressee as _, Audience};
use crate::core::emit::message::{AckOptions, Emit, Message, WhenUndelivered};
use crate::core::permission::question::Wish;
use crate::registry::Socket;
use crate::types::{
    DeviceId, EventName, Except, Grants, Payload, Room, SourceName, Target, UserId,
};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;

/// How long is waited for what other nodes have said of a receiver.
const PLACES_WAIT: Duration = Duration::from_secs(1);

/// An event of a client for others.
#[derive(Debug)]
pub struct ClientMessage {
    /// Who gets it, besides the socket that sends it.
    pub to: MessageReceivers,
    /// Its name.
    pub event: EventName,
    /// Its argument, and what may be buffers. The sender is appended.
    pub payload: Payload,
    /// Whether it may be dropped for clients that are busy.
    pub volatile: bool,
    /// Who of the sender's own does not get it.
    pub except: Option<OwnSockets>,
    /// How long to wait for an ack; only of a user.
    pub ack: Option<Duration>,
}

/// Who gets an event of a client.
#[derive(Debug)]
pub enum MessageReceivers {
    /// All sockets of a user.
    User(UserId),
    /// All sockets in a room.
    Room(Room),
}

/// Sockets of the sender's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnSockets {
    /// All of its user.
    User,
    /// All of its tab or device.
    Device,
}

/// What a client may not send. What it says is about the sender alone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MayNotSend {
    /// Clients may send nothing.
    #[error("clients cannot send to each other here (`messages.client_to_client`)")]
    Off,
    /// Not this event.
    #[error("clients cannot send `{0}` to each other here (`messages.allow`)")]
    Event(EventName),
    /// The sender is not in the room, or may not send to it.
    #[error("`to.room` is not a room of this client that it may send to")]
    Room,
    /// The backend does not say whether it may.
    #[error(transparent)]
    NotAnswered(#[from] NotAnswered),
}

impl MayNotSend {
    /// The stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Off | Self::Event(_) | Self::Room => "not_allowed",
            Self::NotAnswered(why) => why.code(),
        }
    }
}

/// An event that may be sent, and is not yet.
#[derive(Debug)]
pub struct ReadyMessage {
    /// Nothing, if nobody is in reach.
    message: Option<Message>,
    ack: Option<Duration>,
}

impl ReadyMessage {
    /// Whether an ack is waited for.
    pub fn wants_ack(&self) -> bool {
        self.ack.is_some()
    }
}

/// Sends what clients send to each other.
#[derive(Debug)]
pub struct ClientMessages {
    config: ClientMessagesConfig,
    messages: Arc<Messages>,
    sockets: Sockets,
    /// Asked where the configuration says so.
    permissions: Option<Permissions>,
    /// Knows in which rooms users are on other nodes, where that is asked.
    member: Option<ClusterMember>,
    clock: Clock,
}

/// What was found out about an event that a client wants to send.
#[derive(Debug, Default)]
struct MessageCheck {
    /// The backend allows it.
    is_allowed: bool,
    /// The rooms of the receiver, as all nodes have said.
    rooms: Option<UserRooms>,
}

/// The last argument of what a client sends: who it was.
#[derive(Serialize)]
struct SenderNote<'a> {
    from: SenderName<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
}

#[derive(Serialize)]
struct SenderName<'a> {
    user: &'a str,
    socket: String,
    device: Option<&'a str>,
}

impl ClientMessages {
    /// Clients may send what `config` says.
    pub fn new(
        config: ClientMessagesConfig,
        messages: Arc<Messages>,
        (sockets, permissions): (Sockets, Option<Permissions>),
        clock: Clock,
    ) -> Self {
        Self { config, messages, sockets, permissions, member: None, clock }
    }

    /// Receivers may be on other nodes: in which rooms they are there, the cluster of `member` is asked.
    #[must_use]
    pub fn in_cluster(self, member: ClusterMember) -> Self {
        let is_asked = !contacts::shared_rooms(&self.config.to_users).is_empty();
        Self { member: is_asked.then_some(member), ..self }
    }

    /// Checks what the client of `from` wants to send. It is handed back if the backend or other nodes have to be asked:
    /// [`ClientMessages::check`].
    pub fn check_at_once(
        &self,
        from: &Socket,
        sent: ClientMessage,
    ) -> Result<Result<ReadyMessage, ClientMessage>, MayNotSend> {
        if self.question(from, &sent)?.is_some() || self.open_elsewhere(from, &sent).is_some() {
            return Ok(Err(sent));
        }
        self.make_ready(from, sent, MessageCheck::default()).map(Ok)
    }

    /// Checks what the client of `from` wants to send, if the backend lets it, where that is asked.
    pub async fn check(
        &self,
        from: &Socket,
        sent: ClientMessage,
    ) -> Result<ReadyMessage, MayNotSend> {
        let is_allowed = match self.question(from, &sent)? {
            Some((permissions, wish)) => permissions.ask(from, wish).await?.allowed.is_all(),
            None => false,
        };
        let rooms = match self.open_elsewhere(from, &sent) {
            Some((member, user)) => rooms_of(member, user).await,
            None => None,
        };
        self.make_ready(from, sent, MessageCheck { is_allowed, rooms })
    }

    /// The receiver, if it hangs on its rooms on other nodes whether it is in reach. That depends on the sender alone, as in
    /// [`question`](Self::question).
    fn open_elsewhere<'a>(
        &'a self,
        from: &Socket,
        sent: &'a ClientMessage,
    ) -> Option<(&'a ClusterMember, &'a UserId)> {
        let (Some(member), MessageReceivers::User(user)) = (&self.member, &sent.to) else {
            return None;
        };
        let (rooms, grants) = (from.granted_rooms(), from.grants());
        let reach = Reach::new(&self.config.to_users, viewer(from, &rooms, &grants));
        (!reach.has_always(user)).then_some((member, user))
    }

    /// What the backend has to be asked about it, if anything. That depends on the sender alone: whether it is asked, and so
    /// whether the answer takes longer, tells nothing of the receivers.
    fn question<'a>(
        &'a self,
        from: &Socket,
        sent: &'a ClientMessage,
    ) -> Result<Option<(&'a Permissions, Wish<'a>)>, MayNotSend> {
        let ClientMessage { to, event, .. } = sent;
        let ClientMessagesConfig { is_on, allow, to_users, .. } = &self.config;
        if !is_on {
            return Err(MayNotSend::Off);
        }
        if !allow.iter().any(|it| it.matches(event.as_str())) {
            return Err(MayNotSend::Event(event.clone()));
        }
        let Some(permissions) = &self.permissions else { return Ok(None) };
        let (rooms, grants) = (from.granted_rooms(), from.grants());
        let viewer = viewer(from, &rooms, &grants);
        let wish = match to {
            MessageReceivers::User(user) => {
                let is_open =
                    contacts::asks(to_users) && !Reach::new(to_users, viewer).has_always(user);
                is_open.then_some(Wish::EmitToUser(event, user))
            }
            MessageReceivers::Room(room) => {
                let is_open = self.asks_about(room) && rooms.contains(room);
                is_open.then_some(Wish::EmitToRoom(event, room))
            }
        };
        Ok(wish.map(|wish| (permissions, wish)))
    }

    fn asks_about(&self, room: &Room) -> bool {
        self.config.to_rooms_by_hook.iter().any(|it| it.matches(room.as_str()))
    }

    fn make_ready(
        &self,
        from: &Socket,
        sent: ClientMessage,
        MessageCheck { is_allowed, rooms: elsewhere }: MessageCheck,
    ) -> Result<ReadyMessage, MayNotSend> {
        let ClientMessage { to, event, payload, volatile, except, ack } = sent;
        let ClientMessagesConfig { to_users, to_rooms, to_rooms_by_hook, .. } = &self.config;
        let (rooms, grants) = (from.granted_rooms(), from.grants());
        let viewer = viewer(from, &rooms, &grants);
        let (target, room, is_in_reach) = match to {
            MessageReceivers::User(user) => {
                let theirs = self.sockets.reachable(&user, &from.namespace);
                let is_in = |room: &Room| {
                    theirs.iter().any(|it| it.is_granted(room))
                        || elsewhere.as_ref().is_some_and(|it| it.has(&from.namespace, room))
                };
                let is_in_reach = is_allowed || Reach::new(to_users, viewer).has(&user, is_in);
                (Target { users: vec![user], ..Target::default() }, None, is_in_reach)
            }
            MessageReceivers::Room(room) => {
                let names = if is_allowed { to_rooms_by_hook } else { to_rooms };
                let is_asked = !is_allowed && self.asks_about(&room);
                if is_asked || !contacts::is_own_room(names, viewer, &room) {
                    return Err(MayNotSend::Room);
                }
                (Target { rooms: vec![room.clone()], ..Target::default() }, Some(room), true)
            }
        };
        let outcome = if is_in_reach { "sent" } else { "withheld" };
        metrics::counter!("userline_client_messages_total", "outcome" => outcome).increment(1);
        let (namespace, except) = (from.namespace.clone(), left_out(from, except));
        let audience = Arc::new(Audience { namespace, target, except });
        let payload = signed(&payload, from, room.as_ref());
        let source = SourceName::parse(SourceName::CLIENTS);
        let emit = Emit { audience, event, payload, volatile, source };
        let acks = ack.map(|timeout| AckOptions { need: AckNeed::Any, timeout });
        let undelivered = WhenUndelivered::Nothing;
        let message = is_in_reach.then_some(Message { emit, store: None, acks, undelivered });
        Ok(ReadyMessage { message, ack })
    }

    /// Sends without waiting, if that is short work and no ack is waited for; else gives it back.
    pub fn send_at_once(&self, ready: ReadyMessage) -> Option<ReadyMessage> {
        let is_done = match &ready {
            ReadyMessage { ack: Some(_), .. } => false,
            ReadyMessage { message: None, .. } => true,
            ReadyMessage { message: Some(message), .. } => {
                self.messages.post_at_once(message).is_some()
            }
        };
        (!is_done).then_some(ready)
    }

    /// Sends, says so by `sent`, and waits for the first ack if one is asked for. Without one it takes the whole time, whoever
    /// is there.
    pub async fn send(&self, ready: ReadyMessage, sent: impl FnOnce()) -> Option<ReceivedAck> {
        let ReadyMessage { message, ack } = ready;
        let until = ack.map(|timeout| self.clock.now() + timeout);
        // An event of a client is stored nowhere and told to nobody: what can fail is a server that stops.
        let posted = match message {
            Some(message) => self.messages.post(message).await.ok(),
            None => None,
        };
        sent();
        let received = match posted.and_then(|it| it.acks) {
            Some(acks) => acks.end().await.ok().and_then(|it| first_ack(&it)),
            None => None,
        };
        if let (None, Some(until)) = (&received, until) {
            self.clock.sleep_until(until).await;
        }
        received
    }
}

/// The rooms of a user, as all nodes have said. While they cannot be asked only those here count, whom alone an event reaches then.
async fn rooms_of(member: &ClusterMember, user: &UserId) -> Option<UserRooms> {
    let places = timeout(PLACES_WAIT, member.places(std::slice::from_ref(user))).await;
    let mut places = places.ok()?.ok()?;
    places.users.pop()?.rooms()
}

fn first_ack(outcome: &AckOutcome) -> Option<ReceivedAck> {
    outcome.acks.iter().find_map(|it| it.answer.as_ref().ok().cloned())
}

/// What a socket was granted, as far as rules about others look at it; `rooms` are those that it is in.
pub fn viewer<'a>(socket: &'a Socket, rooms: &'a [Room], grants: &'a Grants) -> Viewer<'a> {
    Viewer { user: socket.user(), rooms, data: grants.data.as_deref() }
}

/// The sending socket, and what of its own besides is left out.
fn left_out(from: &Socket, except: Option<OwnSockets>) -> Except {
    let mut left_out = Except { sockets: vec![from.id], ..Except::default() };
    match except {
        Some(OwnSockets::User) => left_out.users.push(from.user().clone()),
        Some(OwnSockets::Device) => left_out.devices.extend(from.device.clone()),
        None => {}
    }
    left_out
}

/// The arguments, and behind them who sent them.
fn signed(payload: &Payload, from: &Socket, room: Option<&Room>) -> Payload {
    let device = from.device.as_ref().map(DeviceId::as_str);
    let name = SenderName { user: from.user().as_str(), socket: from.id.to_string(), device };
    let note = SenderNote { from: name, room: room.map(Room::as_str) };
    let mut args = payload.args().to_vec();
    args.extend(to_raw_value(&note));
    let signed = Payload::try_new(args).unwrap_or_default();
    signed.with_buffers(payload.buffers().to_vec())
}
