//! Other nodes are told in which rooms users are whose sockets are here, as far as anybody's reach depends on that.
//!
//! What is told is looked up when it is told, by one task: so what was told last is what is so, however many things happen to a user
//! at once.

use crate::cluster::ClusterMember;
use crate::core::cluster::places::UserRooms;
use crate::core::contacts;
use crate::presence::Presence;
use crate::registry::Socket;
use crate::types::{NamePattern, UserId};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;

/// Users that are told of before others get a turn on the processor.
const USERS_AT_ONCE: usize = 256;

/// Whom other nodes have to hear of.
#[derive(Debug)]
pub(super) struct Placing {
    member: ClusterMember,
    /// The names of the rooms that count.
    rooms: Vec<NamePattern>,
    noted: Mutex<BTreeSet<UserId>>,
    wake: Notify,
}

impl Placing {
    /// The cluster of `member` is told of rooms of these names.
    pub(super) fn new(member: ClusterMember, rooms: Vec<NamePattern>) -> Self {
        Self { member, rooms, noted: Mutex::default(), wake: Notify::new() }
    }

    /// Something has happened to the rooms of a user.
    pub(super) fn note(&self, user: &UserId) {
        if self.noted.lock().insert(user.clone()) {
            self.wake.notify_one();
        }
    }

    /// A user is forgotten.
    pub(super) fn erase(&self, user: &UserId) {
        self.noted.lock().remove(user);
    }

    /// Tells of whoever is noted, as long as it runs.
    pub(super) async fn run(&self, presence: &Presence<Arc<Socket>>) {
        loop {
            for _ in 0..USERS_AT_ONCE {
                let Some(user) = self.noted.lock().pop_first() else { break };
                self.tell(presence, &user);
            }
            if self.noted.lock().is_empty() {
                self.wake.notified().await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    fn tell(&self, presence: &Presence<Arc<Socket>>, user: &UserId) {
        let sockets = presence.sockets(user.as_str());
        // That nobody is here any more is told as such.
        if sockets.is_empty() {
            return;
        }
        let mut all = UserRooms::default();
        for socket in &sockets {
            let rooms = socket.granted_rooms();
            let counts = |room: &&_| self.rooms.iter().any(|it| contacts::is_shareable(room, it));
            all.add(&socket.namespace, rooms.iter().filter(counts));
        }
        self.member.place(user, all.text());
    }
}
