//! Sends hooks: takes what is undelivered from the store, sends it signed, and records what became of it. The rules are in
//! [`core::delivery`](crate::core::delivery); the waiting, the network and the log are here.
//!
//! Every endpoint has one task, which owns all its state:
//!
//! ```text
//!   store.committed() ─▶ load heads ─▶ Dispatch ─▶ attempts (HTTP, at most `concurrency`) ─▶ Dispatch ─▶ store.settle()
//!        clock ─────────────────────────▲ ▲                                                                   │
//!                                         └───────────────── next head of the user ◀──────────────────────────┘
//! ```

mod endpoint;
mod ledger;
mod letters;
mod status;
mod task;
#[cfg(test)]
mod tests;
mod turns;

pub use ledger::{HookLedger, NotTold, WaitingError};
pub use letters::{DeliveryQuery, NotReplayed};
pub use status::{EndpointStatus, LastError};

use crate::backend::{BackendCaller, HttpClient, HttpClientError, HttpSettings, UrlError};
use crate::clock::Clock;
use crate::config::{HooksConfig, shown_url};
use crate::core::delivery::outbox::EndpointId;
use crate::tasks::Tasks;
use endpoint::HookEndpoint;
use futures_util::future::join_all;
use status::EndpointReport;
use std::sync::Arc;
use std::time::Duration;
use task::{EndpointCommand, EndpointTask};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// Commands that may wait for the task of one endpoint; the sender of one more waits.
const COMMANDS_LEN: usize = 8;
/// The section of the configuration; errors name its keys.
const SECTION: &str = "hooks";

/// Why hooks cannot be sent at all.
#[derive(Debug, Error)]
pub enum StartError {
    /// The URL of an endpoint cannot be called.
    #[error("the URL of the hook endpoint `{endpoint}` {error}")]
    Url {
        /// The endpoint's name.
        endpoint: String,
        /// What is wrong with the URL.
        error: UrlError,
    },
    /// The store was opened with another configuration.
    #[error("the store does not know the hook endpoint `{endpoint}`")]
    Unknown {
        /// The endpoint's name.
        endpoint: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Client(#[from] HttpClientError),
}

/// The running delivery of hooks. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Hooks {
    endpoints: Arc<[EndpointHandle]>,
    ledger: HookLedger,
    clock: Clock,
}

#[derive(Debug)]
struct EndpointHandle {
    id: EndpointId,
    name: String,
    url: String,
    commands: mpsc::Sender<EndpointCommand>,
    reports: watch::Receiver<EndpointReport>,
}

impl Hooks {
    /// Starts to deliver: one task per endpoint of the configuration that the ledger knows.
    pub fn start(
        config: &HooksConfig,
        ledger: impl Into<HookLedger>,
        clock: &Clock,
        tasks: &Tasks,
    ) -> Result<Self, StartError> {
        let ledger = ledger.into();
        let client = HttpClient::new(HttpSettings {
            section: SECTION,
            timeout: config.timeout,
            idle_connections: config.concurrency,
            allow_private: config.allow_private,
            is_https: config.endpoints.iter().any(|it| it.url.starts_with("https:")),
            ca: &config.ca,
        })?;
        let mut handles = Vec::new();
        let mut running = Vec::new();
        for one in &config.endpoints {
            let caller = BackendCaller::new(client.clone(), &one.url, one.secrets.clone())
                .map_err(|error| StartError::Url { endpoint: one.name.clone(), error })?;
            let unknown = || StartError::Unknown { endpoint: one.name.clone() };
            let id = ledger.endpoint(&one.name).ok_or_else(unknown)?;
            let (commands, queue) = mpsc::channel(COMMANDS_LEN);
            let (report, reports) = watch::channel(EndpointReport::default());
            let endpoint = HookEndpoint {
                id,
                name: one.name.clone(),
                caller,
                is_batching: 1 < config.batch_max,
                ledger: ledger.clone(),
                clock: clock.clone(),
            };
            running.push(EndpointTask::new(endpoint, config, queue, report));
            handles.push(EndpointHandle {
                id,
                name: one.name.clone(),
                url: shown_url(&one.url),
                commands,
                reports,
            });
        }
        for task in running {
            tasks.spawn("hooks", task.run());
        }
        Ok(Self { endpoints: handles.into(), ledger, clock: clock.clone() })
    }

    /// Where hooks wait.
    pub fn ledger(&self) -> &HookLedger {
        &self.ledger
    }

    /// How each endpoint is doing, in the order of the configuration.
    pub async fn status(&self) -> Result<Vec<EndpointStatus>, WaitingError> {
        let mut all = Vec::new();
        for endpoint in &*self.endpoints {
            let report = endpoint.reports.borrow().clone();
            let standing = self.ledger.standing(endpoint.id).await?;
            all.push(EndpointStatus {
                name: endpoint.name.clone(),
                url: endpoint.url.clone(),
                is_here: standing.is_here,
                health: report.health,
                backlog: standing.backlog,
                dead_letters: standing.dead_letters,
                in_flight: report.in_flight,
                oldest_pending: standing.oldest_pending,
                last_error: report.last_error,
                next_attempt: report.next_attempt,
            });
        }
        Ok(all)
    }

    /// The endpoints for which this node delivers, in the order of the configuration.
    pub fn delivering(&self) -> Vec<String> {
        let here = self.endpoints.iter().filter(|it| self.ledger.delivers(it.id));
        here.map(|it| it.name.clone()).collect()
    }

    /// Tries now what waits for the end of a back-off at one endpoint, even if it answered 410.
    pub async fn wake(&self, endpoint: EndpointId) {
        for endpoint in self.endpoints.iter().filter(|it| it.id == endpoint) {
            // Fails only if the task has ended, and then nothing can be tried.
            let _ended = endpoint.commands.send(EndpointCommand::Hurry).await;
        }
    }

    /// For a graceful stop: sends what is due during the first half of `limit`, finishes what is on its way until its
    /// end, records what became of it, and stops. What is left is sent after the next start, with the same ids.
    ///
    /// Call [`Store::flush`](crate::store::Store::flush) first, so that the last changes are there to be sent, and
    /// [`Store::close`](crate::store::Store::close) after it.
    pub async fn drain(&self, limit: Duration) {
        let now = self.clock.now();
        let (stop_starting, stop_waiting) = (now + limit / 2, now + limit);
        let drained = self.endpoints.iter().map(|endpoint| async move {
            let (done, is_done) = oneshot::channel();
            let command = EndpointCommand::Drain { stop_starting, stop_waiting, done };
            if endpoint.commands.send(command).await.is_ok() {
                // Ends when the task drops `done`, whether it is drained or has failed.
                let _ended = is_done.await;
            }
        });
        join_all(drained).await;
    }
}
