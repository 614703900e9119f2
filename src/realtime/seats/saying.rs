//! What others have to know of the seats here, said again and again.

use super::{GivenSeat, Heard, SeatsOfNodes};
use crate::cluster::{AskedNodes, Unattached};
use crate::core::cluster::bus::words::BusRequest;
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::seats::{SeatName, SeatQuestion, SeatReply, SeatRoom};
use crate::core::control::held_seats::HeldClaim;
use crate::registry::Socket;
use crate::types::UserId;
use futures_util::StreamExt as _;
use futures_util::stream;
use std::sync::Arc;
use std::time::Duration;

/// How often all are said again.
const SAID_EVERY: Duration = Duration::from_mins(20);
/// Seats that are said at the same time.
const SAID_AT_ONCE: usize = 64;
/// Free seats that are told at once.
const FREE_AT_ONCE: usize = 500;

/// What has been said of all seats.
#[derive(Debug, Default, PartialEq, Eq)]
struct SaidAs(Option<Incarnation>);

impl SeatsOfNodes {
    /// Says again and again what others have to know of the seats here, as long as it runs. `end` is told of seats of a user that
    /// are others' by now: those of its client, and the rest.
    pub(in crate::realtime) async fn run(&self, end: impl Fn(&UserId, &[SeatName], &[SeatName])) {
        let mut status = self.member.status();
        let mut said_as = SaidAs::default();
        let mut said_at = self.clock.now();
        loop {
            // A seat may have been lost whenever the state is not that of before.
            let is_another = tokio::select! {
                () = self.wake.notified() => false,
                changed = status.changed() => changed.is_ok(),
                () = tokio::time::sleep(Duration::from_secs(1)) => false,
            };
            if is_another {
                said_as = SaidAs::default();
            }
            let now_as = SaidAs(self.member.incarnation());
            let all = said_as != now_as || said_at + SAID_EVERY <= self.clock.now();
            if self.say(all, &end).await.is_ok() && all {
                (said_as, said_at) = (now_as, self.clock.now());
            }
            self.tell_free().await;
        }
    }

    async fn say(
        &self,
        all: bool,
        end: impl Fn(&UserId, &[SeatName], &[SeatName]),
    ) -> Result<(), Unattached> {
        let claims =
            if all { self.held.lock().claims() } else { self.held.lock().unheard_claims() };
        let say = |held: HeldClaim<Arc<Socket>>| async move {
            let HeldClaim { user, seat, since, sockets } = held;
            let mut claim = self.claim(&user, Arc::clone(&seat), since, &sockets);
            claim.room = SeatRoom::None;
            let reply = self.member.seats(SeatQuestion::Take(claim)).await;
            (user, seat, reply)
        };
        let mut said = stream::iter(claims).map(say).buffer_unordered(SAID_AT_ONCE);
        while let Some((user, seat, reply)) = said.next().await {
            match reply? {
                SeatReply::Taken { since, .. } => self.held.lock().confirm(&user, &seat, since),
                SeatReply::Full(_) => end(&user, &[], &[seat]),
                SeatReply::Freed => {}
            }
        }
        Ok(())
    }

    /// Does what follows from seats that are given: whoever has to go for one is told, here and elsewhere. `end` is told as in
    /// [`SeatsOfNodes::run`].
    pub(in crate::realtime) async fn run_given(
        &self,
        end: impl Fn(&UserId, &[SeatName], &[SeatName]),
    ) {
        loop {
            self.given.wake.notified().await;
            let given = std::mem::take(&mut *self.given.seats.lock());
            for GivenSeat { user, seat, since, mut replaced, mut evicted, done } in given {
                self.held.lock().confirm(&user, &seat, since);
                let here = self.standings(&user);
                end(&user, &replaced, &evicted);
                let is_elsewhere = |it: &SeatName| !here.iter().any(|(here, _)| here == it);
                replaced.retain(is_elsewhere);
                evicted.retain(is_elsewhere);
                // Fails if nobody waits.
                drop(done.send(Heard::Given(self.tell_others(&user, replaced, evicted))));
            }
        }
    }

    fn tell_others(
        &self,
        user: &UserId,
        replaced: Vec<SeatName>,
        evicted: Vec<SeatName>,
    ) -> Option<AskedNodes> {
        if replaced.is_empty() && evicted.is_empty() {
            return None;
        }
        let request = BusRequest::EndSeats { user: user.clone(), replaced, evicted };
        // If they cannot be told, they go when they say again that they have a seat.
        let told = self.bus.ask(request);
        told.inspect_err(|error| tracing::debug!(%error, "connections elsewhere stay for a while"))
            .ok()
    }

    async fn tell_free(&self) {
        loop {
            let free = self.held.lock().take_free(FREE_AT_ONCE);
            if free.is_empty() {
                return;
            }
            if self.member.seats(SeatQuestion::Free(free.clone())).await.is_err() {
                let mut held = self.held.lock();
                for (user, seat) in free {
                    held.give_up(user, seat);
                }
                return;
            }
        }
    }
}
