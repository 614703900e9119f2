//! A client authenticates, comes and goes.

mod options;

pub(crate) use options::RecoveryClaim;

use super::Realtime;
use crate::auth::{AuthPayload, Credentials, Refusal};
use crate::connection::Connection;
use crate::core::presence::session::UserSession;
use crate::core::protocol::packet;
use crate::core::recovery::{Newcomer, Offset, Pid, Recovery, RecoveryOutcome};
use crate::entropy;
use crate::presence::Place;
use crate::registry::{Socket, SocketParts};
use crate::types::{DeviceId, Identity, Namespace, Payload, Reason, ServerEvent, SocketId, UserId};
use bytes::Bytes;
use options::ConnectOptions;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a client may wait for the store to have room for its news.
const STORE_WAIT: Duration = Duration::from_secs(10);

/// Why a client was refused; its `err.data.code` is [`ConnectError::code`].
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Authentication said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// `auth` is larger than `limits.auth_bytes`.
    #[error("auth has {len} bytes, more than {max}")]
    AuthTooLarge {
        /// Bytes sent.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The store takes nothing for a while; the connection is closed, so the client does not see this.
    #[error("the server cannot take connections now")]
    Unavailable,
    /// `auth.device` is not the name of a device.
    #[error(
        "auth.device must be a text of 1 to {} bytes without control characters",
        DeviceId::BYTES_MAX
    )]
    Device,
    /// `auth.inbox_after` is not the number of an item.
    #[error(
        "auth.inbox_after must be a whole number: the `seq` of the last item that the client knows"
    )]
    InboxAfter,
    /// More rooms than `limits.rooms_per_socket`.
    #[error("{len} rooms were granted, more than {max}")]
    TooManyRooms {
        /// Rooms granted.
        len: usize,
        /// Rooms allowed.
        max: usize,
    },
}

impl ConnectError {
    /// The stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::AuthTooLarge { .. } => "auth_too_large",
            Self::Unavailable => "unavailable",
            Self::Device => "device_invalid",
            Self::InboxAfter => "inbox_after_invalid",
            Self::TooManyRooms { .. } => "too_many_rooms",
        }
    }
}

impl Realtime {
    /// Finds out who wants to connect to `namespace`, and prepares what happens when the engine says so: the client
    /// is answered, the socket is taken in. `auth` is what the client sent along, as JSON.
    pub async fn authenticate(
        &self,
        connection: &Arc<Connection>,
        namespace: &Namespace,
        auth: Option<&RawValue>,
    ) -> Result<Arc<Socket>, ConnectError> {
        match self.admit(connection, auth).await {
            Ok(Admitted { identity, options, place }) => {
                let ConnectOptions { device, inbox_after, claim } = options;
                let socket = Arc::new(self.make_socket(connection, namespace, identity, device));
                let (realtime, joining) = (self.clone(), Arc::clone(&socket));
                connection.prepare_accept(namespace, move |_| {
                    let is_recovered = realtime.join(&joining, place, &claim);
                    if let Some(after) = inbox_after {
                        realtime.replay_inbox(joining, after);
                    } else if is_recovered {
                        realtime.refresh_inbox(joining);
                    }
                });
                Ok(socket)
            }
            Err(error) => {
                metrics::counter!("userline_connects_refused_total", "code" => error.code())
                    .increment(1);
                tracing::debug!(code = error.code(), %error, "refused a client");
                let message = error.to_string();
                let data = json!({"code": error.code(), "message": message});
                let reply = json!({"message": message, "data": data}).to_string();
                connection.prepare_refusal(namespace, packet::connect_error(namespace, &reply));
                Err(error)
            }
        }
    }

