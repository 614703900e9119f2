//! Who a command is for, and who of these is left out.

use super::error::CommandError;
use super::names::{MaybeSocket, NAMES_MAX, NameList};
use super::schema::{AnySocketIds, DeviceNames, RoomNames, SocketIds, UserNames};
use crate::types::{DeviceId, Except, Room, SocketId, Target, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

/// Who gets an event: the union of the lists, each socket once.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmitTarget {
    /// All sockets of these users.
    #[schema(value_type = Option<UserNames>)]
    users: Option<NameList<UserId>>,
    /// All sockets in these rooms.
    #[schema(value_type = Option<RoomNames>)]
    rooms: Option<NameList<Room>>,
    /// The sockets with these ids.
    #[schema(value_type = Option<SocketIds>)]
    sockets: Option<NameList<SocketId>>,
    /// Every socket of the namespace; not together with the lists.
    all: Option<bool>,
}

/// Who does not get an event. Names that nobody has, and socket ids that are none, are no error.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmitExcept {
    /// All sockets of these users.
    #[schema(value_type = Option<UserNames>)]
    users: Option<NameList<UserId>>,
    /// All sockets in these rooms.
    #[schema(value_type = Option<RoomNames>)]
    rooms: Option<NameList<Room>>,
    /// The sockets with these ids.
    #[schema(value_type = Option<AnySocketIds>)]
    sockets: Option<NameList<MaybeSocket>>,
    /// All sockets of clients that came with one of these in `auth.device`.
    #[schema(value_type = Option<DeviceNames>)]
    devices: Option<NameList<DeviceId>>,
}

impl EmitTarget {
    pub(super) fn parse(self) -> Result<Target, CommandError> {
        let Self { users, rooms, sockets, all } = self;
        let (users, rooms, sockets) = (list(users), list(rooms), list(sockets));
        let all = all.unwrap_or(false);
        let is_empty = users.is_empty() && rooms.is_empty() && sockets.is_empty();
        if is_empty && !all {
            let why = "name somebody in `users`, `rooms` or `sockets`, or say `all: true`";
            return Err(CommandError::field("to", why));
        }
        if all && !is_empty {
            let why = "stands alone: with it the lists mean nothing";
            return Err(CommandError::field("to.all", why));
        }
        Ok(Target { users, rooms, sockets, all })
    }
}

impl EmitExcept {
    pub(super) fn parse(self) -> Except {
        let Self { users, rooms, sockets, devices } = self;
        let sockets = list(sockets).into_iter().filter_map(|MaybeSocket(id)| id).collect();
        Except { users: list(users), rooms: list(rooms), sockets, devices: list(devices) }
    }
}

fn list<T>(names: Option<NameList<T>>) -> Vec<T> {
    names.unwrap_or_default().0
}

/// Refuses what only users have, also those who have a membership of a room.
pub(super) fn check_has_users(target: &Target, why: &str) -> Result<(), CommandError> {
    let others = [("to.sockets", !target.sockets.is_empty()), ("to.all", target.all)];
    match others.into_iter().find(|(_, is_named)| *is_named) {
        Some((field, _)) => {
            Err(CommandError::field(field, format!("{why} goes with `to.users` and `to.rooms`")))
        }
        None => Ok(()),
    }
}

/// Refuses what goes with users only.
pub(super) fn check_users_alone(target: &Target, why: &str) -> Result<(), CommandError> {
    let others = [
        ("to.rooms", !target.rooms.is_empty()),
        ("to.sockets", !target.sockets.is_empty()),
        ("to.all", target.all),
    ];
    match others.into_iter().find(|(_, is_named)| *is_named) {
        Some((field, _)) => {
            let why = format!("{why} goes with `to.users` alone, up to {NAMES_MAX} of them");
            Err(CommandError::field(field, why))
        }
        None => Ok(()),
    }
}
