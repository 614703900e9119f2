//! Which users are here, how many there are, where they are, and connections of each.

use super::{ClusterMember, Unattached};
use crate::core::cluster::command::{Command, Reply, UserCounts};
use crate::core::cluster::facts::UserDeparture;
use crate::core::cluster::places::{MovedQuestion, MovedUsers, Places};
use crate::core::cluster::seats::{SeatQuestion, SeatReply};
use crate::core::cluster::sockets::SocketTold;
use crate::types::{Reason, UserId};
use std::sync::Arc;

impl ClusterMember {
    /// The user has a socket on this node, of which hooks say what it was `granted`, if they do. Its session is returned, or comes
    /// as an effect when it is known.
    pub fn up(&self, user: &UserId, granted: Option<Arc<str>>) -> Option<u64> {
        self.say(|machine| {
            let session = machine.up(user);
            if let Some(granted) = granted {
                machine.describe(user, granted);
            }
            session
        })
    }

    /// The user has none any more; the last one was `granted` this, if hooks say that.
    pub fn down(&self, user: &UserId, departure: UserDeparture, granted: Option<Arc<str>>) {
        self.say(|machine| {
            if let Some(granted) = granted {
                machine.describe(user, granted);
            }
            machine.down(user, departure);
        });
    }

    /// Hooks tell that a socket of a user has come, who is on this node.
    pub fn socket_came(&self, user: &UserId, told: SocketTold) {
        self.say(|machine| machine.socket_came(user, told));
    }

    /// The same of one that goes, before the user does.
    pub fn socket_went(&self, user: &UserId, told: SocketTold) {
        self.say(|machine| machine.socket_went(user, told));
    }

    /// If the user lingers, on whatever node it was, that ends now.
    pub fn end_grace(&self, user: &UserId, reason: Reason) {
        self.say(|machine| machine.end_grace(user, reason));
    }

    /// A socket of the user has spoken, after [`NodeEffect::Verify`](crate::core::cluster::node::NodeEffect::Verify).
    pub fn verified(&self, user: &UserId) {
        self.say(|machine| machine.verified(user));
    }

    /// How many users there are.
    pub async fn count_users(&self) -> Result<UserCounts, Unattached> {
        let Reply::UserCounts(counts) = self.ask(Command::CountUsers).await? else {
            return Err(Unattached);
        };
        Ok(counts)
    }

    /// Asks or says something about the seats of users.
    pub async fn seats(&self, question: SeatQuestion) -> Result<SeatReply, Unattached> {
        let reply = self.ask(Command::Seats(question)).await?;
        let Reply::Seats(reply) = reply else { return Err(Unattached) };
        Ok(reply)
    }

    /// The sockets of a user who is here are in these rooms, as [`UserRooms::text`](crate::core::cluster::places::UserRooms::text) has
    /// them.
    pub fn place(&self, user: &UserId, rooms: Arc<str>) {
        self.say(|machine| machine.place(user, rooms));
    }

    /// Which users have changed.
    pub async fn moved(&self, question: MovedQuestion) -> Result<MovedUsers, Unattached> {
        let reply = self.ask(Command::Moved(question)).await?;
        let Reply::Moved(moved) = reply else { return Err(Unattached) };
        Ok(moved)
    }

    /// Where users are, at most a thousand; in the same order.
    pub async fn places(&self, users: &[UserId]) -> Result<Places, Unattached> {
        let reply = self.ask(Command::Places(users.to_vec())).await?;
        let Reply::Places(places) = reply else { return Err(Unattached) };
        Ok(places)
    }
}
