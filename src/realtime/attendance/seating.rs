//! Seats: a socket has one before it joins, where users may not have as many connections as they like.

use super::{Attendance, Farewell, KickCode};
use crate::clock::Clock;
use crate::cluster::{Bus, ClusterMember};
use crate::core::cluster::seats::SeatName;
use crate::core::control::seats::{Seated as _, Seating, Standing};
use crate::core::presence::session::Grace;
use crate::core::recovery::SessionClaim;
use crate::realtime::seats::{SeatSeeker, SeatsOfNodes};
use crate::registry::Socket;
use crate::tasks::Tasks;
use crate::types::{Reason, SocketId, UserId};
use std::sync::Arc;

/// There is no seat for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::realtime) enum NoSeat {
    /// Its user has as many connections as allowed.
    Full,
    /// The same, but of one of them it is not certain that its client is still there; or nobody knows how many there are.
    ComeAgain,
}

impl Attendance {
    /// The same on a node of many, which find out together whether there is a seat. While they cannot, clients come in if
    /// `admits_unheard`.
    #[must_use]
    pub fn seating_in_cluster(
        self,
        nodes: (ClusterMember, Bus),
        admits_unheard: bool,
        times: (Clock, Tasks),
    ) -> Self {
        let seats = |limit| Box::new(SeatsOfNodes::new(nodes, limit, admits_unheard, times));
        Self { seats_of_nodes: self.seats.map(seats), ..self }
    }

    /// Finds a seat for a socket that is about to join. Whoever has to go for it is gone then. `replaces` is who had its session, as
    /// another node knows.
    pub(in crate::realtime) async fn seat(
        &self,
        socket: &Arc<Socket>,
        claim: Option<SessionClaim<'_>>,
        replaces: Option<SocketId>,
    ) -> Result<(), NoSeat> {
        self.seat_as(socket.user(), socket, (claim, replaces)).await
    }

    /// The same for a socket that is about to be this user's.
    pub(super) async fn seat_as(
        &self,
        user: &UserId,
        socket: &Arc<Socket>,
        (claim, replaces): (Option<SessionClaim<'_>>, Option<SocketId>),
    ) -> Result<(), NoSeat> {
        let Some(limit) = self.seats else { return Ok(()) };
        let claim = claim.map(|it| it.pid);
        let seating = match &self.seats_of_nodes {
            None => {
                let newcomer = (socket.id, Arc::clone(socket));
                self.sockets.presence.seat(user, newcomer, claim, limit)
            }
            Some(seats) => seats.seat(SeatSeeker { user, socket, claim, replaces }).await,
        };
        match seating {
            Seating::Seat { replaced, evicted, leaving } => {
                self.let_go(&replaced, &evicted, &leaving);
                Ok(())
            }
            Seating::ComeAgain => Err(NoSeat::ComeAgain),
            Seating::Full => Err(NoSeat::Full),
        }
    }

    /// A socket that has a seat does not come.
    pub(super) fn stays_away(&self, user: &UserId, id: SocketId) {
        match &self.seats_of_nodes {
            None => self.sockets.presence.stays_away(user, id),
            Some(seats) => seats.leave(user, id),
        }
    }

    /// How the connections are that have seats of a user here, among many nodes.
    pub(in crate::realtime) fn seats_of(&self, user: &UserId) -> Vec<(SeatName, Standing)> {
        self.seats_of_nodes.as_ref().map(|it| it.standings(user)).unwrap_or_default()
    }

    /// These seats of a user are others' by now: the connections that had them are closed. Returns how many sockets went.
    pub(in crate::realtime) fn end_seats(
        &self,
        user: &UserId,
        replaced: &[SeatName],
        evicted: &[SeatName],
    ) -> usize {
        let Some(seats) = &self.seats_of_nodes else { return 0 };
        let (replaced, evicted) = (seats.end(user, replaced), seats.end(user, evicted));
        self.let_go(&replaced, &evicted, &[]);
        replaced.len() + evicted.len()
    }

    /// Says to the other nodes what they have to know of the seats here, as long as it runs.
    pub(crate) async fn run_seats(self: Arc<Self>) {
        if let Some(seats) = &self.seats_of_nodes {
            let end = |user: &UserId, replaced: &[SeatName], evicted: &[SeatName]| {
                self.end_seats(user, replaced, evicted);
            };
            tokio::join!(seats.run(end), seats.run_given(end));
        }
    }

    fn let_go(&self, replaced: &[Arc<Socket>], evicted: &[Arc<Socket>], leaving: &[Arc<Socket>]) {
        for socket in replaced {
            socket.replace();
        }
        for socket in replaced.iter().chain(leaving) {
            let reason = socket.connection.end_reason().unwrap_or(Reason::TransportClose);
            self.leave(socket, reason);
        }
        if !evicted.is_empty() {
            let farewell = Farewell { code: Some(KickCode::UserLimit), ..Farewell::default() };
            self.expel(evicted, farewell, Grace::Keep);
            metrics::counter!("userline_evictions_total").increment(1);
        }
    }
}
