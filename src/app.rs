//! The program put together: the only place where every part is known.

mod health;
mod listener;
mod stop;

use crate::admin::{Admin, AdminState, DevConsole, Ready};
use crate::auth::{Authenticator, KeyError};
use crate::clock::Clock;
use crate::config::{Config, EndpointConfig, HOOK_TYPES};
use crate::connection::{AcceptorConfig, Connections};
use crate::core::presence::session::UserSession;
use crate::hooks::{Hooks, StartError};
use crate::metrics::Metrics;
use crate::presence::Ghost;
use crate::realtime::sockets::Sockets;
use crate::realtime::{Bounds, InboxParts, MessageParts, Realtime};
use crate::recovery::Recoveries;
use crate::registry::Socket;
use crate::socket::{ClientFiles, ClientFilesError, SocketEdge};
use crate::store::{OpenError, OpenSession, PresenceRecords, Recovered, Store};
use crate::tasks::Tasks;
use crate::types::{Secret, Seq};
use axum::Router;
use listener::{Listener, RequestLimits};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stop::Stop;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often the store is told that the process is alive.
const ALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// Connections of backends and operators at once.
const ADMIN_CONNECTIONS_MAX: usize = 1024;

/// The server, ready to run: both ports are bound.
#[derive(Debug)]
pub struct App {
    public: Listener,
    admin: Listener,
    edge: Router,
    api: Admin,
    parts: Parts,
    realtime: Realtime,
    recovered: Recovered,
    drain: Duration,
    data_dir: PathBuf,
    /// Ends the admin listener.
    no_backends: CancellationToken,
}

/// The page of `userline dev`, which is also a receiver of hooks.
#[derive(Debug, Clone)]
pub struct DevPage {
    /// An admin key with every scope, which the page shows.
    pub key: Secret,
    /// Signs the hooks to the page.
    pub hook_secret: Secret,
}

/// What the listeners serve, and what runs beside them.
#[derive(Debug, Clone)]
struct Parts {
    store: Store,
    clock: Clock,
    hooks: Hooks,
    sockets: Sockets,
    connections: Connections,
    recoveries: Recoveries<Arc<Socket>>,
    /// End first at a stop: from then on nobody goes offline.
    presence_tasks: Tasks,
    /// Those that wait for acks: their end is written down before the store closes.
    ack_tasks: Tasks,
    tasks: Tasks,
}

