//! What names of rooms mean that other servers gave them.

use crate::types::NamePattern;
use serde::{Deserialize, Serialize};

/// Which rooms stand for a user.
#[derive(Debug, Clone, Default)]
pub(super) struct RoomRules(pub(super) Vec<NamePattern>);

/// A room may be called by a number, in JavaScript as in Python.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum NameOrNumber {
    Text(String),
    Number(i64),
}

impl NameOrNumber {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// A list of names, as the JSON of an emit has it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct NamedRooms {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<String>,
}

impl RoomRules {
    /// One name, as the API has it: the room of a user is `user:{id}`.
    pub(super) fn rename(&self, name: String) -> String {
        match self.user(&name) {
            Some(user) => format!("user:{user}"),
            None => name,
        }
    }

    fn user<'a>(&self, name: &'a str) -> Option<&'a str> {
        let user = self.0.iter().find_map(|it| name.strip_prefix(it.beginning()?));
        user.filter(|it| !it.is_empty())
    }

    /// Tells users from rooms. What stands for the `*` of the first pattern that fits is the id of the user.
    pub(super) fn sort(&self, names: impl IntoIterator<Item = String>) -> NamedRooms {
        let mut named = NamedRooms::default();
        for name in names {
            match self.user(&name) {
                Some(user) => named.users.push(user.to_owned()),
                None => named.rooms.push(name),
            }
        }
        named
    }
}

impl NamedRooms {
    /// One room, or a socket by its id.
    pub(super) fn one(name: String) -> Self {
        Self { users: Vec::new(), rooms: vec![name] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.rooms.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::RoomRules;
    use crate::types::NamePattern;

    #[test]
    fn a_room_that_stands_for_a_user_is_that_user() {
        let rules = RoomRules(["user_*", "u-*"].map(|it| NamePattern::parse(it).unwrap()).into());

        let named = rules.sort(["user_42", "lobby", "u-ann", "user_", "user:7"].map(str::to_owned));

        assert_eq!(named.users, ["42", "ann"]);
        assert_eq!(named.rooms, ["lobby", "user_", "user:7"]);
        assert_eq!(rules.rename("user_42".to_owned()), "user:42");
        assert_eq!(rules.rename("lobby".to_owned()), "lobby");
        let plain = RoomRules::default().sort(["user_42".to_owned()]);
        assert!(plain.users.is_empty() && !plain.is_empty());
    }
}
