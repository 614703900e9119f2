//! Whom a client may reach, and see: one rule for messages to others and for who is online.

use crate::types::{NamePattern, Room, RoomKind, UserId};
use serde_json::Value;
use serde_json::value::RawValue;

/// One way in which a user is in reach of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactRule {
    /// Both were granted a room of such a name.
    SharedRoom(NamePattern),
    /// The client's `data` names the user: under this key, or at this JSON Pointer if it begins with `/`, stands the
    /// user or a list of users.
    Claim(Box<str>),
}

/// What a client was granted, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub struct Viewer<'a> {
    /// Its user, who is always in its own reach.
    pub user: &'a UserId,
    /// The rooms it was granted.
    pub rooms: &'a [Room],
    /// Its `data`, as it was written.
    pub data: Option<&'a RawValue>,
}

impl ContactRule {
    /// What a text must be, for people.
    pub const RULE: &str = "must be \"shared_room\", \"shared_room:org:*\" (rooms of such names only), or \"claim:contacts\" \
                            (a key of the client's data, or a JSON Pointer such as \"claim:/team/members\")";

    /// Reads a rule; `None` if it breaks [`ContactRule::RULE`].
    pub fn parse(text: &str) -> Option<Self> {
        if text == "shared_room" {
            return Some(Self::SharedRoom(NamePattern::any()));
        }
        if let Some(pattern) = text.strip_prefix("shared_room:") {
            return NamePattern::parse(pattern).ok().map(Self::SharedRoom);
        }
        let claim = text.strip_prefix("claim:").filter(|it| !it.is_empty())?;
        Some(Self::Claim(claim.into()))
    }
}

/// Whether one of `rules` lets `viewer` reach `user`; `is_in` says whether `user` is in a room.
pub fn is_in_reach(
    rules: &[ContactRule],
    viewer: Viewer<'_>,
    user: &UserId,
    is_in: impl Fn(&Room) -> bool,
) -> bool {
    viewer.user == user
        || rules.iter().any(|rule| match rule {
            ContactRule::SharedRoom(pattern) => {
                viewer.rooms.iter().any(|room| is_shareable(room, pattern) && is_in(room))
            }
            ContactRule::Claim(claim) => viewer.data.is_some_and(|it| names(it, claim, user)),
        })
}

/// Whether a room is one that `viewer` was granted and whose name is allowed: the rooms in which it may speak.
pub fn is_own_room(patterns: &[NamePattern], viewer: Viewer<'_>, room: &Room) -> bool {
    viewer.rooms.contains(room) && patterns.iter().any(|it| is_shareable(room, it))
}

/// A room named after a user or a socket is nobody else's, whatever was granted.
fn is_shareable(room: &Room, pattern: &NamePattern) -> bool {
    room.kind() == RoomKind::Granted && pattern.matches(room.as_str())
}

/// Whether `data` names `user` under `claim`.
fn names(data: &RawValue, claim: &str, user: &UserId) -> bool {
    let Ok(data) = serde_json::from_str::<Value>(data.get()) else { return false };
    let found = if claim.starts_with('/') { data.pointer(claim) } else { data.get(claim) };
    let is_user = |value: &Value| match value {
        Value::String(text) => text == user.as_str(),
        Value::Number(number) => number.to_string() == user.as_str(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    match found {
        Some(Value::Array(list)) => list.iter().any(is_user),
        Some(value) => is_user(value),
        None => false,
    }
}

#[cfg(test)]
mod tests;
