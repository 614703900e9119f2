//! How many there are, and lists that need both presence and the registry.

use super::Sockets;
use crate::core::emit::audience::Addressee as _;
use crate::core::page::Page;
use crate::core::presence::session::PresenceStatus;
use crate::registry::RoomEntry;
use crate::types::{Namespace, Room, RoomKind};

/// How many are on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeCounts {
    /// Users online or lingering.
    pub users: usize,
    /// Of these, lingering.
    pub lingering: usize,
    /// Sockets.
    pub sockets: usize,
    /// Rooms, with those that every socket has.
    pub rooms: usize,
    /// Of these, those that were granted: the ones that are listed.
    pub granted_rooms: usize,
    /// Reminders of graces that may have run out.
    pub deadlines: usize,
}

impl Sockets {
    /// Granted rooms that begin with `prefix`, in order of namespace and name, after `after`.
    pub fn rooms(
        &self,
        prefix: &str,
        after: Option<&(Namespace, Room)>,
        limit: usize,
    ) -> Page<RoomEntry> {
        let mut page = self.registry.rooms(prefix, after, limit);
        for RoomEntry { namespace, room, sockets } in &mut page.items {
            let implied = self.implied(namespace, room);
            *sockets += implied.iter().filter(|it| !it.is_granted(room)).count();
        }
        page
    }

    /// How many are here. Looks at every user.
    pub fn counts(&self) -> NodeCounts {
        let mut counts = NodeCounts { deadlines: self.deadlines.len(), ..NodeCounts::default() };
        self.presence.for_each(|status, roster| {
            counts.users += usize::from(!matches!(status, PresenceStatus::Offline));
            counts.sockets += roster.sockets().count();
            counts.lingering += usize::from(matches!(status, PresenceStatus::Lingering(_)));
            // One room in each namespace where the user has a socket.
            let mut namespaces: Vec<_> = roster.sockets().map(|it| &it.namespace).collect();
            namespaces.sort_unstable();
            namespaces.dedup();
            counts.rooms += namespaces.len();
        });
        counts.rooms += self.registry.room_count();
        counts.granted_rooms = self.registry.granted_count();
        // A granted room may have the name of one that is there anyway. Sockets come and go meanwhile.
        let mut named = Vec::new();
        self.registry.for_each_granted(|namespace, room, _| {
            if room.kind() != RoomKind::Granted {
                named.push((namespace.clone(), room.clone()));
            }
        });
        let is_there = |(namespace, room): &(_, _)| !self.implied(namespace, room).is_empty();
        let twice = named.iter().filter(|it| is_there(it)).count();
        counts.rooms = counts.rooms.saturating_sub(twice);
        counts
    }
}
