//! What a node says of what it remembers alone: emits, what became of them, and sockets.

use super::facts::{SocketFacts, UserEmitted};
use crate::core::emit::acks::AckSummary;
use crate::core::emit::audience::Addressee;
use crate::types::{DeviceId, Namespace, Room, SocketId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// An emit that a node remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageFacts {
    /// Its id.
    pub id: String,
    /// When it was emitted, in ms since 1970.
    pub at: u64,
    /// The namespace it was for.
    pub namespace: String,
    /// The name of its event.
    pub event: String,
    /// Whether it could be dropped for clients that were busy.
    pub volatile: bool,
    /// The source it came by; `None`: the admin API.
    pub source: Option<String>,
    /// Whether it was for everybody.
    pub is_to_all: bool,
    /// The rooms it was for.
    pub rooms: Vec<String>,
    /// The sockets it was for.
    pub sockets: Vec<SocketId>,
    /// How many sockets, on all nodes.
    pub matched: usize,
    /// Of these, those whose connection took it.
    pub sent: usize,
    /// Sockets that acked; `None` if it did not ask for acks, or waits for them, or they are forgotten.
    pub acked: Option<usize>,
    /// What became of it for the users who were named, or for the one who is asked for.
    pub users: Vec<(UserId, UserEmitted)>,
}

/// What a node remembers of the acks of an emit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckFacts {
    /// When it was emitted, in ms since 1970.
    pub at: u64,
    /// Sockets it was for, on all nodes.
    pub matched: usize,
    /// Of these, those whose connection took it.
    pub sent: usize,
    /// How the wait for acks ended; `None` while it goes on.
    pub outcome: Option<AckSummary<AckTexts>>,
}

/// What a client said in an ack: its arguments, JSON, and the buffers for which there are places in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckTexts {
    /// A JSON array.
    pub args: String,
    /// The buffers.
    pub buffers: Vec<Vec<u8>>,
}

/// A socket's time on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitFacts {
    /// Its id.
    pub id: SocketId,
    /// Its namespace.
    pub namespace: String,
    /// The address of the client.
    pub address: String,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// How its connection reached the client at the end, or reaches it now.
    pub transport: String,
    /// Whether it began by polling and went over to WebSocket.
    pub is_upgraded: bool,
    /// When it was authenticated, in ms since 1970.
    pub connected_at: u64,
    /// When it was gone, in ms since 1970, and why; `None` while it is there.
    pub end: Option<(u64, String)>,
    /// Milliseconds between the last packet of the client and the end, or now.
    pub silent_ms: u64,
    /// Bytes that the client sent.
    pub bytes_in: u64,
    /// Bytes that it was sent.
    pub bytes_out: u64,
    /// Bytes that waited for it.
    pub pending_bytes: usize,
    /// What was seen of the connection at its end.
    pub ending: Option<String>,
    /// The code with which the client closed its WebSocket.
    pub close_code: Option<u16>,
}

/// A socket of a user on any node, as far as audiences look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSocket {
    user: UserId,
    ids: Vec<SocketId>,
    device: Option<DeviceId>,
    namespace: String,
    rooms: Vec<String>,
}

impl FoundSocket {
    /// A socket of `user`.
    pub fn new(user: &UserId, facts: &SocketFacts) -> Self {
        let earlier = facts.earlier.iter().copied().map(SocketId::from_bytes);
        let device = facts.device.as_deref().map(DeviceId::parse);
        Self {
            user: user.clone(),
            ids: [facts.id()].into_iter().chain(earlier).collect(),
            device: device.and_then(Result::ok),
            namespace: facts.namespace.clone(),
            rooms: facts.rooms.clone(),
        }
    }
}

impl Addressee for FoundSocket {
    fn is_in_namespace(&self, namespace: &Namespace) -> bool {
        self.namespace == namespace.as_str()
    }

    fn user(&self) -> &UserId {
        &self.user
    }

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }

    fn ids(&self) -> impl Iterator<Item = SocketId> {
        self.ids.iter().copied()
    }

    fn is_granted(&self, room: &Room) -> bool {
        self.rooms.iter().any(|it| it == room.as_str())
    }
}

/// What nodes remember of sockets of one user, as it is told: first those that are there, the latest first, then the one
/// that ended last first. What each says is in that order already.
pub fn merged_visits(nodes: Vec<Vec<VisitFacts>>) -> Vec<VisitFacts> {
    merged(nodes, usize::MAX, |it| match it.end {
        None => (false, u64::MAX - it.connected_at),
        Some((at, _)) => (true, u64::MAX - at),
    })
}

