//! Sockets come and go: answered, taken in, greeted; let go and remembered.

mod greeting;

use super::sockets::{Sockets, Suspects};
use super::visits::Visits;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::core::recovery::{Newcomer, Pid, Recovery, RecoveryOutcome, SessionClaim};
use crate::entropy;
use crate::presence::Place;
use crate::recovery::Recoveries;
use crate::registry::Socket;
use crate::types::{Reason, UserId};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How long a client may wait for the store to have room for its news.
const STORE_WAIT: Duration = Duration::from_secs(10);

/// Takes sockets in and lets them go.
#[derive(Debug)]
pub struct Attendance {
    sockets: Sockets,
    recoveries: Recoveries<Arc<Socket>>,
    visits: Visits,
    clock: Clock,
}

impl Attendance {
    /// Sockets that are gone are remembered in `visits`.
    pub fn new(
        sockets: Sockets,
        recoveries: Recoveries<Arc<Socket>>,
        visits: Visits,
        clock: Clock,
    ) -> Self {
        Self { sockets, recoveries, visits, clock }
    }

    /// The sockets that are gone.
    pub(crate) fn visits(&self) -> &Visits {
        &self.visits
    }

    /// The sockets that are here.
    pub(super) fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Room in the store for the news that the user is online. If there is none for too long, the connection is closed:
    /// a stock client comes back by itself after that, and not after a refusal.
    pub(crate) async fn reserve(&self, connection: &Connection, user: &UserId) -> Option<Place> {
        let place = tokio::time::timeout(STORE_WAIT, self.sockets.presence.reserve_for(user)).await;
        if let Ok(Ok(place)) = place {
            return Some(place);
        }
        tracing::warn!("closed a connection: the store takes nothing");
        connection.close(Reason::ServerShutdown);
        None
    }

    /// Answers an authenticated client, takes its socket in and greets it with `userline:session`. If it is gone
    /// already, nothing happens. Returns whether it has recovered an earlier session.
    pub(crate) fn join(
        &self,
        socket: &Arc<Socket>,
        place: Place,
        claim: Option<SessionClaim<'_>>,
    ) -> bool {
        if socket.connection.is_closed() {
            return false; // kicked in another namespace, for example: nobody came
        }
        if let Some(recovery) = self.recoveries.of(&socket.namespace) {
            return self.join_recovering(socket, place, claim, recovery);
        }
        socket.connection.answer_connect(&greeting::connect_reply(socket, None));
        if let Some(session) = self.sockets.connect(socket, place) {
            greeting::greet(socket, session, None);
        }
        false
    }

    /// The same where there is recovery. Under one lock with those who emit: what is logged so far is replayed in the
    /// bytes that follow the reply, what is logged later finds the socket in the registry.
    fn join_recovering(
        &self,
        socket: &Arc<Socket>,
        place: Place,
        claim: Option<SessionClaim<'_>>,
        recovery: &Mutex<Recovery<Arc<Socket>>>,
    ) -> bool {
        let fresh = Pid::new(entropy::secret());
        let newcomer = Newcomer { socket: Arc::clone(socket), fresh };
        let mut locked = recovery.lock();
        let now = self.clock.now();
        let attached = locked.attach(newcomer, claim, now);
        socket.set_pid(attached.pid.clone());
        socket.set_earlier_ids(attached.earlier);
        socket.address(attached.last_missed);
        let reply = greeting::connect_reply(socket, Some(&attached.pid));
        let frames = [&[reply][..], &attached.missed].concat();
        socket.connection.answer_connect(&Bytes::from(frames.concat()));
        if let Some(session) = self.sockets.connect(socket, place) {
            greeting::greet(socket, session, Some(&attached.head));
        } else {
            locked.detach(&attached.pid, socket.id, now);
        }
        drop(locked);
        count(attached.outcome);
        // Last, so that the user is never without a socket.
        let replaced =
            attached.replaced.filter(|old| !Arc::ptr_eq(&old.connection, &socket.connection));
        if let Some(old) = replaced {
            old.connection.close(Reason::Replaced);
        }
        attached.outcome.is_recovered()
    }

    /// Lets a socket go; repeats change nothing. `reason` is why its connection ended, as far as that is known.
    pub fn leave(&self, socket: &Socket, reason: Reason) {
        let reason = match (socket.kicked(), reason) {
            (Some(_), _) => Reason::Kicked,
            // Another socket of the connection was.
            (None, Reason::Kicked) => Reason::TransportClose,
            (None, reason) => reason,
        };
        // One lock around both: what is logged from here on was not handed to this socket.
        let recovery = self.recoveries.of(&socket.namespace);
        let recovery = socket.pid().zip(recovery).map(|(pid, recovery)| (pid, recovery.lock()));
        let was_here = self.sockets.disconnect(socket, reason);
        socket.connection.forget_acks(&socket.namespace);
        if let Some((pid, mut recovery)) = recovery {
            if matches!(reason, Reason::ClientDisconnect | Reason::Kicked) {
                recovery.end(pid, socket.id);
            } else {
                recovery.detach(pid, socket.id, self.clock.now());
            }
        }
        if was_here {
            self.visits.remember(socket, reason);
            let (user, id) = (&socket.user, socket.id);
            tracing::debug!(user.id = %user, socket.id = %id, %reason, "socket disconnected");
            metrics::counter!("userline_disconnects_total", "reason" => reason.as_str())
                .increment(1);
        }
    }

    /// Looks again and again, as long as it runs, for sockets that are here without a connection, and lets them go. Each
    /// is counted in `userline_audit_removals_total`, which must stay 0. Also forgets old visits.
    pub async fn run_sweep(self: Arc<Self>) {
        let mut suspects = Suspects::default();
        loop {
            tokio::time::sleep(self.sockets.sweep_interval()).await;
            for socket in self.sockets.sweep(&mut suspects) {
                tracing::warn!(socket.id = %socket.id, "a socket was registered without a connection");
                metrics::counter!("userline_audit_removals_total").increment(1);
                self.leave(&socket, Reason::Audit);
            }
            self.visits.forget_old();
        }
    }
}

/// Tells the metrics what became of a claim.
fn count(outcome: RecoveryOutcome) {
    let (outcome, cause) = match outcome {
        RecoveryOutcome::New => return,
        RecoveryOutcome::Recovered => ("recovered", "none"),
        RecoveryOutcome::Lost(lost) => ("lost", lost.as_str()),
    };
    metrics::counter!("userline_recoveries_total", "outcome" => outcome, "cause" => cause)
        .increment(1);
}
