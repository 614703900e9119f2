//! What names of rooms mean that other servers gave them.

use crate::types::NamePattern;
use serde::Serialize;

/// Which rooms stand for a user.
#[derive(Debug, Clone, Default)]
pub(super) struct RoomRules(pub(super) Vec<NamePattern>);

/// A list of names, as the JSON of an emit has it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct NamedRooms {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<String>,
}

impl RoomRules {
    /// Tells users from rooms. What stands for the `*` of the first pattern that fits is the id of the user.
    pub(super) fn sort(&self, names: impl IntoIterator<Item = String>) -> NamedRooms {
        let mut named = NamedRooms::default();
        for name in names {
            let user = self.0.iter().find_map(|it| name.strip_prefix(it.beginning()?));
            match user.filter(|it| !it.is_empty()) {
                Some(user) => named.users.push(user.to_owned()),
                None => named.rooms.push(name),
            }
        }
        named
    }
}

impl NamedRooms {
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
        let plain = RoomRules::default().sort(["user_42".to_owned()]);
        assert!(plain.users.is_empty() && !plain.is_empty());
    }
}
