//! Where users are, asked and read.

use super::{ClusterPlace, CodecError, RedisCall, items, millis, number, parsed, string, text};
use crate::cluster::scripts::Script;
use crate::core::cluster::places::{MovedQuestion, MovedUsers, Places, UserPlaces, UserRooms};
use crate::types::UserId;
use redis::Value;
use std::time::Duration;

/// How long changes are noted after somebody has asked for them.
const LISTENS_FOR: Duration = Duration::from_secs(10);
/// How many notes are kept, and how long: a node that is behind these looks at all users whom it wants to know.
const NOTES_MAX: usize = 65_536;
const NOTES_KEPT: Duration = Duration::from_secs(30);

impl ClusterPlace {
    pub(super) fn moved(&self, MovedQuestion { after, users_max }: MovedQuestion) -> RedisCall {
        let arguments = vec![
            after.map(number).unwrap_or_default(),
            number(users_max),
            number(millis(LISTENS_FOR)),
            number(NOTES_MAX),
            number(millis(NOTES_KEPT)),
        ];
        self.script(Script::Moved, arguments)
    }

    pub(super) fn places(&self, users: &[UserId]) -> RedisCall {
        let mut arguments = vec![number(millis(self.silence)), number(millis(self.hold))];
        arguments.extend(users.iter().map(|it| text(it.as_str())));
        self.script(Script::Places, arguments)
    }
}

pub(super) fn moved(value: &Value) -> Result<MovedUsers, CodecError> {
    let [status, head, users @ ..] = items(value)? else { return Err(CodecError) };
    let user = |it: &Value| UserId::parse(string(it)?).map_err(|_| CodecError);
    let users = match string(status)? {
        "WHOLE" => Some(users.iter().map(user).collect::<Result<_, _>>()?),
        "GAP" => None,
        _ => return Err(CodecError),
    };
    Ok(MovedUsers { number: parsed(head)?, users })
}

pub(super) fn places(value: &Value) -> Result<Places, CodecError> {
    let [is_settled, users @ ..] = items(value)? else { return Err(CodecError) };
    let node = |it: &Value| match string(it)? {
        "" => Ok(None),
        rooms => UserRooms::parse(rooms).map(Some).ok_or(CodecError),
    };
    let user = |it: &Value| {
        let [is_online, nodes @ ..] = items(it)? else { return Err(CodecError) };
        let nodes = nodes.iter().map(node).collect::<Result<_, _>>()?;
        Ok(UserPlaces { is_online: parsed(is_online)? == 1, nodes })
    };
    let users = users.iter().map(user).collect::<Result<_, _>>()?;
    Ok(Places { is_settled: parsed(is_settled)? == 1, users })
}
