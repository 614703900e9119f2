//! From the JSON of an emit to what became of it: the same for every source.

use crate::cluster::{BusError, ClusterMember};
use crate::commands;
use crate::commands::bulk::{Dismiss, DismissRequest, Move, MoveRequest};
use crate::commands::emit::EmitTerms;
use crate::commands::error::CommandError;
use crate::core::delivery::outbox::NoHook;
use crate::core::emit::allow::{AllowList, NotAllowed};
use crate::core::emit::message::Message;
use crate::core::presence::session::Grace;
use crate::realtime::bulk::Dismissal;
use crate::realtime::emitter::Emitting;
use crate::realtime::everywhere::Everywhere;
use crate::realtime::messages::{Messages, PostError, SentMessage};
use crate::types::{EventPattern, ItemId, Namespace, SourceName};
use std::sync::Arc;
use std::time::Duration;

/// What sources send messages with.
#[derive(Debug, Clone)]
pub struct IngestParts {
    /// Sends them.
    pub messages: Arc<Messages>,
    /// Has sockets join and leave rooms, and disconnects them.
    pub everywhere: Arc<Everywhere>,
    /// The namespaces that exist.
    pub namespaces: Arc<[Namespace]>,
    /// The longest `ttl`.
    pub ttl_max: Duration,
    /// Events that only clients send, to each other.
    pub client_events: Arc<[EventPattern]>,
    /// The other nodes, if there are any, and after how long without a word one of them is gone.
    pub cluster: Option<(ClusterMember, Duration)>,
    /// Largest message, in bytes of JSON.
    pub payload_max: usize,
}

/// Reads and sends the messages of one source.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) name: SourceName,
    pub(super) allow: AllowList,
    pub(super) parts: IngestParts,
}

/// Why a message is not emitted, and never will be as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MessageRefusal {
    /// The stable name, as in the admin API.
    pub(super) code: &'static str,
    /// The same for people.
    pub(super) message: String,
}

/// What is done with sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketVerb {
    /// They join rooms.
    Join,
    /// They leave rooms.
    Leave,
    /// They are disconnected.
    Disconnect,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// Somebody has it, or it is in an inbox.
    Emitted,
    /// It was stored before, under the same name: it was not emitted again.
    Repeated,
    /// There was nobody whom it was for.
    Unmatched,
    /// It was about sockets, and done with them.
    Changed,
    /// It was not emitted.
    Refused(MessageRefusal),
    /// The server cannot take it for the moment.
    Later(String),
}

impl Intake {
    /// Reads the JSON of an emit. `key` is what it is called in inboxes if its JSON gives no `id`; both are told apart from
    /// those of other sources by the name of this one.
    pub(super) fn read(
        &self,
        json: &[u8],
        key: Option<&str>,
    ) -> Result<Box<Message>, MessageRefusal> {
        let IngestParts { namespaces, ttl_max, payload_max, client_events, .. } = &self.parts;
        if *payload_max < json.len() {
            return Err(MessageRefusal::too_large(json.len(), *payload_max));
        }
        let terms =
            EmitTerms { namespaces, default_namespace: None, ttl_max: *ttl_max, client_events };
        let mut message = commands::emit::parse(json, terms, None)?;
        self.allow.check(&message.emit)?;
        message.emit.source = Some(self.name.clone());
        if let Some(store) = &mut message.store {
            let own = store.id.take();
            if let Some(key) = own.as_ref().map(ItemId::as_str).or(key) {
                let id = ItemId::parse(&format!("{}:{key}", self.name));
                store.id = Some(id.map_err(|why| CommandError::field("id", why))?);
            }
        }
        Ok(Box::new(message))
    }

    /// Sends a message; done when it is stored, if it is to be, and handed to its sockets.
    pub(super) async fn post(&self, message: Box<Message>) -> Posted {
        let error = match self.parts.messages.post(*message).await {
            // Acks, if it asked for any, are waited for all the same, and `GET /v1/messages/{id}` tells them.
            Ok(SentMessage { emitted, others, stored, members: _, acks: _ }) => {
                let emitted = Emitting { emitted, others }.end().await;
                let is_repeated = || stored.values().all(|it| it.is_duplicate);
                return match (emitted.matched, stored.is_empty()) {
                    (0, true) => Posted::Unmatched,
                    (0, false) if is_repeated() => Posted::Repeated,
                    (_, _) => Posted::Emitted,
                };
            }
            Err(error) => error,
        };
        let code = match &error {
            PostError::Waiting
            | PostError::NoHook(NoHook::Full | NoHook::Away)
            | PostError::NotTold(_)
            | PostError::Inboxes(_)
            | PostError::Bus(BusError::Full(_))
            | PostError::Closed(_) => {
                return Posted::Later(error.to_string());
            }
            PostError::TooManyRecipients(_)
            | PostError::TooManyMembers { .. }
            | PostError::Bus(BusError::Wire(_))
            | PostError::NoHook(NoHook::Unwanted) => "invalid_argument",
            PostError::Lost(_) | PostError::Members(_) => "internal",
        };
        Posted::Refused(MessageRefusal { code, message: error.to_string() })
    }
}

impl Intake {
    /// Has sockets join or leave rooms, or disconnects them: the JSON is that of `POST /v1/sockets/…`. Done when it is done
    /// with all of them.
    pub(super) async fn change(&self, verb: SocketVerb, json: &[u8]) -> Posted {
        self.try_change(verb, json).await.unwrap_or_else(Posted::Refused)
    }

    async fn try_change(&self, verb: SocketVerb, json: &[u8]) -> Result<Posted, MessageRefusal> {
        let IngestParts { everywhere, namespaces, .. } = &self.parts;
        let matched = match verb {
            SocketVerb::Join | SocketVerb::Leave => {
                let request = commands::json::parse::<MoveRequest>(json)?;
                let Move { audience, rooms } = request.parse(namespaces)?;
                self.allow.check_target(&audience.target)?;
                self.allow.check_rooms(&rooms)?;
                let moved = match verb {
                    SocketVerb::Join => everywhere.join(audience, rooms).await,
                    SocketVerb::Leave | SocketVerb::Disconnect => {
                        everywhere.leave(audience, rooms).await
                    }
                };
                moved.map(|it| it.done.matched).map_err(|it| it.to_string())
            }
            SocketVerb::Disconnect => {
                let request = commands::json::parse::<DismissRequest>(json)?;
                let Dismiss { audience, reason, is_offline_at_once } = request.parse(namespaces)?;
                self.allow.check_target(&audience.target)?;
                let grace = if is_offline_at_once { Grace::Skip } else { Grace::Keep };
                let dismissal = Dismissal { audience, reason, grace };
                let dismissed = everywhere.disconnect(dismissal).await;
                dismissed.map(|it| it.done).map_err(|it| it.to_string())
            }
        };
        Ok(match matched {
            Ok(0) => Posted::Unmatched,
            Ok(_) => Posted::Changed,
            Err(why) => Posted::Later(why),
        })
    }
}

impl MessageRefusal {
    /// A message with more bytes than `limits.payload`.
    pub(super) fn too_large(len: usize, max: usize) -> Self {
        let message = format!("an emit has at most {max} bytes (`limits.payload`), not {len}");
        Self { code: "payload_too_large", message }
    }
}

impl From<CommandError> for MessageRefusal {
    fn from(error: CommandError) -> Self {
        Self { code: error.code.as_str(), message: error.message }
    }
}

impl From<NotAllowed> for MessageRefusal {
    fn from(error: NotAllowed) -> Self {
        Self { code: "forbidden", message: error.to_string() }
    }
}
