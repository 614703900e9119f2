//! The seats that sockets of one node have among many nodes, and those that it has to say are free.
//!
//! A seat is held before the others are asked for it. So whatever stands in their list as this node's, and is not held, is free.

use super::seats::{Seated, Standing};
use crate::core::cluster::seats::SeatName;
use crate::types::{SocketId, UserId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Free seats that are still to be told, at most. What is forgotten is found out when somebody wants a seat of that user.
const FREE_MAX: usize = 100_000;

/// The seats that sockets of this node have, or ask for.
#[derive(Debug)]
pub struct HeldSeats<S> {
    users: BTreeMap<UserId, Vec<HeldSeat<S>>>,
    /// Those that are, or were, [`SeatHold::Unheard`].
    unheard: Vec<(UserId, SeatName)>,
    free: VecDeque<(UserId, SeatName)>,
}

#[derive(Debug)]
struct HeldSeat<S> {
    name: SeatName,
    hold: SeatHold,
    sockets: Vec<(SocketId, S)>,
}

/// What is known of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatHold {
    /// It was asked for.
    Asked,
    /// It was not heard whether it can be had, and the socket came in all the same.
    Unheard,
    /// The others count it, since then.
    Since(u64),
}

/// A seat that is to be said again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldClaim<S> {
    /// Whose it is.
    pub user: UserId,
    /// Its name.
    pub seat: SeatName,
    /// Since when it counts; `None`: it was not heard yet.
    pub since: Option<u64>,
    /// The sockets that have it, the oldest first.
    pub sockets: Vec<S>,
}

impl<S> Default for HeldSeats<S> {
    fn default() -> Self {
        Self { users: BTreeMap::new(), unheard: Vec::new(), free: VecDeque::new() }
    }
}

impl<S: Seated + Clone> HeldSeats<S> {
    /// A socket wants a seat: the one that its connection has, or else the `fresh` one. Returns which, and what is known of it.
    pub fn join(
        &mut self,
        user: &UserId,
        (id, socket): (SocketId, S),
        fresh: SeatName,
    ) -> (SeatName, SeatHold) {
        let seats = self.users.entry(user.clone()).or_default();
        let its = seats.iter_mut().find(|seat| seat.is_of(&socket));
        if let Some(seat) = its {
            seat.sockets.push((id, socket));
            (Arc::clone(&seat.name), seat.hold)
        } else {
            let (hold, sockets) = (SeatHold::Asked, vec![(id, socket)]);
            seats.push(HeldSeat { name: Arc::clone(&fresh), hold, sockets });
            (fresh, SeatHold::Asked)
        }
    }

    /// A socket shares the seat that its connection has, if it has one.
    pub fn share(&mut self, user: &UserId, id: SocketId, socket: &S) {
        let seats = self.users.get_mut(user).into_iter().flatten();
        for seat in seats.filter(|seat| seat.is_of(socket)) {
            if !seat.sockets.iter().any(|(it, _)| *it == id) {
                seat.sockets.push((id, socket.clone()));
            }
        }
    }

    /// The others count a seat. If nobody has it any more, they have to be told so.
    pub fn confirm(&mut self, user: &UserId, name: &SeatName, since: u64) {
        match self.seat(user, name) {
            Some(seat) => seat.hold = SeatHold::Since(since),
            None => self.give_up(user.clone(), Arc::clone(name)),
        }
    }

    /// It was not heard whether a seat can be had, and its socket comes in all the same.
    pub fn admit_unheard(&mut self, user: &UserId, name: &SeatName) {
        if let Some(seat) = self.seat(user, name).filter(|it| it.hold == SeatHold::Asked) {
            seat.hold = SeatHold::Unheard;
            self.unheard.push((user.clone(), Arc::clone(name)));
        }
    }

    /// A socket needs no seat, or not any more.
    pub fn leave(&mut self, user: &UserId, id: SocketId) {
        self.retain(user, |socket, _| *socket != id);
    }

    /// The others do not count these seats any more. Returns the sockets that had them.
    pub fn end(&mut self, user: &UserId, names: &[SeatName]) -> Vec<S> {
        let Some(seats) = self.users.get_mut(user) else { return Vec::new() };
        let ended: Vec<HeldSeat<S>> =
            seats.extract_if(.., |seat| names.contains(&seat.name)).collect();
        if seats.is_empty() {
            self.users.remove(user);
        }
        ended.into_iter().flat_map(|it| it.sockets).map(|(_, socket)| socket).collect()
    }

    /// How the connections are that have the seats of a user.
    pub fn standings(&self, user: &UserId) -> Vec<(SeatName, Standing)> {
        let seats = self.users.get(user).into_iter().flatten();
        seats.map(|seat| (Arc::clone(&seat.name), seat.standing())).collect()
    }

