//! The only caller of `tokio::spawn`: every task has a name, an owner and an end.

mod rounds;

pub use rounds::{WorkRounds, WorkTurn};

use std::future::Future;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Starts background tasks and ends them together. Cheap to clone; clones share their tasks.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// A task that runs to its end, whether its result is waited for or not.
#[derive(Debug)]
pub struct Running<T>(oneshot::Receiver<T>);

/// A task has panicked: it has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a task ended before its end")]
pub struct TaskLost;

impl<T> Running<T> {
    /// Waits for the result.
    pub async fn result(self) -> Result<T, TaskLost> {
        self.0.await.map_err(|_| TaskLost)
    }
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `task` until it ends by itself or [`Tasks::stop`] ends it at its next await.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        let task = async move {
            tokio::select! {
                // Else a random number is drawn each time.
                biased;
                () = task => {}
                () = stop.cancelled() => {}
            }
        };
        drop(self.tracker.spawn(task.instrument(tracing::debug_span!("task", name))));
    }

    /// Runs `task` to its own end; [`Tasks::stop`] waits for it, within its limit.
    pub fn spawn_to_end(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        drop(self.tracker.spawn(task.instrument(tracing::debug_span!("task", name))));
    }

    /// Runs `task` to its own end, like [`Tasks::spawn_to_end`], and hands its result to whoever still waits for it.
    pub fn run_to_end<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Running<T> {
        let (done, result) = oneshot::channel();
        self.spawn_to_end(name, async move {
            // Fails if nobody waits any more, which is fine.
            drop(done.send(task.await));
        });
        Running(result)
    }

    /// Tells tasks that look at it that the end has come.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Ends all tasks and waits for them; `false` if some are still running after `limit`.
    pub async fn stop(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{TaskLost, Tasks};
    use std::time::Duration;
    use tokio::sync::oneshot;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn what_runs_to_its_end_does_so_though_nobody_waits_and_the_stop_waits_for_it() {
        let tasks = Tasks::new();
        let (go, gone) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        drop(tasks.run_to_end("test", async move {
            gone.await.unwrap();
            done.send("at its end").unwrap();
        }));

        assert!(!tasks.stop(Duration::ZERO).await, "it still runs");
        go.send(()).unwrap();

        assert_eq!(ended.await, Ok("at its end"));
        assert!(tasks.stop(PATIENCE).await);
    }

    #[tokio::test]
    async fn the_result_is_handed_to_whoever_waits() {
        let tasks = Tasks::new();

        assert_eq!(tasks.run_to_end("test", async { 7 }).result().await, Ok(7));
        let panics = tasks.run_to_end("test", async { panic!("as the test wishes") });
        assert_eq!(panics.result().await, Err::<(), _>(TaskLost));
    }
}
