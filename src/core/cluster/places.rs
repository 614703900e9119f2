//! Where users are: in which rooms their sockets on each node are, as that node has said. The place where all nodes agree keeps it
//! beside who is online, for nodes whose clients may see, or write to, whoever shares a room with them.

use crate::types::{Namespace, Room, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of what a node says of one user. Of one in more rooms than that holds the others are not known elsewhere.
const BYTES_MAX: usize = 64_000;

/// The rooms in which sockets of a user are, by namespace. A namespace without rooms is one in which the user has a socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserRooms(BTreeMap<Namespace, BTreeSet<Room>>);

impl UserRooms {
    /// A socket of the user in a namespace is in these rooms.
    pub fn add<'a>(&mut self, namespace: &Namespace, rooms: impl IntoIterator<Item = &'a Room>) {
        let known = self.0.entry(namespace.clone()).or_default();
        known.extend(rooms.into_iter().cloned());
    }

    /// And in those of another node.
    pub fn join(&mut self, other: Self) {
        for (namespace, rooms) in other.0 {
            self.0.entry(namespace).or_default().extend(rooms);
        }
    }

    /// Whether the user has a socket in a namespace.
    pub fn is_there(&self, namespace: &Namespace) -> bool {
        self.0.contains_key(namespace)
    }

    /// Whether one of its sockets there is in a room.
    pub fn has(&self, namespace: &Namespace, room: &Room) -> bool {
        self.0.get(namespace).is_some_and(|it| it.contains(room))
    }

    /// What a node says of it: a JSON object of lists, never an empty text.
    pub fn text(&self) -> Arc<str> {
        let mut left = BYTES_MAX;
        let mut fits = |room: &&Room| {
            // Quotes, the comma, and what may be escaped.
            let bytes = 3 + 2 * room.as_str().len();
            left = left.saturating_sub(bytes);
            0 < left
        };
        let by_namespace: BTreeMap<&str, Vec<&str>> = self
            .0
            .iter()
            .map(|(namespace, rooms)| {
                let rooms = rooms.iter().filter(&mut fits).map(Room::as_str);
                (namespace.as_str(), rooms.collect())
            })
            .collect();
        serde_json::to_string(&by_namespace).unwrap_or_else(|_| "{}".to_owned()).into()
    }

    /// What a node has said; `None` if that is not what a node says.
    pub fn parse(text: &str) -> Option<Self> {
        let said: BTreeMap<String, Vec<String>> = serde_json::from_str(text).ok()?;
        let mut all = Self::default();
        for (namespace, rooms) in said {
            let rooms = rooms.iter().map(|it| Room::parse(it).ok());
            let rooms: BTreeSet<Room> = rooms.collect::<Option<_>>()?;
            all.0.insert(Namespace::parse(&namespace).ok()?, rooms);
        }
        Some(all)
    }
}

/// Which users have changed, asked by a node that goes on listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedQuestion {
    /// The number up to which it has heard of them; `None`: it begins.
    pub after: Option<u64>,
    /// Users at most.
    pub users_max: usize,
}

/// Which users have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedUsers {
    /// The node has heard of what happened up to this number.
    pub number: u64,
    /// These, since; `None`: it may have missed any.
    pub users: Option<Vec<UserId>>,
}

/// Where some users are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Whether all nodes have had the time to say who is there: if not, who is not online here may be so all the same.
    pub is_settled: bool,
    /// Each of those that were asked for.
    pub users: Vec<UserPlaces>,
}

/// Where a user is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserPlaces {
    /// Whether the user is online; who lingers is.
    pub is_online: bool,
    /// Its rooms on each node that has a socket of it; `None`: that has not said yet in which.
    pub nodes: Vec<Option<UserRooms>>,
}

impl UserPlaces {
    /// All rooms of the user; `None` if no node has said of any.
    pub fn rooms(&self) -> Option<UserRooms> {
        self.nodes.iter().flatten().cloned().reduce(|mut all, other| {
            all.join(other);
            all
        })
    }
}
