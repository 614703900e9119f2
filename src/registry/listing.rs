//! Lists of rooms, a page at a time and in order, however many there are.

pub use crate::core::cluster::bus::words::RoomEntry;

use super::Registry;
use crate::core::page::{Page, Smallest};
use crate::types::{Namespace, Room};

impl Registry {
    /// Granted rooms that begin with `prefix`, in order of namespace and name, after `after`, with the sockets they
    /// were granted to.
    pub fn rooms(
        &self,
        prefix: &str,
        after: Option<&(Namespace, Room)>,
        limit: usize,
    ) -> Page<RoomEntry> {
        let mut smallest = Smallest::new(limit);
        self.for_each_granted(|namespace, room, sockets| {
            let key = (namespace.clone(), room.clone());
            if room.as_str().starts_with(prefix) && after.is_none_or(|after| *after < key) {
                smallest.offer(key, sockets);
            }
        });
        smallest.into_page(|((namespace, room), sockets)| RoomEntry { namespace, room, sockets })
    }

    /// Calls `see` with each granted room and the number of sockets it was granted to, in no particular order.
    pub fn for_each_granted(&self, mut see: impl FnMut(&Namespace, &Room, usize)) {
        for entry in &self.index.granted {
            let (namespace, room) = entry.key();
            see(namespace, room, entry.sockets.len());
        }
    }
}