/// Why the server cannot start.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A port cannot be bound.
    #[error("{key} = {address:?}: cannot listen there")]
    Bind {
        /// The key of the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Hooks cannot be sent.
    #[error(transparent)]
    Hooks(#[from] StartError),
    /// The key for tokens is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The client's bundle cannot be served.
    #[error(transparent)]
    ClientFiles(#[from] ClientFilesError),
}

impl App {
    /// Binds both ports, opens the store and puts the parts together. `page` is there in `userline dev` only.
    pub async fn build(mut config: Config, page: Option<DevPage>) -> Result<Self, BuildError> {
        let public = bind("listen.public", config.listen.public).await?;
        let admin = bind("listen.admin", config.listen.admin).await?;
        if let Some(page) = &page {
            config.hooks.endpoints.push(page.endpoint(admin.1));
        }
        // Before the parts are made, which look up what they count with.
        let metrics = metrics();
        let (store, recovered) = open_store(&config).await?;
        let parts = Parts::new(&config, store, recovered.last_seq)?;
        let realtime = parts.realtime(&config)?;
        parts.presence_tasks.spawn("inbox.expiry", realtime.clone().run_inbox_expiry());
        if config.socketio.polling && config.socketio.websocket {
            let watch = realtime.clone().watch_upgrades(config.socketio.upgrade_timeout);
            parts.presence_tasks.spawn("upgrades.watch", watch);
        }
        let edge = parts.public_edge(&config, realtime.clone())?;
        let no_backends = CancellationToken::new();
        let console = page.map(|page| page.console(&config, public.1, no_backends.clone()));
        let api = parts.admin_api(&config, realtime.clone(), metrics, console);
        let listener = |name, (tcp, address), connections_max| Listener {
            name,
            tcp,
            address,
            limits: RequestLimits {
                head: config.limits.header_timeout,
                pause: config.limits.keep_alive,
            },
            stall: config.limits.stall,
            connections_max,
        };
        Ok(Self {
            public: listener("public", public, config.limits.connections),
            admin: listener("admin", admin, ADMIN_CONNECTIONS_MAX),
            edge,
            api,
            parts,
            realtime,
            recovered,
            drain: config.listen.drain,
            data_dir: config.store.data_dir,
            no_backends,
        })
    }

    /// Where clients connect.
    pub fn public_addr(&self) -> SocketAddr {
        self.public.address
    }

    /// Where the admin API is.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.address
    }

    /// Runs until `shutdown`, then stops in an orderly way, within the drain time and two seconds.
    pub async fn run_until(self, shutdown: CancellationToken) {
        let stop = self.start();
        shutdown.cancelled().await;
        stop.run().await;
    }

    /// Lets everything run.
    fn start(self) -> Stop {
        let Self { public, admin, edge, api, .. } = self;
        let Self { parts, realtime, recovered, drain, data_dir, no_backends, .. } = self;
        let Parts { store, clock, sockets, recoveries, presence_tasks, tasks, .. } = &parts;
        if let Err(error) = recoveries.load(&data_dir) {
            tracing::warn!(%error, "clients of before the restart will not recover");
        }
        let ended_at = recovered.alive_at.unwrap_or_else(|| clock.wall());
        sockets.presence.recover(recovered.sessions.into_iter().map(ghost), ended_at);
        sockets.watch_deadlines(presence_tasks);
        presence_tasks.spawn("presence.sweep", realtime.run_sweep());
        presence_tasks.spawn("recovery.expiry", recoveries.clone().run_expiry());
        tasks.spawn("store.alive", say_alive(store.presence(), clock.clone()));
        let no_clients = CancellationToken::new();
        tasks.spawn("listen.public", public.run(edge, tasks.clone(), no_clients.clone()));
        tasks.spawn("listen.admin", admin.run(api, tasks.clone(), no_backends.clone()));
        Stop { no_clients, no_backends, parts, drain, data_dir }
    }
}

impl Parts {
    fn new(config: &Config, store: Store, last_seq: Seq) -> Result<Self, BuildError> {
        let clock = Clock::start(last_seq);
        let tasks = Tasks::new();
        Ok(Self {
            hooks: Hooks::start(&config.hooks, &store.outbox(), &clock, &tasks)?,
            sockets: Sockets::new(config.presence, store.presence(), clock.clone()),
            connections: Connections::new(config.limits.connections),
            recoveries: Recoveries::new(
                &config.recovery,
                &config.socketio.namespaces,
                config.limits.buffer_bytes / 2,
                clock.clone(),
            ),
            store,
            clock,
            presence_tasks: Tasks::new(),
            ack_tasks: Tasks::new(),
            tasks,
        })
    }

    fn realtime(&self, config: &Config) -> Result<Realtime, BuildError> {
        let authenticator = Authenticator::new(config.auth.clone())?;
        let bounds = Bounds {
            limits: config.limits,
            history: config.history,
            namespaces: config.socketio.namespaces.clone(),
            clock: self.clock.clone(),
            tasks: self.tasks.clone(),
            inbox: InboxParts { inboxes: self.store.inboxes(), config: config.inbox },
            messages: MessageParts {
                config: config.messages,
                tasks: self.ack_tasks.clone(),
                outbox: self.store.outbox(),
            },
        };
        let (sockets, connections) = (self.sockets.clone(), self.connections.clone());
        let recoveries = self.recoveries.clone();
        Ok(Realtime::new(sockets, connections, recoveries, authenticator, bounds))
    }

    fn public_edge(&self, config: &Config, realtime: Realtime) -> Result<Router, BuildError> {
        let edge = SocketEdge {
            realtime,
            connections: self.connections.clone(),
            tasks: self.tasks.clone(),
            acceptor: AcceptorConfig::new(&config.listen, config.limits, &config.socketio),
            path: config.listen.path.clone(),
            client_files: ClientFiles::load(config.socketio.client_dir.as_deref())?,
        };
        let ready = ready(&self.connections, &self.store);
        Ok(edge.router().merge(health::routes(ready)))
    }

    fn admin_api(
        &self,
        config: &Config,
        realtime: Realtime,
        metrics: Metrics,
        dev: Option<DevConsole>,
    ) -> Admin {
        Admin::new(AdminState {
            realtime,
            records: self.store.presence(),
            events: self.store.events(),
            outbox: self.store.outbox(),
            hooks: self.hooks.clone(),
            keys: config.admin.clone(),
            limits: config.limits,
            inbox: config.inbox,
            ready: ready(&self.connections, &self.store),
            metrics,
            clock: self.clock.clone(),
            tasks: self.tasks.clone(),
            dev,
        })
    }
}

impl DevPage {
    /// The page as a receiver of every hook, by the same way as any other.
    fn endpoint(&self, admin: SocketAddr) -> EndpointConfig {
        EndpointConfig {
            name: "console".to_owned(),
            url: format!("http://{admin}/dev/hooks"),
            secrets: vec![self.hook_secret.clone()],
            events: HOOK_TYPES.map(str::to_owned).to_vec(),
        }
    }

    fn console(
        self,
        config: &Config,
        public: SocketAddr,
        stopping: CancellationToken,
    ) -> DevConsole {
        DevConsole {
            public: format!("http://{public}"),
            path: config.listen.path.clone(),
            key: self.key,
            grace: config.presence.grace,
            hook_secret: self.hook_secret,
            stopping,
        }
    }
}

/// Opening the file may take a while and must not hold up the runtime.
async fn open_store(config: &Config) -> Result<(Store, Recovered), BuildError> {
    let (store, hooks) = (config.store.clone(), config.hooks.clone());
    let opened = tokio::task::spawn_blocking(move || Store::open(&store, &hooks)).await;
    match opened {
        Ok(opened) => Ok(opened?),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// Whether clients are taken: cheap to ask.
fn ready(connections: &Connections, store: &Store) -> Ready {
    let (connections, store) = (connections.clone(), store.clone());
    Ready::new(move || {
        if connections.is_draining() {
            return Err("the server is stopping".to_owned());
        }
        if !store.healthy() {
            return Err("the disk takes no writes: see the log".to_owned());
        }
        Ok(())
    })
}

/// The recorder that the whole process counts with. A second server in one process counts with the first one's.
fn metrics() -> Metrics {
    let metrics = Metrics::new();
    if let Err(error) = metrics.install() {
        tracing::debug!(%error, "metrics are counted elsewhere");
    }
    metrics
}

fn ghost(open: OpenSession) -> Ghost {
    let OpenSession { user, session, since } = open;
    Ghost { user, session: UserSession { id: session, since } }
}

async fn say_alive(records: PresenceRecords, clock: Clock) {
    loop {
        records.alive(clock.wall(), clock.now());
        tokio::time::sleep(ALIVE_INTERVAL).await;
    }
}

async fn bind(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), BuildError> {
    let bind = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bind.await.map_err(|source| BuildError::Bind { key, address, source })
}

#[cfg(test)]
mod tests;
