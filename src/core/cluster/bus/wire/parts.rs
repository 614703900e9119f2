//! What requests and answers are made of, as it is written: texts, numbers and lists, which say nothing of what is allowed.

use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::core::presence::session::{Grace, PresenceStatus, UserSession};
use crate::types::{
    DeviceId, EventName, Except, Namespace, Payload, Room, Seq, SocketId, SourceName, Target,
    UserId, WallMs,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

type SocketBytes = [u8; SocketId::BYTES];

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AudienceParts<'a> {
    #[serde(borrow)]
    namespace: &'a str,
    #[serde(borrow)]
    target: NameParts<'a>,
    is_all: bool,
    #[serde(borrow)]
    except: NameParts<'a>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct NameParts<'a> {
    #[serde(borrow)]
    users: Vec<&'a str>,
    #[serde(borrow)]
    rooms: Vec<&'a str>,
    sockets: Vec<SocketBytes>,
    #[serde(borrow)]
    devices: Vec<&'a str>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EmitParts<'a> {
    #[serde(borrow)]
    audience: AudienceParts<'a>,
    #[serde(borrow)]
    event: &'a str,
    #[serde(borrow)]
    args: Vec<&'a str>,
    #[serde(borrow)]
    buffers: Vec<&'a [u8]>,
    volatile: bool,
    #[serde(borrow)]
    source: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum GraceParts {
    Skip,
    Keep,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum StatusParts {
    Offline,
    Online { session: u64, since: u64 },
    Lingering { session: u64, since: u64 },
}

impl<'a> AudienceParts<'a> {
    pub(super) fn of(audience: &'a Audience) -> Self {
        let Audience { namespace, target, except } = audience;
        let Target { users, rooms, sockets, all } = target;
        let target = NameParts::of(users, rooms, sockets, &[]);
        let Except { users, rooms, sockets, devices } = except;
        let except = NameParts::of(users, rooms, sockets, devices);
        Self { namespace: namespace.as_str(), target, is_all: *all, except }
    }

    pub(super) fn words(&self) -> Option<Audience> {
        let Self { namespace, target, is_all, except } = self;
        if !target.devices.is_empty() {
            return None;
        }
        Some(Audience {
            namespace: Namespace::parse(namespace).ok()?,
            target: Target {
                users: target.users()?,
                rooms: rooms(&target.rooms)?,
                sockets: target.sockets(),
                all: *is_all,
            },
            except: Except {
                users: except.users()?,
                rooms: rooms(&except.rooms)?,
                sockets: except.sockets(),
                devices: all(&except.devices, |it| DeviceId::parse(it).ok())?,
            },
        })
    }
}

impl<'a> NameParts<'a> {
    fn of(
        users: &'a [UserId],
        rooms: &'a [Room],
        sockets: &[SocketId],
        devices: &'a [DeviceId],
    ) -> Self {
        Self {
            users: users.iter().map(UserId::as_str).collect(),
            rooms: room_parts(rooms),
            sockets: sockets.iter().map(|it| it.bytes()).collect(),
            devices: devices.iter().map(DeviceId::as_str).collect(),
        }
    }

    fn users(&self) -> Option<Vec<UserId>> {
        all(&self.users, |it| UserId::parse(it).ok())
    }

    fn sockets(&self) -> Vec<SocketId> {
        self.sockets.iter().copied().map(SocketId::from_bytes).collect()
    }
}

impl<'a> EmitParts<'a> {
    pub(super) fn of(emit: &'a Emit) -> Self {
        let Emit { audience, event, payload, volatile, source } = emit;
        Self {
            audience: AudienceParts::of(audience),
            event: event.as_str(),
            args: payload.args().iter().map(|it| it.get()).collect(),
            buffers: payload.buffers().iter().map(|it| &**it).collect(),
            volatile: *volatile,
            source: source.as_ref().map(SourceName::as_str),
        }
    }

    pub(super) fn words(&self) -> Option<Emit> {
        let args = all(&self.args, |it| RawValue::from_string((*it).to_owned()).ok())?;
        let buffers = self.buffers.iter().map(|it| Bytes::copy_from_slice(it)).collect();
        let source = match self.source {
            Some(source) => Some(SourceName::parse(source)?),
            None => None,
        };
        Some(Emit {
            audience: Arc::new(self.audience.words()?),
            event: EventName::parse(self.event).ok()?,
            payload: Payload::try_new(args).ok()?.with_buffers(buffers),
            volatile: self.volatile,
            source,
        })
    }
}

impl From<Grace> for GraceParts {
    fn from(grace: Grace) -> Self {
        match grace {
            Grace::Skip => Self::Skip,
            Grace::Keep => Self::Keep,
        }
    }
}

impl From<GraceParts> for Grace {
    fn from(grace: GraceParts) -> Self {
        match grace {
            GraceParts::Skip => Self::Skip,
            GraceParts::Keep => Self::Keep,
        }
    }
}

impl From<PresenceStatus> for StatusParts {
    fn from(status: PresenceStatus) -> Self {
        match status {
            PresenceStatus::Offline => Self::Offline,
            PresenceStatus::Online(UserSession { id, since }) => {
                Self::Online { session: id.0, since: since.0 }
            }
            PresenceStatus::Lingering(UserSession { id, since }) => {
                Self::Lingering { session: id.0, since: since.0 }
            }
        }
    }
}

impl From<StatusParts> for PresenceStatus {
    fn from(status: StatusParts) -> Self {
        let session = |id: u64, since: u64| UserSession { id: Seq(id), since: WallMs(since) };
        match status {
            StatusParts::Offline => Self::Offline,
            StatusParts::Online { session: id, since } => Self::Online(session(id, since)),
            StatusParts::Lingering { session: id, since } => Self::Lingering(session(id, since)),
        }
    }
}

pub(super) fn room_parts(rooms: &[Room]) -> Vec<&str> {
    rooms.iter().map(Room::as_str).collect()
}

pub(super) fn rooms(parts: &[&str]) -> Option<Vec<Room>> {
    all(parts, |it| Room::parse(it).ok())
}

fn all<'a, P, T>(parts: &'a [P], word: impl Fn(&'a P) -> Option<T>) -> Option<Vec<T>> {
    parts.iter().map(word).collect()
}
