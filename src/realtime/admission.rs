//! A client asks to connect: found out who it is, refused or let in.

mod authentication;
mod options;

pub use authentication::Authentication;

use super::attendance::{Attendance, NoSeat, NotSignedIn};
use super::inboxes::LiveInboxes;
use crate::auth::Refusal;
use crate::clock::Clock;
use crate::connection::{Accept, Connection, EventListener};
use crate::core::control::restrictions::Barred;
use crate::core::protocol::loan::BadAuth;
use crate::core::protocol::packet;
use crate::entropy;
use crate::presence::Place;
use crate::recovery::Replaced;
use crate::registry::{Socket, SocketParts};
use crate::types::{DeviceId, Identity, ItemSeq, Namespace, Reason, SocketId, WallMs};
use bytes::Bytes;
use options::{ConnectOptions, RecoveryClaim};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Decides who is let in, and lets them in.
#[derive(Debug)]
pub struct Admission {
    authentication: Authentication,
    attendance: Arc<Attendance>,
    inboxes: Arc<LiveInboxes>,
    clock: Clock,
}

/// Why a client was refused; its `err.data.code` is [`ConnectError::code`].
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Authentication said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// `auth` cannot say who it is.
    #[error(transparent)]
    BadAuth(#[from] BadAuth),
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
    /// The user is blocked, or the token is revoked.
    #[error(transparent)]
    Barred(#[from] Barred),
    /// The user has as many connections as `sessions.max_sockets_per_user`.
    #[error("the user has as many connections as allowed")]
    UserLimit,
    /// The same, but of one of them it is not certain that its client is still there.
    #[error("the user has as many connections as allowed, perhaps not for long")]
    UserLimitUnclear,
    /// The connection is another user's already.
    #[error("this connection is another user's: open one of its own (`forceNew: true`)")]
    OtherUser,
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
            Self::BadAuth(bad) => bad.code(),
            Self::Unavailable => "unavailable",
            Self::Device => "device_invalid",
            Self::InboxAfter => "inbox_after_invalid",
            Self::Barred(Barred::Blocked { .. }) => "blocked",
            Self::Barred(Barred::Revoked) => "token_revoked",
            Self::UserLimit => "user_limit",
            Self::UserLimitUnclear => "user_limit_unclear",
            Self::OtherUser => "user_mismatch",
            Self::TooManyRooms { .. } => "too_many_rooms",
        }
    }

    /// Whether the same client may be let in a little later. It is not told so, but held and then cut off: a stock client
    /// comes back by itself after that, and not after a refusal.
    fn is_temporary(&self) -> bool {
        matches!(self, Self::UserLimitUnclear | Self::Refused(Refusal::Unavailable))
    }

    /// What the client is told: a `CONNECT_ERROR` with more in `err.data`.
    pub fn packet(&self, namespace: &Namespace) -> Bytes {
        let error = json!({"message": self.to_string(), "data": self.data()}).to_string();
        packet::connect_error(namespace, &error)
    }

    /// What the client is told, under `err.data`.
    fn data(&self) -> Value {
        let message = self.to_string();
        match self {
            Self::Barred(Barred::Blocked { reason, until }) => {
                let (reason, until) = (reason.as_deref(), until.map(|it| it.0));
                json!({"code": self.code(), "message": message, "reason": reason, "until": until})
            }
            Self::Refused(Refusal::Backend(refusal)) => {
                let mut told = json!({"code": refusal.code, "message": message});
                let data = refusal.data.as_deref().and_then(|it| serde_json::from_str(it).ok());
                if let (Some(object), Some(data)) = (told.as_object_mut(), data) {
                    object.insert("data".to_owned(), data);
                }
                told
            }
            Self::Refused(_)
            | Self::BadAuth(_)
            | Self::Unavailable
            | Self::Device
            | Self::InboxAfter
            | Self::Barred(Barred::Revoked)
            | Self::UserLimit
            | Self::UserLimitUnclear
            | Self::OtherUser
            | Self::TooManyRooms { .. } => json!({"code": self.code(), "message": message}),
        }
    }
}

/// A client that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// Its socket, which is not here before `accept` is done.
    pub socket: Arc<Socket>,
    /// What happens when the engine accepts it.
    pub accept: Accept,
}

/// How long a client is held that is asked to come again. One that is turned away at once comes again at once, for ever.
const HOLD_MS: RangeInclusive<u64> = 1_000..=5_000;

impl From<NotSignedIn> for ConnectError {
    fn from(why: NotSignedIn) -> Self {
        match why {
            NotSignedIn::Seat(none) => none.into(),
            NotSignedIn::Unavailable => Self::Unavailable,
            NotSignedIn::OtherUser => Self::OtherUser,
        }
    }
}

impl From<NoSeat> for ConnectError {
    fn from(none: NoSeat) -> Self {
        match none {
            NoSeat::Full => Self::UserLimit,
            NoSeat::ComeAgain => Self::UserLimitUnclear,
        }
    }
}

/// A client that may come in.
struct Permitted {
    socket: Arc<Socket>,
    inbox_after: Option<ItemSeq>,
    claim: RecoveryClaim,
    /// Who had the session that it claims, as another node knows.
    replaced: Replaced<Arc<Socket>>,
    place: Place,
}

impl Admission {
    /// Clients that `authentication` knows become sockets in `attendance`, and hear of their inboxes.
    pub fn new(
        authentication: Authentication,
        attendance: Arc<Attendance>,
        inboxes: Arc<LiveInboxes>,
        clock: Clock,
    ) -> Self {
        Self { authentication, attendance, inboxes, clock }
    }