    /// The sockets of a user, the oldest first.
    pub fn sockets(&self, user: &UserId) -> impl Iterator<Item = &S> {
        let seats = self.users.get(user).into_iter().flatten();
        seats.flat_map(|seat| seat.sockets.iter().map(|(_, socket)| socket))
    }

    /// The same without those of which it is not known yet whether they may stay.
    pub fn settled(&self, user: &UserId) -> impl Iterator<Item = &S> {
        let seats = self.users.get(user).into_iter().flatten();
        let settled = seats.filter(|seat| seat.hold != SeatHold::Asked);
        settled.flat_map(|seat| seat.sockets.iter().map(|(_, socket)| socket))
    }

    /// Lets sockets go whose connections have ended.
    pub fn forget_lost(&mut self) {
        let users: Vec<UserId> = self.users.keys().cloned().collect();
        for user in users {
            self.retain(&user, |_, socket| socket.standing() != Standing::Leaving);
        }
    }

    /// What is to be said of all seats.
    pub fn claims(&self) -> Vec<HeldClaim<S>> {
        let seats = |(user, seats): (&UserId, &Vec<HeldSeat<S>>)| -> Vec<HeldClaim<S>> {
            seats.iter().filter_map(|seat| seat.claim(user)).collect()
        };
        self.users.iter().flat_map(seats).collect()
    }

    /// What is to be said of seats of which nothing was heard.
    pub fn unheard_claims(&mut self) -> Vec<HeldClaim<S>> {
        let claim = |(user, name): &(UserId, SeatName)| {
            let seat = self.users.get(user)?.iter().find(|it| it.name == *name)?;
            seat.claim(user).filter(|it| it.since.is_none())
        };
        let claims: Vec<HeldClaim<S>> = self.unheard.iter().filter_map(claim).collect();
        self.unheard = claims.iter().map(|it| (it.user.clone(), Arc::clone(&it.seat))).collect();
        claims
    }

    /// A seat is free, or nobody knows.
    pub fn give_up(&mut self, user: UserId, name: SeatName) {
        if FREE_MAX <= self.free.len() {
            self.free.pop_front();
        }
        self.free.push_back((user, name));
    }

    /// Seats of which the others have to be told that they are free, at most so many.
    pub fn take_free(&mut self, max: usize) -> Vec<(UserId, SeatName)> {
        let count = max.min(self.free.len());
        self.free.drain(..count).collect()
    }

    /// Forgets what is to be told of a user.
    pub fn erase(&mut self, user: &UserId) {
        self.free.retain(|(it, _)| it != user);
    }

    /// Lets those sockets of a user go that are not to stay; what nobody has then is free.
    fn retain(&mut self, user: &UserId, stays: impl Fn(&SocketId, &S) -> bool) {
        let Some(seats) = self.users.get_mut(user) else { return };
        for seat in &mut *seats {
            seat.sockets.retain(|(id, socket)| stays(id, socket));
        }
        let empty: Vec<HeldSeat<S>> =
            seats.extract_if(.., |seat| seat.sockets.is_empty()).collect();
        if seats.is_empty() {
            self.users.remove(user);
        }
        for seat in empty {
            self.give_up(user.clone(), seat.name);
        }
    }

    fn seat(&mut self, user: &UserId, name: &SeatName) -> Option<&mut HeldSeat<S>> {
        self.users.get_mut(user)?.iter_mut().find(|it| it.name == *name)
    }
}

impl<S: Seated + Clone> HeldSeat<S> {
    /// `None`: whoever asked for it says more.
    fn claim(&self, user: &UserId) -> Option<HeldClaim<S>> {
        let since = match self.hold {
            SeatHold::Asked => return None,
            SeatHold::Unheard => None,
            SeatHold::Since(since) => Some(since),
        };
        let sockets = self.sockets.iter().map(|(_, socket)| socket.clone()).collect();
        Some(HeldClaim { user: user.clone(), seat: Arc::clone(&self.name), since, sockets })
    }

    fn is_of(&self, socket: &S) -> bool {
        self.sockets.iter().any(|(_, it)| it.shares_connection(socket))
    }

    fn standing(&self) -> Standing {
        let standings = || self.sockets.iter().map(|(_, it)| it.standing());
        if standings().all(|it| it == Standing::Leaving) {
            Standing::Leaving
        } else if standings().any(|it| it == Standing::OwesPong) {
            Standing::OwesPong
        } else {
            Standing::Here
        }
    }
}

#[cfg(test)]
mod tests;
