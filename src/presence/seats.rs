//! Seats: how many connections a user may have is decided while nothing else happens to the user.

use super::Presence;
use crate::core::control::seats::{SeatLimit, Seated, Seating};
use crate::core::recovery::Pid;
use crate::types::{SocketId, UserId};

impl<S: Seated + Clone> Presence<S> {
    /// Looks for a seat for a socket that wants to come, and gives it that if there is one: until it is here, says that it
    /// [stays away](Presence::stays_away), or its connection ends. Nothing else happens to the user meanwhile, so there are
    /// never more seats than the limit. The sockets that have to go for it are the caller's to let go.
    pub fn seat(
        &self,
        user: &UserId,
        (id, socket): (SocketId, S),
        claim: Option<&Pid>,
        limit: SeatLimit,
    ) -> Seating<S> {
        let mut entry =
            self.users.entry(user.clone()).or_insert_with(|| Box::new(self.new_entry(user)));
        entry.seat(id, socket, claim, limit)
    }

    /// Forgets sockets that were to come and whose connections are gone, with those users of whom nothing else is known.
    pub fn forget_lost(&self) {
        self.users.retain(|_, entry| {
            entry.forget_lost();
            !entry.is_vacant()
        });
    }
}
