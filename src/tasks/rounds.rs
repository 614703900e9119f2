//! Lets many tasks do a piece of work each, without those being held up who do something else.
//!
//! The runtime runs tasks in the order in which they were woken. When thousands are woken at once, whoever is woken next
//! waits for all of them: an event of a client comes behind ten thousand handshakes. So those who may be that many ask for
//! their turn before they begin. Between two rounds everything else has its turn, and what has come over the network
//! meanwhile is looked at.

use super::Tasks;
use crate::core::rounds::{RoundPlace, RoundSizes, Rounds};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use tokio::sync::{Notify, oneshot};

/// How many tasks do their piece of work before others have their turn. Cheap to clone; clones share the rounds.
#[derive(Debug, Clone)]
pub struct WorkRounds {
    shared: Arc<SharedRounds>,
}

#[derive(Debug)]
struct SharedRounds {
    /// None once nothing begins rounds any more: then all may do what they wish.
    rounds: Mutex<Option<Rounds<oneshot::Sender<()>>>>,
    /// Rounds have to begin.
    begin: Notify,
}

/// Ready when a task may do its piece of work.
#[derive(Debug)]
pub struct WorkTurn(oneshot::Receiver<()>);

impl Future for WorkTurn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // An error says that there are no rounds any more.
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl WorkRounds {
    /// Rounds with so many for each core, until `tasks` are stopped.
    pub fn new(tasks: &Tasks, name: &'static str, per_core: RoundSizes) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::with(tasks, name, per_core.times(cores))
    }

    fn with(tasks: &Tasks, name: &'static str, sizes: RoundSizes) -> Self {
        let rounds = Mutex::new(Some(Rounds::new(sizes)));
        let shared = Arc::new(SharedRounds { rounds, begin: Notify::new() });
        tasks.spawn(name, RunningRounds(Arc::clone(&shared)).run());
        Self { shared }
    }

    /// The caller's turn; `None` if it may begin at once.
    pub fn turn(&self) -> Option<WorkTurn> {
        let mut rounds = self.shared.rounds.lock();
        let rounds = rounds.as_mut()?;
        match rounds.come() {
            RoundPlace::Begins => None,
            RoundPlace::BeginsFirst => {
                self.shared.begin.notify_one();
                None
            }
            RoundPlace::Waits => {
                let (turn, waiting) = oneshot::channel();
                rounds.wait(turn);
                Some(WorkTurn(waiting))
            }
        }
    }
}

/// Begins the rounds.
struct RunningRounds(Arc<SharedRounds>);

impl RunningRounds {
    async fn run(self) {
        let Self(shared) = &self;
        loop {
            shared.begin.notified().await;
            loop {
                // The runtime comes back when it has looked at the network and done what was there to do.
                tokio::task::yield_now().await;
                let round = shared.rounds.lock().as_mut().and_then(Rounds::begin_round);
                let Some(round) = round else { break };
                for turn in round {
                    // Fails if nobody waits any more, which is fine.
                    turn.send(()).ok();
                }
            }
        }
    }
}

impl Drop for RunningRounds {
    fn drop(&mut self) {
        self.0.rounds.lock().take();
    }
}

#[cfg(test)]
mod tests {
    use super::{Tasks, WorkRounds};
    use crate::core::rounds::RoundSizes;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(20);
    const WORKERS: usize = 100;
    const SIZES: RoundSizes = RoundSizes { calm: 4, storm: 2, storm_from: 20 };

    /// Tasks that each count themselves when it is their turn.
    fn workers(tasks: &Tasks, rounds: &WorkRounds) -> Arc<AtomicUsize> {
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..WORKERS {
            let (rounds, done) = (rounds.clone(), Arc::clone(&done));
            tasks.spawn("work", async move {
                if let Some(turn) = rounds.turn() {
                    turn.await;
                }
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        done
    }

    #[tokio::test]
    async fn who_comes_in_the_middle_of_a_wave_does_not_wait_for_all_of_it() {
        let tasks = Tasks::new();
        let rounds = WorkRounds::with(&tasks, "rounds", SIZES);
        let done = workers(&tasks, &rounds);

        let mut seen = Vec::new();
        while done.load(Ordering::Relaxed) < WORKERS {
            tokio::task::yield_now().await;
            seen.push(done.load(Ordering::Relaxed));
        }

        let steps: Vec<_> = seen.windows(2).map(|it| it[1] - it[0]).collect();
        assert!(steps.iter().all(|it| *it <= 4), "others have their turn: {steps:?}");
        assert!(steps.iter().rev().skip(12).all(|it| *it <= 2), "more often in a storm: {steps:?}");
    }

    #[tokio::test]
    async fn when_nothing_begins_rounds_any_more_nobody_waits() {
        let tasks = Tasks::new();
        let others = Tasks::new();
        let rounds = WorkRounds::with(&others, "rounds", SIZES);
        let done = workers(&tasks, &rounds);

        assert!(others.stop(PATIENCE).await);

        let all = async {
            while done.load(Ordering::Relaxed) < WORKERS {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, all).await.is_ok());
        assert!(rounds.turn().is_none());
    }
}
