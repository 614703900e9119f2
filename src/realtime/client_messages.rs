//! Events that clients send to each other: checked against what each was granted, and sent under the sender's verified
//! name.
//!
//! The sender learns nothing of the receivers: whether somebody is there, or in reach, makes no difference to the answer.

use super::messages::Messages;
use super::sockets::Sockets;
use crate::clock::Clock;
use crate::config::ClientMessagesConfig;
use crate::connection::ReceivedAck;
use crate::core::contacts::{self, Reach, Viewer};
use crate::core::emit::acks::AckNeed;
use crate::core::emit::audience::{Addressee as _, Audience};
use crate::core::emit::message::{AckOptions, Emit, Message, WhenUndelivered};
use crate::registry::Socket;
use crate::types::{
    DeviceId, EventName, Except, Grants, Payload, Room, SourceName, Target, UserId,
};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Where `GET /v1/messages` says that such events come from.
const SOURCE: &str = "clients";

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
}

/// An event that may be sent, and is not yet.
#[derive(Debug)]
pub struct ReadyMessage {
    /// Nothing, if nobody is in reach.
    message: Option<Message>,
    ack: Option<Duration>,
}

/// Sends what clients send to each other.
#[derive(Debug)]
pub struct ClientMessages {
    config: ClientMessagesConfig,
    messages: Arc<Messages>,
    sockets: Sockets,
    clock: Clock,
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
        sockets: Sockets,
        clock: Clock,
    ) -> Self {
        Self { config, messages, sockets, clock }
    }

    /// Checks what the client of `from` wants to send.
    pub fn check(&self, from: &Socket, sent: ClientMessage) -> Result<ReadyMessage, MayNotSend> {
        let ClientMessage { to, event, payload, volatile, except, ack } = sent;
        let ClientMessagesConfig { is_on, allow, to_users, to_rooms } = &self.config;
        if !is_on {
            return Err(MayNotSend::Off);
        }
        if !allow.iter().any(|it| it.matches(event.as_str())) {
            return Err(MayNotSend::Event(event));
        }
        let (rooms, grants) = (from.granted_rooms(), from.grants());
        let viewer = viewer(from, &rooms, &grants);
        let (target, room, is_in_reach) = match to {
            MessageReceivers::User(user) => {
                let theirs = self.sockets.reachable(&user, &from.namespace);
                let is_in = |room: &Room| theirs.iter().any(|it| it.is_granted(room));
                let is_in_reach = Reach::new(to_users, viewer).has(&user, is_in);
                (Target { users: vec![user], ..Target::default() }, None, is_in_reach)
            }
            MessageReceivers::Room(room) => {
                if !contacts::is_own_room(to_rooms, viewer, &room) {
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
        let source = SourceName::parse(SOURCE);
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

    /// Sends, and waits for the first ack if one is asked for. Without one it takes the whole time, whoever is there.
    pub async fn send(&self, ready: ReadyMessage) -> Option<ReceivedAck> {
        let ReadyMessage { message, ack } = ready;
        let until = ack.map(|timeout| self.clock.now() + timeout);
        let received = match message {
            Some(message) => self.post(message).await,
            None => None,
        };
        if let (None, Some(until)) = (&received, until) {
            self.clock.sleep_until(until).await;
        }
        received
    }

    async fn post(&self, message: Message) -> Option<ReceivedAck> {
        // An event of a client is stored nowhere and told to nobody: what can fail is a server that stops.
        let acks = self.messages.post(message).await.ok()?.acks?;
        let outcome = acks.end().await.ok()?;
        outcome.acks.iter().find_map(|it| it.answer.as_ref().ok().cloned())
    }
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
