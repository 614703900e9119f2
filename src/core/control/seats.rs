//! How many connections one user may have, and which has to go for another. Two sockets of one connection have one seat.

use crate::core::recovery::Pid;
use crate::types::DeviceId;

/// A socket that has, or wants, a seat.
pub trait Seated {
    /// Whether both are of one connection.
    fn shares_connection(&self, other: &Self) -> bool;
    /// What its client calls the tab or device it runs in.
    fn device(&self) -> Option<&DeviceId>;
    /// The name of its recovery session, if it has one.
    fn pid(&self) -> Option<&Pid>;
    /// How its connection is.
    fn standing(&self) -> Standing;
    /// Its connection has to go for another client: from now on its standing is [`Standing::Leaving`].
    fn evict(&self);
    /// The same, because its client has come back on another connection.
    fn replace(&self);
}

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As far as anybody knows, its client is there.
    Here,
    /// It was pinged and has not answered: its client may be gone.
    OwesPong,
    /// It ends. It needs no seat.
    Leaving,
}

/// How many connections one user may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatLimit {
    /// So many.
    pub max: usize,
    /// What becomes of one more.
    pub when_full: WhenFull,
}

/// What becomes of a connection for which there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It is refused.
    Refuse,
    /// The oldest has to go.
    EvictOldest,
}

/// Whether there is a seat for a newcomer.
#[derive(Debug, PartialEq, Eq)]
pub enum Seating<S> {
    /// There is, once these sockets are gone.
    Seat {
        /// They are the newcomer's own: it has come back on another connection.
        replaced: Vec<S>,
        /// They are of other clients, as far as anybody knows.
        evicted: Vec<S>,
        /// They were to go already, and whoever makes them may not have come to it: else there would be more for a moment.
        leaving: Vec<S>,
    },
    /// There is none now; of a connection that has one it is not certain that its client is still there.
    ComeAgain,
    /// There is none.
    Full,
}

/// Looks for a seat beside those that are `seated`, the oldest first, for a `newcomer` that wants to go on with the session
/// `claim`.
///
/// Where all are taken, a newcomer has that of its own session, or of the connection which has the same device: either is
/// most likely its own, left behind by a network that has changed or a page that was loaded anew.
pub fn find<'a, S: Seated + Clone + 'a>(
    seated: impl Iterator<Item = &'a S>,
    newcomer: &S,
    claim: Option<&Pid>,
    limit: SeatLimit,
) -> Seating<S> {
    let (leaving, seated): (Vec<&S>, Vec<&S>) =
        seated.partition(|it| it.standing() == Standing::Leaving);
    let leaving = leaving.into_iter().cloned().collect();
    let free = |leaving| Seating::Seat { replaced: Vec::new(), evicted: Vec::new(), leaving };
    let mut connections: Vec<&S> = Vec::new();
    for socket in &seated {
        if socket.shares_connection(newcomer) {
            return free(leaving);
        }
        if !connections.iter().any(|it| it.shares_connection(socket)) {
            connections.push(socket);
        }
    }
    let excess = (connections.len() + 1).saturating_sub(limit.max);
    if excess == 0 {
        return free(leaving);
    }
    let sockets_of = |one: &S| -> Vec<&'a S> {
        seated.iter().filter(|it| it.shares_connection(one)).copied().collect()
    };
    let is_own = |one: &&S| claim.is_some() && sockets_of(one).iter().any(|it| it.pid() == claim);
    let is_same_device = |one: &&S| {
        newcomer.device().is_some()
            && sockets_of(one).iter().any(|it| it.device() == newcomer.device())
    };
    let (own, rest): (Vec<&S>, Vec<&S>) = connections.into_iter().partition(is_own);
    let (same, others): (Vec<&S>, Vec<&S>) = rest.into_iter().partition(is_same_device);
    if limit.when_full == WhenFull::Refuse && own.len() + same.len() < excess {
        let mut all = others.iter().flat_map(|one| sockets_of(one));
        let may_be_free = all.any(|it| it.standing() == Standing::OwesPong);
        return if may_be_free { Seating::ComeAgain } else { Seating::Full };
    }
    let replaced = own.len().min(excess);
    let evicted = same.into_iter().chain(others).take(excess - replaced);
    let all = |one: &S| sockets_of(one).into_iter().cloned().collect::<Vec<S>>();
    Seating::Seat {
        replaced: own.into_iter().take(replaced).flat_map(all).collect(),
        evicted: evicted.flat_map(all).collect(),
        leaving,
    }
}

#[cfg(test)]
mod tests;
