//! What all connections share, behind one pointer.

use super::facts::KeptHandshakes;
use super::heartbeat::Heartbeats;
use super::relief;
use super::send_stall;
use super::unfinished::UnfinishedRoom;
use super::{Connection, ConnectionLimits, Connections, EngineStream};
use crate::clock::Clock;
use crate::config::{LimitsConfig, SocketIoConfig};
use crate::core::protocol::turns::Turns;
use crate::core::rounds::RoundSizes;
use crate::tasks::{Tasks, WorkRounds};
use crate::types::{Namespace, Timestamp};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// Loans that run at once: enough to keep all cores busy, and a megabyte or two.
pub(super) const LOANS_MAX: usize = 128;

/// Connections that have ended and are left, for each core, before others have their turn: half a millisecond of work, an eighth
/// when thousands end at once.
const LEAVES: RoundSizes = RoundSizes { calm: 16, storm: 4, storm_from: 128 };

/// What all connections share.
pub(super) struct SharedParts {
    pub(super) limits: ConnectionLimits,
    pub(super) tasks: Tasks,
    /// Those that read the connections. A group of their own: each ends with its connection, and nothing else ends it.
    pub(super) readers: Tasks,
    pub(super) connections: Connections,
    pub(super) heartbeats: Heartbeats,
    pub(super) clock: Clock,
    /// Those that a client can join.
    pub(super) namespaces: Vec<Namespace>,
    /// Takes a loan.
    pub(super) engine: Box<dyn Fn(EngineStream) + Send + Sync>,
    /// Loans that run, and those that wait for their turn.
    pub(super) turns: Mutex<Turns<EngineStream>>,
    /// For what clients have begun to send.
    pub(super) unfinished: Arc<UnfinishedRoom>,
    /// When connections are left that have ended.
    pub(super) leaves: WorkRounds,
    /// What is kept of handshakes.
    pub(super) handshakes: KeptHandshakes,
}

impl SharedParts {
    /// What connections share that lend their CONNECTs to `engine`; with the tasks that look after them all.
    pub(super) fn start(
        config: (&LimitsConfig, &SocketIoConfig),
        connections: Connections,
        tasks: Tasks,
        clock: Clock,
        engine: impl Fn(EngineStream) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (limits, socketio) = config;
        let heartbeats = Heartbeats::new(socketio);
        tasks.spawn("connection.watch", send_stall::watch(connections.clone(), limits.stall));
        tasks.spawn("connection.relief", relief::watch(connections.clone()));
        tasks.spawn(
            "connection.heartbeat",
            heartbeats.clone().run(connections.clone(), clock.clone()),
        );
        Arc::new(Self {
            limits: ConnectionLimits::of(*limits),
            leaves: WorkRounds::new(&tasks, "connection.leaves", LEAVES),
            tasks,
            readers: Tasks::new(),
            connections,
            heartbeats,
            clock,
            namespaces: socketio.namespaces.clone(),
            engine: Box::new(engine),
            turns: Mutex::new(Turns::new(LOANS_MAX)),
            unfinished: UnfinishedRoom::new(limits),
            handshakes: KeptHandshakes::new(limits.handshake_bytes),
        })
    }

    /// Has the engine take a loan, when its turn has come.
    pub(super) fn lend(&self, loan: EngineStream) {
        self.take_turn(|turns| turns.come(loan));
    }

    /// A loan gives its turn to the next one.
    pub(super) fn end_turn(&self) {
        self.take_turn(Turns::end);
    }

    /// Lends the engine to whose turn it is after a change.
    fn take_turn(&self, change: impl FnOnce(&mut Turns<EngineStream>) -> Option<EngineStream>) {
        let mut turns = self.turns.lock();
        let next = change(&mut turns);
        self.connections.loans_wait(turns.waiting());
        drop(turns);
        if let Some(loan) = next {
            loan.begin();
            (self.engine)(loan);
        }
    }
}

impl fmt::Debug for SharedParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedParts").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Connection {
    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The client sent `n` bytes.
    pub(super) fn received(&self, n: usize) {
        self.traffic.received(n, self.now());
    }
}
