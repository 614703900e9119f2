//! A guest becomes a user in place: all sockets of its connection are the user's from then on, and stay connected.
//!
//! ```text
//!   a seat for the user ─► the connection is the user's: no socket of the guest joins any more
//!     ─► each socket, one after the other: guest −1, user's rooms, user +1 ─► told by `userline:session`
//! ```

use super::{Attendance, NoSeat, greeting};
use crate::presence::SessionAtUp;
use crate::recovery::Departure;
use crate::registry::Socket;
use crate::types::{Identity, Reason};
use std::sync::Arc;
use thiserror::Error;

/// Why a guest is still one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(in crate::realtime) enum NotSignedIn {
    /// There is no seat for the user.
    #[error("there is no seat")]
    Seat(NoSeat),
    /// The store takes nothing; the connection is closed.
    #[error("the store takes nothing")]
    Unavailable,
    /// The connection is not the guest's any more, or has ended.
    #[error("the connection is not the guest's")]
    OtherUser,
}

impl Attendance {
    /// What was a guest's connection becomes that of another user, once: with all its sockets, each of which is granted the same.
    /// Nothing of the guest moves: neither rooms, nor inbox, nor what it could recover. `socket` is one of them.
    pub(in crate::realtime) async fn sign_in(
        &self,
        socket: &Arc<Socket>,
        identity: Identity,
    ) -> Result<(), NotSignedIn> {
        let Identity { user, grants } = identity;
        let (guest, connection) = (socket.user().clone(), &socket.connection);
        let mut place =
            Some(self.reserve(connection, &user).await.ok_or(NotSignedIn::Unavailable)?);
        self.seat_as(&user, socket, (None, None)).await.map_err(NotSignedIn::Seat)?;
        if !connection.hand_over(&guest, &user) {
            self.stays_away(&user, socket.id);
            return Err(NotSignedIn::OtherUser);
        }
        metrics::counter!("userline_guest_sign_ins_total").increment(1);
        tracing::debug!(user.id = %user, guest.id = %guest, "a guest has signed in");
        let (_, mut sockets) = self.sockets.user(&guest);
        sockets.retain(|it| Arc::ptr_eq(&it.connection, connection));
        for socket in sockets {
            let place = match place.take() {
                Some(place) => place,
                None => self.reserve(connection, &user).await.ok_or(NotSignedIn::Unavailable)?,
            };
            let sign_in = || self.sockets.sign_in(&socket, &user, grants.clone(), place);
            let session = match socket.pid().zip(self.recoveries.of(&socket.namespace)) {
                None => sign_in(),
                Some((pid, recovery)) => {
                    recovery.detach(pid, socket.id, Departure::ForGood, sign_in)
                }
            };
            if let Some(seats) = &self.seats_of_nodes {
                seats.leave(&guest, socket.id);
                seats.share(&user, &socket);
            }
            self.visits.remember_as(&guest, &socket, Reason::SignedIn);
            socket.forget_inbox();
            if let Some(SessionAtUp::Known(session)) = session {
                greeting::greet(&socket, session, self.resume_token(&socket), None);
                connection.flush_queued();
            }
        }
        Ok(())
    }
}
