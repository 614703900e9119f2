//! Many sockets at once: they join and leave rooms, or are disconnected, as `socketsJoin`, `socketsLeave` and
//! `disconnectSockets` of Socket.IO have it.
//!
//! It is about sockets that are here, and nothing of it is kept on disk; what a socket has joined and left its session takes
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
        self.change(audience, move |own, position| own.join(&rooms, max, position)).await
    }

    /// Has them leave rooms, also such as their credentials grant. When this is answered they are out.
    pub async fn leave(
        self: &Arc<Self>,
        audience: Audience,
        rooms: Vec<Room>,
    ) -> Result<MovedSockets, TaskLost> {
        self.change(audience, move |own, _| own.leave(&rooms)).await
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

    async fn change(
        self: &Arc<Self>,
        audience: Audience,
        change: impl Fn(&mut SocketRooms, u64) -> RoomChange + Send + Sync + 'static,
    ) -> Result<MovedSockets, TaskLost> {
        let bulk = Arc::clone(self);
        let changing = async move {
            let sockets = bulk.addressed(&audience);
            let mut moved = MovedSockets { matched: sockets.len(), ..MovedSockets::default() };
            for some in sockets.chunks(SLICE) {
                for socket in some {
                    let done = bulk.attendance.change_rooms(socket, &change).unwrap_or_default();
                    moved.changed += usize::from(done.is_any());
                    moved.full += usize::from(done.is_full);
                    moved.denied += usize::from(done.is_denied);
                }
                tokio::task::yield_now().await;
            }
            moved
        };
        self.tasks.run_to_end("bulk.rooms", changing).result().await
    }

    fn addressed(&self, audience: &Audience) -> Vec<Arc<Socket>> {
        emitter::addressed(self.attendance.sockets(), audience)
    }
}

#[cfg(test)]
mod tests;