    /// Finds out who wants to connect to `namespace`, and prepares what happens when the engine says so: the client
    /// is answered, the socket is taken in, and what `listen` makes takes its events. `auth` is what the client sent along,
    /// as JSON.
    pub async fn authenticate(
        &self,
        connection: &Arc<Connection>,
        namespace: &Namespace,
        auth: Option<&RawValue>,
        listen: impl FnOnce(&Arc<Socket>) -> Arc<dyn EventListener>,
    ) -> Result<Admitted, ConnectError> {
        match self.admit(connection, namespace, auth).await {
            Ok(permitted) => {
                connection.end_trial(true);
                Ok(self.prepare(permitted, listen))
            }
            Err(error) => {
                let was_on_trial = connection.end_trial(false);
                if error.is_temporary() && was_on_trial {
                    // It has met a refusal before, and meets one now: it comes ever more rarely.
                    connection.close(Reason::AuthUnavailable);
                } else if error.is_temporary() {
                    turn_away(connection).await;
                }
                metrics::counter!("userline_connects_refused_total", "code" => error.code())
                    .increment(1);
                tracing::debug!(code = error.code(), %error, "refused a client");
                Err(error)
            }
        }
    }

    /// A client that is here brings newer credentials of the same user: what they grant takes the place of what the socket was
    /// granted so far, at once. A guest may bring those of any user, and all sockets of its connection are that one's then. Returns
    /// when they end, and a resume token where there are any. On an error nothing has changed; who brings another user's has to
    /// go, which is the caller's to see to.
    pub async fn refresh(
        &self,
        socket: &Arc<Socket>,
        auth: Option<&RawValue>,
    ) -> Result<(Option<WallMs>, Option<String>), ConnectError> {
        let Socket { connection, namespace, .. } = &**socket;
        let identity = self.authentication.identify_again(connection, namespace, auth).await?;
        // One after the other: who was a guest is so only once.
        let _turn = connection.identity().turn().await;
        let Identity { user, grants } = identity;
        if let Some(barred) = self.attendance.sockets().gate.check(&user, grants.issued_at) {
            return Err(barred.into());
        }
        let expires_at = grants.expires_at;
        if user != *socket.user() {
            if !socket.user().is_guest() || user.is_guest() {
                return Err(ConnectError::OtherUser);
            }
            self.attendance.sign_in(socket, Identity { user, grants }).await?;
        } else if self.attendance.regrant(socket, grants) {
            metrics::counter!("userline_refreshes_total").increment(1);
        }
        Ok((expires_at, self.attendance.resume_token(socket)))
    }

    /// Everything that may go wrong before the client is accepted.
    async fn admit(
        &self,
        connection: &Arc<Connection>,
        namespace: &Namespace,
        auth: Option<&RawValue>,
    ) -> Result<Permitted, ConnectError> {
        let (identity, options) = self.authentication.identify(connection, namespace, auth).await?;
        let Identity { user, grants } = identity;
        if let Some(barred) = self.attendance.sockets().gate.check(&user, grants.issued_at) {
            return Err(barred.into());
        }
        let place = self.attendance.reserve(connection, &user).await;
        let place = place.ok_or(ConnectError::Unavailable)?;
        let ConnectOptions { device, inbox_after, claim } = options;
        let socket = Arc::new(Socket::new(SocketParts {
            id: SocketId::from_bytes(entropy::bytes()),
            namespace: namespace.clone(),
            user,
            device,
            connected_at: self.clock.wall(),
            grants,
            connection: Arc::clone(connection),
        }));
        let fetched = match claim.get() {
            None => Some(Replaced::default()),
            Some(claim) => self.attendance.fetch(&socket, claim).await,
        };
        let (replaced, claim) = match fetched {
            Some(replaced) => (replaced, claim),
            None => (Replaced::default(), RecoveryClaim::default()),
        };
        // Last, because nothing may be waited for by whoever has a seat.
        let replaces = replaced.here.as_ref().map(|it| it.id).or(replaced.elsewhere);
        self.attendance.seat(&socket, claim.get(), replaces).await?;
        Ok(Permitted { socket, inbox_after, claim, replaced, place })
    }

    /// A socket that is taken in when the engine accepts its CONNECT.
    fn prepare(
        &self,
        permitted: Permitted,
        listen: impl FnOnce(&Arc<Socket>) -> Arc<dyn EventListener>,
    ) -> Admitted {
        let Permitted { socket, inbox_after, claim, replaced, place } = permitted;
        let joining = Arc::clone(&socket);
        let (attendance, inboxes) = (Arc::clone(&self.attendance), Arc::clone(&self.inboxes));
        let answer = Box::new(move |_: &Arc<Connection>| {
            let is_recovered = attendance.join(&joining, place, claim.get());
            // Last, so that the user is never without a socket.
            attendance.replace(replaced);
            if let Some(after) = inbox_after.filter(|_| inboxes.is_of(joining.user())) {
                inboxes.replay(joining, after);
            } else if is_recovered {
                inboxes.refresh(joining);
            }
        });
        let listener = listen(&socket);
        Admitted { socket, accept: Accept { listener, answer } }
    }
}

/// Asks a client to come again: holds it for a while, so that many do not come at once and again at once, and closes its
/// connection.
async fn turn_away(connection: &Connection) {
    let (min, max) = (*HOLD_MS.start(), *HOLD_MS.end());
    let random = u64::from(entropy::number().unwrap_or_default());
    let held_ms = min + (max - min) * random / u64::from(u32::MAX);
    tokio::time::sleep(Duration::from_millis(held_ms)).await;
    connection.close(Reason::AuthUnavailable);
}

#[cfg(test)]
mod tests;
