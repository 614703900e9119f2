//! Clients wait for their turn to be asked about.

use super::AuthHook;
use crate::core::auth::hook_gate::{Answered, ClientKey, Entrance, HookGate, Ticket};
use crate::core::backend::circuit::Purpose;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a client waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who may be asked about, and who waits for that.
pub(super) struct HookQueue {
    pub(super) gate: HookGate,
    waiting: BTreeMap<Ticket, (ClientKey, oneshot::Sender<Turn>)>,
}

impl HookQueue {
    pub(super) fn new(gate: HookGate) -> Self {
        Self { gate, waiting: BTreeMap::new() }
    }
}

/// The backend may be asked about one client, until this is dropped.
pub(super) struct Turn {
    hook: Arc<AuthHook>,
    client: ClientKey,
    purpose: Purpose,
    /// What came of it.
    pub(super) answered: Answered,
}

impl Turn {
    fn new(hook: &Arc<AuthHook>, client: ClientKey, purpose: Purpose) -> Self {
        Self { hook: Arc::clone(hook), client, purpose, answered: Answered::GivenUp }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.hook.end(self.client, self.purpose, self.answered);
    }
}

/// A place in the queue, until this is dropped.
struct PlaceInQueue<'a> {
    hook: &'a AuthHook,
    ticket: Ticket,
}

impl Drop for PlaceInQueue<'_> {
    fn drop(&mut self) {
        let mut turns = self.hook.turns.lock();
        turns.gate.leave(self.ticket);
        let gone = turns.waiting.remove(&self.ticket);
        drop(turns);
        drop(gone);
    }
}

impl AuthHook {
    /// The turn of a client; none if it has to come again later.
    pub(super) async fn turn(self: &Arc<Self>, client: ClientKey) -> Option<Turn> {
        let (ticket, turn) = {
            let mut turns = self.turns.lock();
            match turns.gate.enter(self.clock.now()) {
                Entrance::Ask(purpose) => return Some(Turn::new(self, client, purpose)),
                Entrance::TurnedAway => return None,
                Entrance::Wait(ticket) => {
                    let (call, turn) = oneshot::channel();
                    turns.waiting.insert(ticket, (client, call));
                    (ticket, turn)
                }
            }
        };
        let _waiting = PlaceInQueue { hook: self, ticket };
        tokio::time::timeout(PATIENCE, turn).await.ok()?.ok()
    }

    fn end(self: &Arc<Self>, client: ClientKey, purpose: Purpose, answered: Answered) {
        let mut turns = self.turns.lock();
        let news = turns.gate.ended(client, purpose, answered, self.clock.now());
        let is_open = turns.gate.is_open();
        let called: Vec<_> = (news.ask.into_iter())
            .filter_map(|(ticket, purpose)| Some((turns.waiting.remove(&ticket)?, purpose)))
            .collect();
        let turned_away: Vec<_> =
            news.turned_away.iter().filter_map(|ticket| turns.waiting.remove(ticket)).collect();
        drop(turns);
        metrics::gauge!("userline_auth_hook_open").set(u32::from(is_open));
        // Whoever waits hears of it when the sender is gone.
        drop(turned_away);
        for ((client, call), purpose) in called {
            // If nobody waits any more, the turn ends here, and the next one is called.
            drop(call.send(Turn::new(self, client, purpose)));
        }
    }
}
