//! An event for users, rooms or sockets: encoded once, handed to every connection it is for.

mod ask;
mod run;

pub use ask::{AskError, Asking};

use super::Realtime;
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::core::presence::session::PresenceStatus;
use crate::core::protocol::packet;
use crate::core::recovery::Recovery;
use crate::entropy;
use crate::registry::{FewSockets, ManySockets, Socket};
use crate::types::UserId;
use parking_lot::Mutex;
pub(super) use run::Counters;
use run::{Handing, Run, Tally};
use std::ops::Deref;
use std::sync::Arc;

/// Sockets whose event is queued between two yields, so that one large room does not hold up everybody else.
const QUEUE_SLICE: usize = 4096;
/// Sockets that are written to at once: an emit to one user is no work for the pump.
const FEW: usize = 16;

/// What became of an emit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Names the emit, for logs and for whoever asks later what became of it.
    pub id: String,
    /// Sockets it was for.
    pub matched: usize,
    /// Sockets whose connection took it.
    pub sent: usize,
    /// The same for each user that was named, in the order they were named.
    pub users: Vec<(UserId, UserEmitted)>,
}

/// What became of an emit for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserEmitted {
    /// The user's status at that moment.
    pub status: PresenceStatus,
    /// Sockets of the user it was for.
    pub matched: usize,
    /// Sockets of the user whose connection took it.
    pub sent: usize,
}

type Users = Vec<(UserId, UserEmitted)>;

/// The sockets of one name of the target, and the user if that is one.
struct Named {
    sockets: NamedSockets,
    user: Option<(UserId, PresenceStatus)>,
}

enum NamedSockets {
    Few(FewSockets),
    Many(ManySockets),
}

impl Deref for NamedSockets {
    type Target = [Arc<Socket>];

    fn deref(&self) -> &[Arc<Socket>] {
        match self {
            Self::Few(sockets) => sockets,
            Self::Many(sockets) => sockets,
        }
    }
}

impl Realtime {
    /// Emits; an offline user is an answer, not an error. Events emitted one after the other, each after the answer
    /// to the one before, arrive at each socket in that order.
    pub async fn emit(&self, emit: &Emit) -> Emitted {
        self.emit_as(fresh_id(), emit).await
    }

    /// The same, under an id that was made before.
    pub(super) async fn emit_as(&self, id: String, emit: &Emit) -> Emitted {
        let (tally, users) = match self.try_emit(emit) {
            Ok(done) => done,
            Err(named) => self.queue(emit, named).await,
        };
        self.emitted(id, emit, tally, users)
    }

    /// Emits in one go, if that is short work; else, for very many sockets, nothing is done.
    pub fn emit_at_once(&self, emit: &Emit) -> Option<Emitted> {
        let (tally, users) = self.try_emit(emit).ok()?;
        Some(self.emitted(fresh_id(), emit, tally, users))
    }

    /// An emit is done: counted, and remembered.
    fn emitted(&self, id: String, emit: &Emit, tally: Tally, users: Users) -> Emitted {
        tally.count(&self.counters);
        let emitted = Emitted { id, matched: tally.matched, sent: tally.sent, users };
        self.remember_emit(emit, &emitted);
        emitted
    }

    fn try_emit(&self, emit: &Emit) -> Result<(Tally, Users), Vec<Named>> {
        if let Some(recovery) = self.recoveries.of(&emit.audience.namespace) {
            return Ok(self.hand_over(emit, recovery));
        }
        let named: Vec<Named> = self.named(&emit.audience).collect();
        let sockets = named.iter().map(|it| it.sockets.len()).sum::<usize>();
        if QUEUE_SLICE < sockets {
            return Err(named);
        }
        let event =
            packet::event(&emit.audience.namespace, &emit.event.to_json(), &emit.payload, None);
        let mut batch = (FEW < sockets).then(|| self.pump.batch());
        let mut run = Run::new(emit);
        let mut users = Vec::with_capacity(emit.audience.target.users.len());
        for Named { sockets, user } in named {
            let before = run.tally();
            for socket in &*sockets {
                let handing = batch.as_mut().map_or(Handing::Write, Handing::Queue);
                run.hand_to(socket, &event, handing);
            }
            users.extend(user.map(|(user, status)| (user, run.tally().since(&before, status))));
        }
        Ok((run.tally(), users))
    }

