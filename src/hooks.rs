//! Tells receivers about presence: takes undelivered hooks from the store, sends them signed, records what became of
//! them. The rules are in `core::dispatch`; here are the waiting, the network and the log.
//!
//! Every endpoint has one task, which owns all its state:
//!
//! ```text
//!   store.committed() ─▶ load heads ─▶ Dispatch ─▶ attempts (HTTP, at most `concurrency`) ─▶ Dispatch ─▶ store.settle()
//!        clock ─────────────────────────▲ ▲                                                                   │
//!                                         └───────────────── next head of the user ◀──────────────────────────┘
//! ```

mod attempt;
mod endpoint;
mod public;
mod sender;
mod status;
#[cfg(test)]
mod tests;

pub use status::{EndpointStatus, LastError};

use crate::clock::Clock;
use crate::config::{HooksConfig, shown_url};
use crate::store::{EndpointId, ReadError, Store};
use crate::tasks::Tasks;
use endpoint::{Endpoint, Order};
use futures_util::future::join_all;
use status::Report;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// Orders that wait for one endpoint's task; whoever gives more waits.
const ORDERS: usize = 8;

/// Why hooks cannot be sent at all.
#[derive(Debug, Error)]
pub enum StartError {
    /// The URL of an endpoint is none.
    #[error("the URL of the hook endpoint `{endpoint}` must be an http or https URL: {reason}")]
    Url {
        /// Its name.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store was opened with another configuration.
    #[error("the store does not know the hook endpoint `{endpoint}`")]
    Unknown {
        /// Its name.
        endpoint: String,
    },
    /// TLS cannot be set up: no root certificates, for example.
    #[error("cannot set up the HTTP client for hooks")]
    Client(#[from] reqwest::Error),
}

/// Starts to deliver.
#[derive(Debug)]
pub struct Dispatcher;

impl Dispatcher {
    /// Starts one task per endpoint of the configuration that `store` was opened with.
    pub fn start(
        config: &HooksConfig,
        store: &Store,
        clock: &Clock,
        tasks: &Tasks,
    ) -> Result<Hooks, StartError> {
        let client = sender::client(config)?;
        let mut handles = Vec::new();
        let mut endpoints = Vec::new();
        for one in &config.endpoints {
            let sender = sender::Sender::new(client.clone(), one, config.allow_private)?;
            let unknown = || StartError::Unknown { endpoint: one.name.clone() };
            let id = store.endpoint(&one.name).ok_or_else(unknown)?;
            let (orders, queue) = mpsc::channel(ORDERS);
            let (report, reports) = watch::channel(Report::default());
            let parts = endpoint::Parts { id, name: one.name.clone(), sender, queue, report };
            endpoints.push(Endpoint::new(parts, config, store.clone(), clock.clone()));
            handles.push(Handle {
                id,
                name: one.name.clone(),
                url: shown_url(&one.url),
                orders,
                reports,
            });
        }
        for endpoint in endpoints {
            tasks.spawn("hooks", endpoint.run());
        }
        Ok(Hooks { endpoints: handles.into(), store: store.clone(), clock: clock.clone() })
    }
}

/// What is done with the running dispatcher. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Hooks {
    endpoints: Arc<[Handle]>,
    store: Store,
    clock: Clock,
}

#[derive(Debug)]
struct Handle {
    id: EndpointId,
    name: String,
    url: String,
    orders: mpsc::Sender<Order>,
    reports: watch::Receiver<Report>,
}

impl Hooks {
    /// How each endpoint is doing, in the order of the configuration.
    pub async fn status(&self) -> Result<Vec<EndpointStatus>, ReadError> {
        let mut all = Vec::new();
        for endpoint in &*self.endpoints {
            let report = endpoint.reports.borrow().clone();
            all.push(EndpointStatus {
                name: endpoint.name.clone(),
                url: endpoint.url.clone(),
                health: report.health,
                backlog: self.store.backlog(endpoint.id),
                dead_letters: self.store.dead_letters(endpoint.id).await?,
                in_flight: report.in_flight,
                oldest_pending: self.store.oldest_pending(endpoint.id).await?,
                last_error: report.last_error,
                next_attempt: report.next_attempt,
            });
        }
        Ok(all)
    }

    /// Tries now what waits for the end of a back-off at one endpoint, even if it answered 410.
    pub async fn wake(&self, endpoint: EndpointId) {
        for endpoint in self.endpoints.iter().filter(|it| it.id == endpoint) {
            // Fails only if the task has ended, and then nothing can be tried.
            let _ended = endpoint.orders.send(Order::Hurry).await;
        }
    }

    /// For a graceful stop: sends what is due during the first half of `limit`, finishes what is on its way until its
    /// end, records what became of it, and stops. What is left is sent after the next start, with the same ids.
    ///
    /// Call [`Store::flush`] first, so that the last changes are there to be sent, and [`Store::close`] after it.
    pub async fn drain(&self, limit: Duration) {
        let now = self.clock.now();
        let (stop_starting, stop_waiting) = (now + limit / 2, now + limit);
        let drained = self.endpoints.iter().map(|endpoint| async move {
            let (done, is_done) = oneshot::channel();
            let order = Order::Drain { stop_starting, stop_waiting, done };
            if endpoint.orders.send(order).await.is_ok() {
                // Ends with the task, one way or the other.
                let _ended = is_done.await;
            }
        });
        join_all(drained).await;
    }
}
