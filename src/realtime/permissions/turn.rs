//! Questions wait for their turn.

use super::{Asking, NotAnswered};
use crate::backend::NoAnswer;
use crate::core::backend::circuit::Failure;
use crate::core::forwarding::schedule::{CallPlace, NotTaken, OfferedEvent, Schedule, StartedCall};
use crate::types::UserId;
use std::sync::Arc;
use tokio::sync::oneshot;

/// One question may be asked, until this is dropped.
#[derive(Debug)]
pub(super) struct AskingTurn {
    asking: Arc<Asking>,
    place: Option<CallPlace>,
}

impl AskingTurn {
    /// The backend has answered: it is well.
    pub(super) fn end_well(mut self) {
        let Some(place) = self.place.take() else { return };
        let was_down = self.asking.change(|schedule| {
            let was_down = schedule.is_down();
            schedule.answered(&place);
            schedule.ended(&place);
            was_down
        });
        self.asking.give_turns();
        if was_down {
            tracing::info!("permissions.url answers again");
        }
    }

    /// It has not.
    pub(super) fn silence(self, why: &NoAnswer) -> NotAnswered {
        let is_timeout = why.is_timeout();
        self.end_badly(Failure::Silence, &why.to_string());
        if is_timeout { NotAnswered::Timeout } else { NotAnswered::Unavailable }
    }

    /// It has not, or says that it is not well. If it is taken for down, nobody waits for it any more.
    pub(super) fn end_badly(mut self, failure: Failure, why: &str) {
        let Some(place) = self.place.take() else { return };
        tracing::debug!(why, "a question for a permission got no answer");
        let now = self.asking.clock.now();
        let (is_down_now, given_up) = self.asking.change(|schedule| {
            let was_down = schedule.is_down();
            let goes_on = schedule.failed(&place, failure, now);
            schedule.ended(&place);
            let given_up = if goes_on { Vec::new() } else { schedule.take_all() };
            (!goes_on && !was_down, given_up)
        });
        drop(given_up);
        self.asking.give_turns();
        if is_down_now {
            tracing::warn!(
                why,
                "permissions.url is failing: what it decides is not allowed until it answers again"
            );
        }
    }
}

impl Drop for AskingTurn {
    /// Nobody wants to ask any more: the server stops.
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.asking.change(|schedule| schedule.given_up(&place));
            self.asking.give_turns();
        }
    }
}

impl Asking {
    /// The turn of a question about `user`.
    pub(super) async fn turn(self: &Arc<Self>, user: &UserId) -> Result<AskingTurn, NotAnswered> {
        let (call, turn) = oneshot::channel();
        let offered = OfferedEvent { user: user.clone(), is_ordered: false, bytes: 0, call };
        let now = self.clock.now();
        let until = now + self.config.wait;
        self.change(|schedule| schedule.offer(offered, now)).map_err(|(why, _)| match why {
            NotTaken::Down => NotAnswered::Unavailable,
            NotTaken::Full => NotAnswered::Overloaded,
        })?;
        self.give_turns();
        tokio::select! {
            // Nobody gives it a turn any more: the backend is down, or somebody else has found that it waits for too long.
            turn = turn => turn.map_err(|_| {
                let is_late = until <= self.clock.now();
                if is_late { NotAnswered::Overloaded } else { NotAnswered::Unavailable }
            }),
            () = self.clock.sleep_until(until) => {
                let now = self.clock.now();
                drop(self.change(|schedule| schedule.expire(now)));
                Err(NotAnswered::Overloaded)
            }
        }
    }

    /// Begins all turns that may begin now.
    pub(super) fn give_turns(self: &Arc<Self>) {
        loop {
            let mut started = Vec::new();
            self.change(|schedule| {
                while let Some(call) = schedule.next(self.clock.now()) {
                    started.push(call);
                }
            });
            let mut unwanted = Vec::new();
            for StartedCall { place, call } in started {
                let turn = AskingTurn { asking: Arc::clone(self), place: Some(place) };
                // Whoever waited may have stopped waiting just now.
                if let Err(mut turn) = call.send(turn) {
                    unwanted.extend(turn.place.take());
                }
            }
            if unwanted.is_empty() {
                return;
            }
            self.change(|schedule| unwanted.iter().for_each(|it| schedule.given_up(it)));
        }
    }

    /// Changes who waits, and says how many.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Schedule<oneshot::Sender<AskingTurn>>) -> T,
    ) -> T {
        let mut schedule = self.schedule.lock();
        let changed = change(&mut schedule);
        let waiting = u32::try_from(schedule.waiting()).unwrap_or(u32::MAX);
        metrics::gauge!("userline_permission_questions_waiting").set(waiting);
        changed
    }
}
