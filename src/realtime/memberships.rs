//! Memberships: users are put into rooms and taken out of them, for the sockets they have and will have. What was answered
//! holds over a crash, and for every live socket.

mod keeper;

pub use keeper::MembershipKeeper;

use super::attendance::Attendance;
use crate::clock::Clock;
use crate::cluster::OnNodes;
use crate::config::LimitsConfig;
use crate::core::rooms::memberships::{
    Membership, MembershipChange, MembershipFlaw, MembershipLimits, RecordedRooms, Standing,
};
use crate::core::rooms::{RoomChange, SocketRooms};
use crate::registry::Socket;
use crate::store::Closed;
use crate::tasks::{TaskLost, Tasks};
use crate::types::{Namespace, Room, UserId, WallMs};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Notify, Semaphore};

/// The longest sleep until the next membership ends: the wall clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Memberships that end in one go.
const END_AT_ONCE: usize = 100;

/// Puts users into rooms, and takes them out.
#[derive(Debug)]
pub struct MembershipControl {
    attendance: Arc<Attendance>,
    keeper: MembershipKeeper,
    limits: MembershipLimits,
    /// One change after the other: what is in memory is what was written last.
    turn: Semaphore,
    /// A membership was added that ends.
    sooner: Notify,
    clock: Clock,
    /// A change that was begun is finished here, whether somebody waits for it or not.
    tasks: Tasks,
}

/// Which membership is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipOf {
    /// Of this user.
    pub user: UserId,
    /// In this room, which is nobody's own.
    pub room: Room,
    /// In this namespace; `None`: in all.
    pub namespace: Option<Namespace>,
}

/// Why nothing was changed, or is not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MembershipError {
    /// It is against the rules.
    #[error(transparent)]
    Flaw(#[from] MembershipFlaw),
    /// The disk takes nothing for the moment. What was asked for may still be done.
    #[error("the server's disk takes nothing for the moment")]
    Waiting,
    /// Where all nodes agree nothing is heard, or nothing is confirmed. What was asked for may still be done.
    #[error(
        "Redis cannot be reached, or does not confirm what was stored: what was asked for may still be done"
    )]
    Away,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
    /// The server failed. It may be done.
    #[error(transparent)]
    Lost(#[from] TaskLost),
}

/// What a change means for sockets that are in the room for another reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// They come back if they had left.
    PutIn,
    /// They are out, whatever had granted the room.
    TakeOut,
    /// None.
    End,
}

impl Effect {
    /// What other nodes call it.
    fn as_str(self) -> &'static str {
        match self {
            Self::PutIn => "in",
            Self::TakeOut => "out",
            Self::End => "end",
        }
    }

    /// One that this version does not know has none but what is recorded.
    fn parse(text: &str) -> Self {
        match text {
            "in" => Self::PutIn,
            "out" => Self::TakeOut,
            _ => Self::End,
        }
    }
}

impl MembershipControl {
    /// For the users whose sockets are in `attendance`.
    pub fn new(
        attendance: Arc<Attendance>,
        keeper: MembershipKeeper,
        limits: LimitsConfig,
        (clock, tasks): (Clock, Tasks),
    ) -> Self {
        let LimitsConfig { memberships_per_user: per_user, memberships: total, .. } = limits;
        let (turn, sooner) = (Semaphore::new(1), Notify::new());
        let limits = MembershipLimits { per_user, total };
        Self { attendance, keeper, limits, turn, sooner, clock, tasks }
    }

    /// A user is in a room from now on, until `until` or until that is taken back. Returns how many sockets have come in.
    pub async fn put(
        self: &Arc<Self>,
        of: MembershipOf,
        until: Option<WallMs>,
    ) -> Result<OnNodes<usize>, MembershipError> {
        let change = of.change(Some(Standing::Member { until }));
        let changed = self.change(change, Effect::PutIn).await?;
        if until.is_some() {
            self.sooner.notify_one();
        }
        Ok(changed)
    }

