//! Seats among many nodes: how many connections a user may have is decided where all nodes agree, and the rest of the rule here.
//!
//! ```text
//!   held here ─► asked for: counted, and what has to go for it named ─► those are let go, wherever they are ─► the socket may join
//!                    └ all are taken: the other nodes say which are not any more, and of which it is not certain
//! ```
//!
//! What was not heard in time is said again and again; if it then turns out that there is no seat, the connection has to go.

mod saying;

use crate::clock::Clock;
use crate::cluster::{AskedNodes, Bus, ClusterMember, Unattached};
use crate::core::cluster::bus::words::{BusRequest, NodeAnswer};
use crate::core::cluster::seats::{
    SeatClaim, SeatMark, SeatName, SeatQuestion, SeatReply, SeatRoom, TakenSeat,
};
use crate::core::control::held_seats::{HeldSeats, SeatHold};
use crate::core::control::seats::{self, SeatLimit, Seated as _, Seating, Standing, WhenFull};
use crate::core::recovery::Pid;
use crate::entropy;
use crate::registry::Socket;
use crate::tasks::Tasks;
use crate::types::{SocketId, UserId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// How long a client that connects waits for Redis, and for those that have to go for it.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long the seats of a user are kept if nothing more is said of any: nodes that are gone do not count in any case.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// What one socket has of these is all that is looked for later.
const MARKS_MAX: usize = 16;

/// The seats of this node's sockets among many nodes.
#[derive(Debug)]
pub(super) struct SeatsOfNodes {
    member: ClusterMember,
    bus: Bus,
    limit: SeatLimit,
    /// Whether a client comes in while it cannot be known how many connections its user has.
    admits_unheard: bool,
    clock: Clock,
    /// They ask, however long that takes.
    tasks: Tasks,
    held: Mutex<HeldSeats<Arc<Socket>>>,
    given: Arc<Given>,
    /// There is something to be said.
    wake: Notify,
}

/// Seats that were given, until what follows from that is done: also if whoever wanted one does not wait any more.
#[derive(Debug, Default)]
struct Given {
    seats: Mutex<Vec<GivenSeat>>,
    wake: Notify,
}

#[derive(Debug)]
struct GivenSeat {
    user: UserId,
    seat: SeatName,
    since: u64,
    replaced: Vec<SeatName>,
    evicted: Vec<SeatName>,
    /// Told when those that go for it have been told here.
    done: oneshot::Sender<Heard>,
}

/// What became of a wish for a seat.
#[derive(Debug)]
enum Heard {
    /// It was given. These nodes let others go for it.
    Given(Option<AskedNodes>),
    /// All are taken.
    Full(Vec<TakenSeat>),
}

/// A socket that wants a seat.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeatSeeker<'a> {
    /// Whose it is, or is about to be.
    pub(super) user: &'a UserId,
    /// The socket.
    pub(super) socket: &'a Arc<Socket>,
    /// The session that it wants to go on with.
    pub(super) claim: Option<&'a Pid>,
    /// The socket that had it, as another node knows.
    pub(super) replaces: Option<SocketId>,
}

impl SeatsOfNodes {
    /// There are as many as `limit` says for each user in the cluster of `member`, whose nodes are asked by `bus`.
    pub(super) fn new(
        (member, bus): (ClusterMember, Bus),
        limit: SeatLimit,
        admits_unheard: bool,
        (clock, tasks): (Clock, Tasks),
    ) -> Self {
        let (held, given, wake) = Default::default();
        Self { member, bus, limit, admits_unheard, clock, tasks, held, given, wake }
    }

    /// Looks for a seat, as [`Presence::seat`](crate::presence::Presence::seat) does. Those on other nodes that have to go for it have been
    /// let go when this returns, if these nodes could do that in time.
    pub(super) async fn seat(&self, seeker: SeatSeeker<'_>) -> Seating<Arc<Socket>> {
        let SeatSeeker { user, socket, .. } = seeker;
        let replaces = self.left_behind(seeker);
        let newcomer = (socket.id, Arc::clone(socket));
        let (name, hold) = self.held.lock().join(user, newcomer, entropy::token("seat").into());
        let mut claim = self.claim(user, Arc::clone(&name), None, &[Arc::clone(socket)]);
        claim.replaces = replaces;
        let seating = match self.ask(claim).await {
            Some(seating) => seating,
            // It has one already.
            None if matches!(hold, SeatHold::Since(_)) => nobody_goes(),
            None if self.admits_unheard => self.seat_here(seeker, &name),
            None => Seating::ComeAgain,
        };
        if !matches!(seating, Seating::Seat { .. }) {
            self.leave(user, socket.id);
        }
        seating
    }

    /// A socket needs no seat, or not any more.
    pub(super) fn leave(&self, user: &UserId, id: SocketId) {
        self.held.lock().leave(user, id);
        self.wake.notify_one();
    }

    /// A socket has come to a user whose connection it shares with one that has a seat.
    pub(super) fn share(&self, user: &UserId, socket: &Arc<Socket>) {
        self.held.lock().share(user, socket.id, socket);
    }

    /// These seats are others' by now. Returns the sockets that had them, and whose connections have to go.
    pub(super) fn end(&self, user: &UserId, names: &[SeatName]) -> Vec<Arc<Socket>> {
        self.held.lock().end(user, names)
    }

    /// How the connections are that have seats of a user here.
    pub(super) fn standings(&self, user: &UserId) -> Vec<(SeatName, Standing)> {
        self.held.lock().standings(user)
    }

    /// Lets sockets go that were to come and whose connections are gone.
    pub(super) fn forget_lost(&self) {
        self.held.lock().forget_lost();
        self.wake.notify_one();
    }