    /// Queues for very many, who are written to afterwards.
    async fn queue(&self, emit: &Emit, named: Vec<Named>) -> (Tally, Users) {
        let event =
            packet::event(&emit.audience.namespace, &emit.event.to_json(), &emit.payload, None);
        let mut batch = self.pump.batch();
        let mut run = Run::new(emit);
        let mut users = Vec::with_capacity(emit.audience.target.users.len());
        for Named { sockets, user } in named {
            let before = run.tally();
            for slice in sockets.chunks(QUEUE_SLICE) {
                for socket in slice {
                    run.hand_to(socket, &event, Handing::Queue(&mut batch));
                }
                tokio::task::yield_now().await;
            }
            users.extend(user.map(|(user, status)| (user, run.tally().since(&before, status))));
        }
        (run.tally(), users)
    }

    /// Where there is recovery: numbers, logs and queues the event under one lock with those who connect; what was
    /// queued is written after. What is for nobody, here or away, is not logged.
    fn hand_over(&self, emit: &Emit, recovery: &Mutex<Recovery<Arc<Socket>>>) -> (Tally, Users) {
        let audience = &emit.audience;
        let name = emit.event.to_json();
        let mut run = Run::new(emit);
        let mut users = Vec::with_capacity(emit.audience.target.users.len());
        // Writes when the lock is free again: it was declared before it.
        let mut batch = self.pump.batch();
        let encode = |offset: &str| {
            packet::event(&emit.audience.namespace, &name, &emit.payload, Some(offset))
        };
        let mut recovery = recovery.lock();
        let named: Vec<Named> = self.named(audience).collect();
        let is_for_somebody = named.iter().any(|it| !it.sockets.is_empty())
            || recovery.is_any_away_in(&audience.target);
        let event = if is_for_somebody && !emit.volatile {
            recovery.append(Arc::clone(audience), self.clock.now(), |offset| {
                encode(&offset.to_string())
            })
        } else {
            encode(&recovery.head().to_string())
        };
        let number = recovery.head().number();
        for Named { sockets, user } in named {
            let before = run.tally();
            for socket in &*sockets {
                run.hand_to(socket, &event, Handing::Logged(&mut batch, number));
            }
            users.extend(user.map(|(user, status)| (user, run.tally().since(&before, status))));
        }
        (run.tally(), users)
    }

    /// The sockets of the target, name by name; one socket may come several times.
    fn named<'a>(&'a self, audience: &'a Audience) -> impl Iterator<Item = Named> + 'a {
        let Audience { namespace, target, except: _ } = audience;
        let nobody = |sockets| Named { sockets: NamedSockets::Many(sockets), user: None };
        let all = target.all.then(|| nobody(self.sockets.registry.everyone(namespace)));
        let users = target.users.iter().map(|user| {
            let (status, mut sockets) = self.sockets.user(user);
            sockets.retain(|it| it.namespace == *namespace);
            Named { sockets: NamedSockets::Few(sockets), user: Some((user.clone(), status)) }
        });
        let rooms = target.rooms.iter();
        let rooms = rooms.map(move |room| nobody(self.sockets.room(namespace, room)));
        let sockets = target.sockets.iter().map(move |socket| {
            nobody(self.sockets.registry.socket_in(namespace, *socket).into_iter().collect())
        });
        all.into_iter().chain(users).chain(rooms).chain(sockets)
    }
}

/// Names an emit.
pub(super) fn fresh_id() -> String {
    entropy::token("msg_")
}
