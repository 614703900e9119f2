//! What is recorded of users and rooms, as it is written where all nodes agree: one record for each user, room and namespace.

use super::memberships::{MembershipChange, Standing};
use crate::types::{Namespace, Room, UserId, WallMs};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Between the parts of a record's name: none of them has one.
const BETWEEN: char = '\n';

/// JSON, so that a newer version may say more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StandingParts {
    Member {
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
    },
    Denied {},
}

/// The name of a record. Without a namespace it is about all that have no record of their own.
pub fn name(user: &UserId, room: &Room, namespace: Option<&Namespace>) -> String {
    let namespace = namespace.map_or("", Namespace::as_str);
    [user.as_str(), room.as_str(), namespace].join(&BETWEEN.to_string())
}

/// What is written in it.
pub fn write(standing: Standing) -> Option<Bytes> {
    let parts = match standing {
        Standing::Member { until } => StandingParts::Member { until: until.map(|it| it.0) },
        Standing::Denied => StandingParts::Denied {},
    };
    serde_json::to_vec(&parts).ok().map(Bytes::from)
}

/// What a record says from now on, as a change of that record alone; `None` if it cannot be read.
pub fn read(name: &str, value: Option<&[u8]>) -> Option<MembershipChange> {
    let mut parts = name.split(BETWEEN);
    let (user, room, namespace) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let namespace = match namespace {
        "" => None,
        namespace => Some(Namespace::parse(namespace).ok()?),
    };
    let standing = match value {
        None => None,
        Some(value) => Some(match serde_json::from_slice(value).ok()? {
            StandingParts::Member { until } => Standing::Member { until: until.map(WallMs) },
            StandingParts::Denied {} => Standing::Denied,
        }),
    };
    Some(MembershipChange {
        user: UserId::parse(user).ok()?,
        room: Room::parse(room).ok()?,
        namespace,
        is_whole: false,
        standing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let user = UserId::parse("ann").unwrap();
        let room = Room::parse("org:7").unwrap();
        for namespace in [None, Some(Namespace::root()), Some(Namespace::parse("/chat").unwrap())] {
            for standing in [
                None,
                Some(Standing::Denied),
                Some(Standing::Member { until: None }),
                Some(Standing::Member { until: Some(WallMs(9)) }),
            ] {
                let name = name(&user, &room, namespace.as_ref());
                let change = read(&name, standing.and_then(write).as_deref()).unwrap();
                let expected = MembershipChange {
                    user: user.clone(),
                    room: room.clone(),
                    namespace: namespace.clone(),
                    is_whole: false,
                    standing,
                };
                assert_eq!(change, expected);
            }
        }
    }

    #[test]
    fn the_form_is_the_one_that_other_versions_know() {
        let read = |name, value| read(name, Some(value));
        let member = read("a\nr\n", br#"{"member":{"until":4,"more":1}}"#).unwrap();
        assert_eq!(member.standing, Some(Standing::Member { until: Some(WallMs(4)) }));
        let denied = read("a\nr\n/chat", br#"{"denied":{}}"#).unwrap();
        assert_eq!(denied.standing, Some(Standing::Denied));
        for (name, value) in
            [("a\nr", "{\"denied\":{}}"), ("a\nr\n\n", "{\"denied\":{}}"), ("a\nr\n", "{}")]
        {
            assert_eq!(super::read(name, Some(value.as_bytes())), None, "{name}");
        }
    }
}
