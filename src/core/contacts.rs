//! Whom a client may reach, and see: one rule for messages to others and for who is online.

use crate::types::{NamePattern, Room, RoomKind, UserId};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::fmt;

/// One way in which a user is in reach of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactRule {
    /// Both were granted a room of such a name.
    SharedRoom(NamePattern),
    /// The client's `data` names the user: under this key, or at this JSON Pointer if it begins with `/`, stands the
    /// user or a list of users.
    Claim(Box<str>),
    /// The backend says so: whoever applies the rules asks it about all who are not [always](Reach::has_always) in reach.
    Hook,
}

impl fmt::Display for ContactRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedRoom(pattern) if pattern.is_any() => f.write_str("shared_room"),
            Self::SharedRoom(pattern) => write!(f, "shared_room:{pattern}"),
            Self::Claim(claim) => write!(f, "claim:{claim}"),
            Self::Hook => f.write_str("hook"),
        }
    }
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

/// Whether the backend is asked by one of `rules`.
pub fn asks(rules: &[ContactRule]) -> bool {
    rules.contains(&ContactRule::Hook)
}

/// The names of rooms that bring whoever is in them into reach by one of `rules`.
pub fn shared_rooms(rules: &[ContactRule]) -> Vec<NamePattern> {
    let pattern = |it: &ContactRule| match it {
        ContactRule::SharedRoom(pattern) => Some(pattern.clone()),
        ContactRule::Claim(_) | ContactRule::Hook => None,
    };
    rules.iter().filter_map(pattern).collect()
}

impl ContactRule {
    /// What a text must be, for people.
    pub const RULE: &str = "must be \"shared_room\", \"shared_room:org:*\" (rooms of such names only), \"claim:contacts\" \
                            (a key of the client's data, or a JSON Pointer such as \"claim:/team/members\"), or \"hook\" \
                            (your backend is asked)";

    /// Reads a rule; `None` if it breaks [`ContactRule::RULE`].
    pub fn parse(text: &str) -> Option<Self> {
        if text == "shared_room" {
            return Some(Self::SharedRoom(NamePattern::any()));
        }
        if text == "hook" {
            return Some(Self::Hook);
        }
        if let Some(pattern) = text.strip_prefix("shared_room:") {
            return NamePattern::parse(pattern).ok().map(Self::SharedRoom);
        }
        let claim = text.strip_prefix("claim:").filter(|it| !it.is_empty())?;
        Some(Self::Claim(claim.into()))
    }
}

/// Whom a client may reach: looked up once, asked about many.
#[derive(Debug)]
pub struct Reach<'a> {
    viewer: &'a UserId,
    /// Those of its rooms that it shares with whoever is in them.
    shareable: Vec<&'a Room>,
    /// Those whom its `data` names.
    named: BTreeSet<Box<str>>,
}

impl<'a> Reach<'a> {
    /// What `rules` make of what `viewer` was granted.
    pub fn new(rules: &[ContactRule], viewer: Viewer<'a>) -> Self {
        let mut reach = Self { viewer: viewer.user, shareable: Vec::new(), named: BTreeSet::new() };
        for rule in rules {
            match rule {
                ContactRule::SharedRoom(pattern) => {
                    let shareable = viewer.rooms.iter().filter(|it| is_shareable(it, pattern));
                    reach.shareable.extend(shareable);
                }
                ContactRule::Claim(claim) => {
                    reach.named.extend(viewer.data.into_iter().flat_map(|it| named(it, claim)));
                }
                ContactRule::Hook => {}
            }
        }
        reach
    }

    /// Whether `user` is in reach wherever it is: the viewer itself, and whom its `data` names.
    pub fn has_always(&self, user: &UserId) -> bool {
        self.viewer == user || self.named.contains(user.as_str())
    }

    /// A room that brings into reach whoever is in it; `is_in` says whether a user is.
    pub fn shared_room(&self, is_in: impl Fn(&Room) -> bool) -> Option<&'a Room> {
        self.shareable.iter().copied().find(|room| is_in(room))
    }

    /// Whether `user` is in reach; `is_in` says whether it is in a room.
    pub fn has(&self, user: &UserId, is_in: impl Fn(&Room) -> bool) -> bool {
        self.has_always(user) || self.shared_room(is_in).is_some()
    }
}

/// Whether a room is one that `viewer` was granted and whose name is allowed: the rooms in which it may speak.
pub fn is_own_room(patterns: &[NamePattern], viewer: Viewer<'_>, room: &Room) -> bool {
    viewer.rooms.contains(room) && patterns.iter().any(|it| is_shareable(room, it))
}

/// Whether a room of such a name brings whoever is in it into reach. One named after a user or a socket is nobody else's, whatever was
/// granted.
pub fn is_shareable(room: &Room, pattern: &NamePattern) -> bool {
    room.kind() == RoomKind::Granted && pattern.matches(room.as_str())
}

/// The users whom `data` names under `claim`.
fn named(data: &RawValue, claim: &str) -> Vec<Box<str>> {
    let Ok(data) = serde_json::from_str::<Value>(data.get()) else { return Vec::new() };
    let found = if claim.starts_with('/') { data.pointer(claim) } else { data.get(claim) };
    let user = |value: &Value| match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    match found {
        Some(Value::Array(list)) => list.iter().filter_map(user).collect(),
        Some(value) => user(value).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