    /// Everything that may go wrong before the client is accepted.
    async fn admit(
        &self,
        connection: &Connection,
        auth: Option<&RawValue>,
    ) -> Result<Admitted, ConnectError> {
        let (len, max) = (auth.map_or(0, |it| it.get().len()), self.limits.auth_bytes);
        if max < len {
            return Err(ConnectError::AuthTooLarge { len, max });
        }
        let auth = AuthPayload::parse(auth)?;
        let identity = self.identify(connection, &auth).await?;
        let options = ConnectOptions::read(&auth)?;
        let place = self.reserve(connection, &identity.user).await?;
        Ok(Admitted { identity, options, place })
    }

    /// Room in the store for the news that the user is online. Without it the connection is closed: a stock client
    /// comes back by itself after that, and not after a refusal.
    pub(crate) async fn reserve(
        &self,
        connection: &Connection,
        user: &UserId,
    ) -> Result<Place, ConnectError> {
        if let Ok(Ok(place)) =
            tokio::time::timeout(STORE_WAIT, self.sockets.presence.reserve_for(user)).await
        {
            return Ok(place);
        }
        tracing::warn!("closed a connection: the store takes nothing");
        connection.close(Reason::ServerShutdown);
        Err(ConnectError::Unavailable)
    }

    async fn identify(
        &self,
        connection: &Connection,
        auth: &AuthPayload<'_>,
    ) -> Result<Identity, ConnectError> {
        let authorization = connection.facts().authorization.as_ref();
        let authorization = authorization.and_then(|it| std::str::from_utf8(it.expose()).ok());
        let credentials = Credentials { auth, authorization };
        let identity = self.authenticator.authenticate(credentials, self.clock.wall()).await?;
        let (len, max) = (identity.grants.rooms.len(), self.limits.rooms_per_socket);
        if max < len {
            return Err(ConnectError::TooManyRooms { len, max });
        }
        Ok(identity)
    }

    fn make_socket(
        &self,
        connection: &Arc<Connection>,
        namespace: &Namespace,
        identity: Identity,
        device: Option<DeviceId>,
    ) -> Socket {
        Socket::new(SocketParts {
            id: SocketId::from_bytes(entropy::bytes()),
            namespace: namespace.clone(),
            user: identity.user,
            device,
            connected_at: self.clock.wall(),
            grants: identity.grants,
            connection: Arc::clone(connection),
        })
    }

    /// Answers an authenticated client, takes its socket in and greets it with `userline:session`. If it is gone
    /// already, nothing happens. Returns whether it has recovered an earlier session.
    pub(crate) fn join(&self, socket: &Arc<Socket>, place: Place, claim: &RecoveryClaim) -> bool {
        if socket.connection.is_closed() {
            return false; // kicked in another namespace, for example: nobody came
        }
        if let Some(recovery) = self.recoveries.of(&socket.namespace) {
            return self.join_recovering(socket, place, claim, recovery);
        }
        socket.connection.answer_connect(&connect_reply(socket, None));
        if let Some(session) = self.sockets.connect(socket, place) {
            greet(socket, session, None);
        }
        false
    }

    /// The same where there is recovery. Under one lock with those who emit: what is logged so far is replayed in the
    /// bytes that follow the reply, what is logged later finds the socket in the registry.
    fn join_recovering(
        &self,
        socket: &Arc<Socket>,
        place: Place,
        claim: &RecoveryClaim,
        recovery: &Mutex<Recovery<Arc<Socket>>>,
    ) -> bool {
        let fresh = Pid::new(entropy::secret());
        let newcomer = Newcomer { socket: Arc::clone(socket), fresh };
        let mut locked = recovery.lock();
        let now = self.clock.now();
        let attached = locked.attach(newcomer, claim.get(), now);
        socket.set_pid(attached.pid.clone());
        socket.set_earlier_ids(attached.earlier);
        socket.address(attached.last_missed);
        let reply = connect_reply(socket, Some(&attached.pid));
        let frames = [&[reply][..], &attached.missed].concat();
        socket.connection.answer_connect(&Bytes::from(frames.concat()));
        if let Some(session) = self.sockets.connect(socket, place) {
            greet(socket, session, Some(&attached.head));
        } else {
            locked.detach(&attached.pid, socket.id, now);
        }
        drop(locked);
        count(attached.outcome);
        // Last, so that the user is never without a socket.
        let replaced =
            attached.replaced.filter(|old| !Arc::ptr_eq(&old.connection, &socket.connection));
        if let Some(old) = replaced {
            old.connection.close(Reason::Replaced);
        }
        attached.outcome.is_recovered()
    }

