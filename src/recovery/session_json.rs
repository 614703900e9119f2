//! A session as it is written down: in the file of a graceful restart, and where the nodes of a cluster agree.

use crate::core::recovery::{DetachedSession, Member, Pid};
use crate::core::rooms::RoomMoves;
use crate::types::{DeviceId, Room, SocketId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
pub(super) struct SessionJson {
    pid: String,
    user: String,
    rooms: Vec<String>,
    ids: Vec<String>,
    #[serde(default)]
    device: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    joined: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    by_client: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    anyway: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    since: BTreeMap<String, u64>,
    began_at: u64,
    addressed: u64,
    cut_off_at: u64,
}

impl SessionJson {
    pub(super) fn of(pid: &Pid, session: &DetachedSession) -> Self {
        let DetachedSession { member, began_at, addressed, cut_off_at } = session;
        let Member { user, rooms, ids, device, moves, anyway } = member;
        let since = moves.since.iter();
        Self {
            pid: pid.as_str().to_owned(),
            user: user.to_string(),
            rooms: texts(rooms),
            ids: texts(ids),
            device: device.as_ref().map(DeviceId::to_string),
            joined: moves.joined.iter().map(ToString::to_string).collect(),
            by_client: moves.by_client.iter().map(ToString::to_string).collect(),
            left: moves.left.iter().map(ToString::to_string).collect(),
            anyway: anyway.iter().map(ToString::to_string).collect(),
            since: since.map(|(room, number)| (room.to_string(), *number)).collect(),
            began_at: *began_at,
            addressed: *addressed,
            cut_off_at: *cut_off_at,
        }
    }

    /// `None` if it cannot be understood.
    pub(super) fn session(self) -> Option<(Pid, DetachedSession)> {
        let since =
            self.since.iter().map(|(room, number)| Some((Room::parse(room).ok()?, *number)));
        let moves = RoomMoves {
            joined: rooms(&self.joined)?.into_iter().collect(),
            by_client: rooms(&self.by_client)?.into_iter().collect(),
            left: rooms(&self.left)?.into_iter().collect(),
            since: since.collect::<Option<_>>()?,
        };
        let member = Member {
            user: UserId::parse(&self.user).ok()?,
            rooms: rooms(&self.rooms)?,
            ids: ids(&self.ids)?,
            device: self.device.as_deref().map(DeviceId::parse).transpose().ok()?,
            moves,
            anyway: rooms(&self.anyway)?.into_iter().collect(),
        };
        let Self { began_at, addressed, cut_off_at, .. } = self;
        Some((Pid::new(self.pid), DetachedSession { member, began_at, addressed, cut_off_at }))
    }
}

pub(super) fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

pub(super) fn rooms(texts: &[String]) -> Option<Vec<Room>> {
    texts.iter().map(|it| Room::parse(it).ok()).collect()
}

pub(super) fn ids(texts: &[String]) -> Option<Vec<SocketId>> {
    texts.iter().map(|it| id(it)).collect()
}

/// Ids had no prefix in the beginning.
fn id(text: &str) -> Option<SocketId> {
    text.parse().or_else(|_| format!("{}{text}", SocketId::PREFIX).parse()).ok()
}
