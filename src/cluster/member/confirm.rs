//! Whether what was written outlasts the server that it was written to: `cluster.durability`.
//!
//! ```text
//!   write, answered by a run of a server ─► mark ─► another write in the same run ─► WAIT or WAITAOF ─► all marked before are kept
//! ```
//!
//! Redis makes whoever waits stand still, and with it all that is asked on the same connection: so there is one for this alone.
//! Those who ask while one wait is under way share the next one.

use super::{ClusterMember, Unattached};
use crate::cluster::codec;
use crate::cluster::link::{LinkError, RedisTarget};
use crate::config::{ClusterConfig, Durability};
use crate::redis_server::RedisFailure;
use crate::tasks::Tasks;
use redis::aio::MultiplexedConnection;
use redis::pipe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long whoever asks waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long Redis waits: shorter, so that it says that it was in vain.
const WAIT_MS: u64 = 2_000;
/// How long what is written for this is kept.
const KEPT_MS: u64 = 60_000;
/// Who may wait. More than requests can be under way.
const ASKS_MAX: usize = 10_000;

/// In which run of which server something is written. Taken before it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) struct RunMark(Option<Arc<str>>);

/// Where is asked whether what was written is kept; nowhere, if nobody wants to know.
#[derive(Debug, Clone)]
pub(super) struct Confirmations(Option<mpsc::Sender<Ask>>);

/// Somebody wants to know it of a run.
#[derive(Debug)]
struct Ask {
    run: Arc<str>,
    answer: oneshot::Sender<()>,
}

impl ClusterMember {
    /// Where something is written from now on.
    pub(in crate::cluster) fn mark(&self) -> RunMark {
        RunMark(self.machine.lock().run())
    }

    /// Which copy of the state is known: another one where some of it was lost.
    pub(in crate::cluster) fn copy(&self) -> Option<Arc<str>> {
        self.machine.lock().copy()
    }

    /// Waits until what was written since then is where `cluster.durability` wants it, if that is within three seconds.
    pub(in crate::cluster) async fn confirmed(&self, written: RunMark) -> Result<(), Unattached> {
        let Confirmations(Some(asks)) = &self.confirmations else { return Ok(()) };
        let run = written.0.ok_or(Unattached)?;
        let (answer, kept) = oneshot::channel();
        let asked = async {
            asks.send(Ask { run, answer }).await.map_err(|_| Unattached)?;
            kept.await.map_err(|_| Unattached)
        };
        let kept = timeout(PATIENCE, asked).await.unwrap_or(Err(Unattached));
        if kept.is_err() {
            metrics::counter!("userline_cluster_unconfirmed_total").increment(1);
        }
        kept
    }

    /// How long a confirmation may take.
    pub fn confirmation_max(&self) -> Duration {
        if self.confirmations.0.is_some() { PATIENCE } else { Duration::ZERO }
    }
}

impl Confirmations {
    pub(super) fn start(config: &ClusterConfig, target: RedisTarget, tasks: &Tasks) -> Self {
        if config.durability == Durability::Async {
            return Self(None);
        }
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let key = codec::prefix(&config.name) + "confirmed";
        let task = ConfirmTask {
            target,
            key,
            durability: config.durability,
            connection: None,
            is_good: true,
        };
        tasks.spawn("cluster.confirm", task.run(asked));
        Self(Some(asks))
    }
}

struct ConfirmTask {
    target: RedisTarget,
    key: String,
    durability: Durability,
    /// With the run that it leads to.
    connection: Option<(MultiplexedConnection, Arc<str>)>,
    /// Whether the last time it was kept.
    is_good: bool,
}

impl ConfirmTask {
    async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        while let Some(first) = asked.recv().await {
            let mut all = vec![first];
            while let Ok(more) = asked.try_recv() {
                all.push(more);
            }
            // What was written in a run that has ended is perhaps nowhere.
            let is_of_another =
                |(_, run): &(MultiplexedConnection, Arc<str>)| all.iter().any(|it| it.run != *run);
            if self.connection.as_ref().is_some_and(is_of_another) {
                self.connection = None;
            }
            let kept = match timeout(PATIENCE, self.is_kept()).await {
                Ok(Err(_)) if self.connection.take().is_some() => {
                    // It may have ended long ago.
                    timeout(PATIENCE, self.is_kept()).await
                }
                kept => kept,
            };
            match kept.unwrap_or(Err(RedisFailure::Timeout.into())) {
                Ok(Some(run)) => {
                    self.note(None);
                    for ask in all.into_iter().filter(|it| it.run == run) {
                        // Whoever waits no more was answered by its own deadline.
                        let _gone = ask.answer.send(());
                    }
                }
                Ok(None) => self.note(Some("it was not confirmed in time")),
                Err(error) => {
                    self.connection = None;
                    self.note(Some(&error.to_string()));
                }
            }
        }
    }

    /// The run of which all is kept that was written so far; `None` if it is not, in time.
    async fn is_kept(&mut self) -> Result<Option<Arc<str>>, LinkError> {
        let (mut connection, run) = if let Some(open) = &self.connection {
            open.clone()
        } else {
            let (connection, server) = self.target.connect().await?;
            let open = (connection, server.run);
            self.connection.insert(open).clone()
        };
        let mut both = pipe();
        // It waits for what the connection itself has written.
        both.cmd("SET").arg(&self.key).arg(1).arg("PX").arg(KEPT_MS).ignore();
        let copies = if self.durability == Durability::Fsync {
            both.cmd("WAITAOF").arg(1).arg(0).arg(WAIT_MS);
            let (answer,): (Vec<u64>,) = both.query_async(&mut connection).await?;
            answer.first().copied().unwrap_or_default()
        } else {
            both.cmd("WAIT").arg(1).arg(WAIT_MS);
            let (copies,): (u64,) = both.query_async(&mut connection).await?;
            copies
        };
        Ok((0 < copies).then_some(run))
    }

    /// Says it once when it changes.
    fn note(&mut self, bad: Option<&str>) {
        match bad {
            Some(why) if self.is_good => {
                let durability = self.durability.as_str();
                tracing::warn!(
                    durability,
                    why,
                    "what is stored in Redis is not confirmed: requests that store something get 503"
                );
            }
            None if !self.is_good => tracing::info!("what is stored in Redis is confirmed again"),
            Some(_) | None => {}
        }
        self.is_good = bad.is_none();
    }
}