    /// Forgets what is to be told of a user.
    pub(super) fn erase(&self, user: &UserId) {
        self.held.lock().erase(user);
    }

    /// What the client of a socket has left behind.
    fn left_behind(&self, seeker: SeatSeeker<'_>) -> Option<SeatMark> {
        let SeatSeeker { user, socket, claim, replaces } = seeker;
        let here = || {
            let (claim, held) = (claim?, self.held.lock());
            let its = held.sockets(user).find(|it| it.pid() == Some(claim) && it.id != socket.id);
            its.map(|it| it.id)
        };
        replaces.or_else(here).map(mark)
    }

    fn claim(
        &self,
        user: &UserId,
        seat: SeatName,
        since: Option<u64>,
        sockets: &[Arc<Socket>],
    ) -> SeatClaim {
        let devices = sockets.iter().filter_map(|it| it.device.as_ref());
        let devices = devices.map(|it| SeatMark::Device(it.as_str().into()));
        let ids = sockets.iter().map(|it| mark(it.id));
        SeatClaim {
            user: user.clone(),
            seat,
            node: self.member.name(),
            since,
            max: self.limit.max,
            room: match self.limit.when_full {
                WhenFull::Refuse => SeatRoom::ItsOwn,
                WhenFull::EvictOldest => SeatRoom::Oldest,
            },
            kept_for: KEPT_FOR,
            replaces: None,
            free: Vec::new(),
            marks: devices.chain(ids).take(MARKS_MAX).collect(),
        }
    }

    /// Asks for a seat; once more if some turn out to be free. `None`: that was not heard in time.
    async fn ask(&self, mut claim: SeatClaim) -> Option<Seating<Arc<Socket>>> {
        let mut is_certain = true;
        loop {
            match timeout(PATIENCE, self.hear(claim.clone())).await.ok()?? {
                Heard::Given(asked) => {
                    if let Some(asked) = asked {
                        drop(timeout(PATIENCE, asked.answers()).await);
                    }
                    return Some(nobody_goes());
                }
                Heard::Full(taken) if claim.free.is_empty() => {
                    (claim.free, is_certain) = self.look(&claim.user, taken).await;
                    if claim.free.is_empty() {
                        return Some(full(is_certain));
                    }
                }
                Heard::Full(_) => return Some(full(is_certain)),
            }
        }
    }

    /// What Redis answers, heard though nobody may wait for it any more.
    async fn hear(&self, claim: SeatClaim) -> Option<Heard> {
        let (member, given) = (self.member.clone(), Arc::clone(&self.given));
        let (done, heard) = oneshot::channel();
        self.tasks.spawn("cluster.seat", async move {
            let (user, seat) = (claim.user.clone(), Arc::clone(&claim.seat));
            match member.seats(SeatQuestion::Take(claim)).await {
                Ok(SeatReply::Taken { since, replaced, evicted }) => {
                    let taken = GivenSeat { user, seat, since, replaced, evicted, done };
                    given.seats.lock().push(taken);
                    given.wake.notify_one();
                }
                // Fails if nobody waits, and then nothing follows from that.
                Ok(SeatReply::Full(taken)) => drop(done.send(Heard::Full(taken))),
                Ok(SeatReply::Freed) | Err(Unattached) => {}
            }
        });
        heard.await.ok()
    }

    /// Which of these seats are free, as the nodes say that have them; and whether it is certain of all others that they are not.
    async fn look(&self, user: &UserId, taken: Vec<TakenSeat>) -> (Vec<SeatName>, bool) {
        let (own, others) = (self.member.name(), self.bus.others());
        let Ok(asked) = self.bus.ask(BusRequest::SeatsOf(user.clone())) else {
            return (Vec::new(), false);
        };
        let answers = asked.answers().await;
        let mut known: HashMap<SeatName, Standing> =
            self.held.lock().standings(user).into_iter().collect();
        for answer in answers.answers {
            if let NodeAnswer::Seats(seats) = answer {
                known.extend(seats);
            }
        }
        let missing = answers.missing;
        let has_answered = |node: &Arc<str>| {
            *node == own
                || (others.contains(node) && !missing.is_degraded && !missing.names.contains(node))
        };
        let (mut free, mut is_certain) = (Vec::new(), true);
        for TakenSeat { seat, node } in taken {
            match known.get(&seat) {
                Some(Standing::Here) => {}
                Some(Standing::Leaving) => free.push(seat),
                None if has_answered(&node) => free.push(seat),
                Some(Standing::OwesPong) | None => is_certain = false,
            }
        }
        (free, is_certain)
    }

    /// Decides as a node would that is alone, because the others cannot be heard.
    fn seat_here(&self, seeker: SeatSeeker<'_>, name: &SeatName) -> Seating<Arc<Socket>> {
        let SeatSeeker { user, socket, claim, .. } = seeker;
        let mut held = self.held.lock();
        // Whoever is still being asked for stays or goes by what is heard.
        let others = held.settled(user).filter(|it| it.id != socket.id);
        let seating = seats::find(others, socket, claim, self.limit);
        if let Seating::Seat { .. } = seating {
            held.admit_unheard(user, name);
        }
        seating
    }
}

fn mark(id: SocketId) -> SeatMark {
    SeatMark::Socket(id.to_string().into())
}

fn nobody_goes() -> Seating<Arc<Socket>> {
    Seating::Seat { replaced: Vec::new(), evicted: Vec::new(), leaving: Vec::new() }
}

fn full(is_certain: bool) -> Seating<Arc<Socket>> {
    if is_certain { Seating::Full } else { Seating::ComeAgain }
}