    /// Lets a socket go; repeats change nothing. `reason` is why its connection ended, as far as that is known.
    pub fn leave(&self, socket: &Socket, reason: Reason) {
        let reason = match (socket.kicked(), reason) {
            (Some(_), _) => Reason::Kicked,
            // Another socket of the connection was.
            (None, Reason::Kicked) => Reason::TransportClose,
            (None, reason) => reason,
        };
        // One lock around both: what is logged from here on was not handed to this socket.
        let recovery = self.recoveries.of(&socket.namespace);
        let recovery = socket.pid().zip(recovery).map(|(pid, recovery)| (pid, recovery.lock()));
        let was_here = self.sockets.disconnect(socket, reason);
        socket.connection.forget_acks(&socket.namespace);
        if let Some((pid, mut recovery)) = recovery {
            if matches!(reason, Reason::ClientDisconnect | Reason::Kicked) {
                recovery.end(pid, socket.id);
            } else {
                recovery.detach(pid, socket.id, self.clock.now());
            }
        }
        if was_here {
            self.remember(socket, reason);
            let (user, id) = (&socket.user, socket.id);
            tracing::debug!(user.id = %user, socket.id = %id, %reason, "socket disconnected");
            metrics::counter!("userline_disconnects_total", "reason" => reason.as_str())
                .increment(1);
        }
    }
}

/// Tells the metrics what became of a claim.
fn count(outcome: RecoveryOutcome) {
    let (outcome, cause) = match outcome {
        RecoveryOutcome::New => return,
        RecoveryOutcome::Recovered => ("recovered", "none"),
        RecoveryOutcome::Lost(lost) => ("lost", lost.as_str()),
    };
    metrics::counter!("userline_recoveries_total", "outcome" => outcome, "cause" => cause)
        .increment(1);
}

/// A client that may come in.
struct Admitted {
    identity: Identity,
    options: ConnectOptions,
    place: Place,
}

/// The reply to a CONNECT, with the public id and, where there is recovery, the name of the session.
fn connect_reply(socket: &Socket, pid: Option<&Pid>) -> Bytes {
    #[derive(Serialize)]
    struct Reply<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        pid: Option<&'a str>,
        sid: String,
    }
    let reply = Reply { pid: pid.map(Pid::as_str), sid: socket.id.to_string() };
    // Writing texts to memory does not fail.
    packet::connect(&socket.namespace, &serde_json::to_string(&reply).unwrap_or_default())
}

/// The data of `userline:session`.
#[derive(Serialize)]
struct Greeting<'a> {
    expires_at: Option<u64>,
    session: u64,
    socket: String,
    user: &'a str,
}

/// Tells the client who it is. The event's offset lets even a client recover that gets no other event.
fn greet(socket: &Socket, session: UserSession, head: Option<&Offset>) {
    let (user, id) = (&socket.user, socket.id);
    tracing::debug!(user.id = %user, socket.id = %id, "socket connected");
    let greeting = Greeting {
        expires_at: socket.grants().expires_at.map(|at| at.0),
        session: session.id.0,
        socket: id.to_string(),
        user: user.as_str(),
    };
    let payload = to_raw_value(&greeting).ok().and_then(|it| Payload::try_new(vec![it]).ok());
    if let Some(payload) = payload {
        let offset = head.map(ToString::to_string);
        let (name, offset) = (ServerEvent::Session.json_name(), offset.as_deref());
        // Queued, because whoever called this is about to write anyway.
        socket.connection.queue(&packet::event(&socket.namespace, name, &payload, offset), false);
    }
}