/// What nodes remember of emits, the newest first, at most `limit`. What each says is in that order already.
pub fn merged_messages(nodes: Vec<Vec<MessageFacts>>, limit: usize) -> Vec<MessageFacts> {
    merged(nodes, limit, |it| u64::MAX - it.at)
}

/// Lists in one: of what comes next in each the least is taken. So each list stays in its own order, though the clock of its node
/// was set back meanwhile.
fn merged<T, K: Ord>(lists: Vec<Vec<T>>, limit: usize, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut lists: Vec<VecDeque<T>> = lists.into_iter().map(VecDeque::from).collect();
    let mut all = Vec::new();
    while all.len() < limit {
        let left = lists.iter_mut().filter(|it| !it.is_empty());
        let Some(item) = left.min_by_key(|it| it.front().map(&key)).and_then(VecDeque::pop_front)
        else {
            break;
        };
        all.push(item);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{MessageFacts, VisitFacts, merged_messages, merged_visits};
    use crate::types::SocketId;
    use proptest::prelude::*;

    fn message(node: usize, number: usize, at: u64) -> MessageFacts {
        MessageFacts {
            id: format!("{node} {number}"),
            at,
            namespace: "/".to_owned(),
            event: "e".to_owned(),
            volatile: false,
            source: None,
            is_to_all: true,
            rooms: Vec::new(),
            sockets: Vec::new(),
            matched: 0,
            sent: 0,
            acked: None,
            users: Vec::new(),
        }
    }

    fn visit(node: u8, (connected_at, ended_at): (u64, Option<u64>)) -> VisitFacts {
        VisitFacts {
            id: SocketId::from_bytes([node; SocketId::BYTES]),
            namespace: "/".to_owned(),
            address: String::new(),
            user_agent: None,
            transport: String::new(),
            is_upgraded: false,
            connected_at,
            end: ended_at.map(|at| (at, String::new())),
            silent_ms: 0,
            bytes_in: 0,
            bytes_out: 0,
            pending_bytes: 0,
            ending: None,
            close_code: None,
        }
    }

    #[test]
    fn emits_of_a_node_whose_clock_was_set_back_stay_in_their_order() {
        let back = vec![message(0, 0, 3), message(0, 1, 9), message(0, 2, 8)];
        let other = vec![message(1, 0, 5)];

        let merged = merged_messages(vec![back.clone(), other], 9);

        let own: Vec<_> = merged.iter().filter(|it| it.id.starts_with('0')).cloned().collect();
        assert_eq!((merged.len(), own), (4, back));
    }

    proptest! {
        /// Each node says its newest first; of emits at the same time those of one node stay as it has them.
        #[test]
        fn emits_of_all_nodes_are_in_the_order_of_time(
            nodes in prop::collection::vec(prop::collection::vec(0_u64..20, 0..9), 0..4),
            limit in 0_usize..20,
        ) {
            let mut lists = Vec::new();
            for (node, mut times) in nodes.into_iter().enumerate() {
                times.sort_unstable_by(|a, b| b.cmp(a));
                let messages = times.into_iter().enumerate();
                lists.push(messages.map(|(at, time)| message(node, at, time)).collect::<Vec<_>>());
            }
            let said = lists.concat();
            let merged = merged_messages(lists, limit);
            prop_assert_eq!(merged.len(), said.len().min(limit));
            let times: Vec<u64> = merged.iter().map(|it| it.at).collect();
            prop_assert!(times.is_sorted_by(|a, b| b <= a), "{:?}", times);
            let left_out = said.iter().filter(|it| !merged.contains(it)).map(|it| it.at).max();
            prop_assert!(left_out.is_none_or(|it| times.iter().all(|time| it <= *time)));
            for node in ["0", "1", "2", "3"] {
                let numbers = |all: &[MessageFacts]| -> Vec<String> {
                    all.iter().map(|it| it.id.clone()).filter(|it| it.starts_with(node)).collect()
                };
                prop_assert!(numbers(&said).starts_with(&numbers(&merged)));
            }
        }

        #[test]
        fn sockets_that_are_there_come_first_then_the_one_that_ended_last(
            visits in prop::collection::vec((0_u64..20, prop::option::of(0_u64..20)), 0..12),
        ) {
            let nodes = (0..).zip(visits).map(|(node, it)| vec![visit(node, it)]).collect();
            let merged = merged_visits(nodes);
            for pair in merged.windows(2) {
                let is_in_order = match (&pair[0].end, &pair[1].end) {
                    (None, None) => pair[1].connected_at <= pair[0].connected_at,
                    (None, Some(_)) => true,
                    (Some(_), None) => false,
                    (Some((first, _)), Some((second, _))) => second <= first,
                };
                prop_assert!(is_in_order, "{:?}", merged);
            }
        }
    }
}
