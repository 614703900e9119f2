//! Many sockets at once: they join and leave rooms, or are disconnected, as `socketsJoin`, `socketsLeave` and
//! `disconnectSockets` of Socket.IO have it.
//!
//! It is about sockets that are here; only rooms are left by sessions whose clients are away, too. Nothing of it is kept on disk; what a socket has joined and left its session takes
//! along when its client comes back on another connection within the window of recovery.

pub use crate::core::cluster::bus::words::{Dismissal, MovedSockets};

use super::attendance::Attendance;
use super::control::{Control, ControlError};
use super::emitter;
use super::people::Farewell;
use crate::core::emit::audience::Audience;
use crate::core::rooms::{RoomChange, SocketRooms};
use crate::registry::Socket;
use crate::tasks::{TaskLost, Tasks};
use crate::types::Room;
use futures_util::future::try_join_all;
use std::sync::Arc;

/// Sockets that are changed between two yields, so that one large room does not hold up everybody else.
const SLICE: usize = 256;
/// How often is looked for those who have come back as another socket meanwhile.
const ROUNDS: u8 = 8;

/// Changes many sockets at once.
#[derive(Debug)]
pub struct Bulk {
    attendance: Arc<Attendance>,
    control: Arc<Control>,
    /// Rooms that a socket may be in, its own and its user's not counted.
    rooms_max: usize,
    /// A change that was begun is finished here, whether somebody waits for it or not.
    tasks: Tasks,
}

/// What has come of changing some sockets.
struct BulkPass {
    moved: MovedSockets,
    /// One of them was gone by then.
    is_any_gone: bool,
}

impl Bulk {
    /// Those in `attendance`; each may be in `rooms_max` rooms. `control` takes from those that are disconnected what they
    /// could come back with.
    pub fn new(
        attendance: Arc<Attendance>,
        control: Arc<Control>,
        rooms_max: usize,
        tasks: Tasks,
    ) -> Self {
        Self { attendance, control, rooms_max, tasks }
    }

    /// Has the sockets of an audience join rooms. When this is answered they are in.
    pub async fn join(
        self: &Arc<Self>,
        audience: Audience,
        rooms: Vec<Room>,
    ) -> Result<MovedSockets, TaskLost> {
        let max = self.rooms_max;
        let bulk = Arc::clone(self);
        let changing = async move {
            let sockets = bulk.addressed(&audience);
            bulk.pass(&sockets, |own, position| own.join(&rooms, max, position)).await.moved
        };
        self.tasks.run_to_end("bulk.join", changing).result().await
    }

    /// Has them leave rooms, also such as their credentials grant. When this is answered they are out, and so are the sessions
    /// whose clients are away.
    pub async fn leave(
        self: &Arc<Self>,
        audience: Audience,
        rooms: Vec<Room>,
    ) -> Result<MovedSockets, TaskLost> {
        let bulk = Arc::clone(self);
        let changing = async move {
            let mut moved = MovedSockets::default();
            for round in 0..ROUNDS {
                let find = || bulk.addressed(&audience);
                let sockets = bulk.attendance.leave_absent(&audience, &rooms, find);
                let pass = bulk.pass(&sockets, |own, _| own.leave(&rooms)).await;
                moved.changed += pass.moved.changed;
                if round == 0 {
                    moved.matched = pass.moved.matched;
                }
                // Who has gone meanwhile is away, or back as another socket.
                if !pass.is_any_gone {
                    break;
                }
            }
            moved
        };
        self.tasks.run_to_end("bulk.leave", changing).result().await
    }

    /// Disconnects the sockets of an audience for good, each after an event `userline:kicked`; the resume tokens of their
    /// clients do not count any more. Returns how many. After an error some may be disconnected already.
    pub async fn disconnect(self: &Arc<Self>, dismissal: Dismissal) -> Result<usize, ControlError> {
        let bulk = Arc::clone(self);
        let disconnecting = async move {
            let Dismissal { audience, reason, grace } = dismissal;
            let sockets = bulk.addressed(&audience);
            let farewell = Farewell { reason: reason.as_deref(), ..Farewell::default() };
            // Of one namespace: no two of them share a connection.
            for some in sockets.chunks(SLICE) {
                try_join_all(some.iter().map(|it| bulk.control.revoke_resume(it))).await?;
                bulk.attendance.expel(some, farewell, grace);
                tokio::task::yield_now().await;
            }
            tracing::info!(sockets = sockets.len(), "disconnected sockets");
            Ok(sockets.len())
        };
        self.tasks.run_to_end("bulk.disconnect", disconnecting).result().await?
    }

    async fn pass(
        &self,
        sockets: &[Arc<Socket>],
        change: impl Fn(&mut SocketRooms, u64) -> RoomChange + Send + Sync,
    ) -> BulkPass {
        let moved = MovedSockets { matched: sockets.len(), ..MovedSockets::default() };
        let mut pass = BulkPass { moved, is_any_gone: false };
        for some in sockets.chunks(SLICE) {
            for socket in some {
                let done = self.attendance.change_rooms(socket, &change);
                pass.is_any_gone |= done.is_none();
                let done = done.unwrap_or_default();
                pass.moved.changed += usize::from(done.is_any());
                pass.moved.full += usize::from(done.is_full);
                pass.moved.denied += usize::from(done.is_denied);
            }
            tokio::task::yield_now().await;
        }
        pass
    }

    fn addressed(&self, audience: &Audience) -> Vec<Arc<Socket>> {
        emitter::addressed(self.attendance.sockets(), audience)
    }
}

#[cfg(test)]
mod tests;