    /// A user is taken out of a room, whatever had granted it; with `deny` no credential grants it again. Returns how many
    /// sockets have gone out.
    pub async fn remove(
        self: &Arc<Self>,
        of: MembershipOf,
        deny: bool,
    ) -> Result<OnNodes<usize>, MembershipError> {
        let change = of.change(deny.then_some(Standing::Denied));
        self.change(change, Effect::TakeOut).await
    }

    /// What is recorded of a user, in the order of rooms and namespaces.
    pub fn of(&self, user: &UserId) -> Vec<Membership> {
        self.attendance.sockets().rooms_of_users.see(|known, now| known.list(user, now))
    }

    /// Records in all.
    pub fn count(&self) -> usize {
        self.attendance.sockets().rooms_of_users.see(|known, _| known.len())
    }

    /// Ends memberships when their time has come, as long as it runs.
    pub async fn run_expiry(self: Arc<Self>) {
        let book = &self.attendance.sockets().rooms_of_users;
        loop {
            let next =
                book.see(|known, now| known.next_end().map(|end| end.0.saturating_sub(now.0)));
            let wait = match next {
                Some(0) if self.end_some().await.is_ok() => continue,
                // What cannot be written now counts as ended all the same, and is tried again.
                Some(0) | None => LOOK_EVERY,
                Some(wait) => Duration::from_millis(wait).min(LOOK_EVERY),
            };
            // Whichever comes first.
            let _sooner = tokio::time::timeout(wait, self.sooner.notified()).await;
        }
    }

    /// Ends some of the memberships whose time has come.
    async fn end_some(self: &Arc<Self>) -> Result<(), MembershipError> {
        let book = &self.attendance.sockets().rooms_of_users;
        for ended in book.see(|known, now| known.ended(END_AT_ONCE, now)) {
            self.change(ended, Effect::End).await?;
        }
        Ok(())
    }

    /// Has the sockets of the user, and the sessions of those that are away, follow what is recorded by now.
    fn show(&self, change: &MembershipChange, effect: Effect) -> usize {
        let MembershipChange { user, room, namespace, .. } = change;
        match effect {
            Effect::TakeOut => self.attendance.take_out_absent(user, room, namespace.as_ref()),
            Effect::PutIn => self.attendance.put_in_absent(user, room, namespace.as_ref()),
            Effect::End => {}
        }
        self.change_sockets(user, namespace.as_ref(), |own, recorded, position| match effect {
            Effect::PutIn => own.put(room, recorded, position),
            Effect::TakeOut => own.take_out(room, recorded),
            Effect::End => own.record(recorded, position),
        })
    }

    /// Returns how many of the user's sockets in a namespace, or in all, `change` has changed the rooms of.
    fn change_sockets(
        &self,
        user: &UserId,
        namespace: Option<&Namespace>,
        change: impl Fn(&mut SocketRooms, RecordedRooms, u64) -> RoomChange,
    ) -> usize {
        let sockets = self.attendance.sockets();
        let (_, theirs) = sockets.user(user);
        let is_meant = |it: &&Arc<Socket>| namespace.is_none_or(|own| *own == it.namespace);
        let mut changed = 0;
        for socket in theirs.iter().filter(is_meant) {
            let recorded: RecordedRooms = sockets.rooms_of_users.of(user, &socket.namespace);
            let done = self
                .attendance
                .change_rooms(socket, |own, position| change(own, recorded, position));
            changed += usize::from(done.as_ref().is_some_and(RoomChange::is_any));
        }
        changed
    }

    /// When a membership ends that is put now and lasts so long.
    pub fn end_of(&self, lasts: Duration) -> WallMs {
        WallMs(self.clock.wall().0.saturating_add(crate::types::millis(lasts)))
    }
}

impl MembershipOf {
    fn change(self, standing: Option<Standing>) -> MembershipChange {
        let Self { user, room, namespace } = self;
        let is_whole = namespace.is_none();
        MembershipChange { user, room, namespace, is_whole, standing }
    }
}

#[cfg(test)]
mod tests;
