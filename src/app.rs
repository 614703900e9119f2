//! The program put together: the only place where every part is known.

mod edges;
mod health;
mod home;
mod joining;
mod listener;
mod nodes;
mod parts;
mod stop;
#[cfg(test)]
pub(crate) mod testing;

use crate::admin::{Admin, AdminState, DevConsole};
use crate::auth::{AuthError, ResumeError, forget_resume_keys};
use crate::clock::Clock;
use crate::config::{Config, EndpointConfig, HOOK_TYPES};
use crate::core::presence::session::UserSession;
use crate::hooks::StartError;
use crate::ingest::{Ingest, IngestError};
use crate::metrics::Metrics;
use crate::presence::Ghost;
use crate::realtime::Realtime;
use crate::realtime::client_events::ForwardingError;
use crate::realtime::permissions::PermissionsError;
use crate::realtime::shared_book::LoadError;
use crate::realtime::transports::watch_upgrades;
use crate::socket::{ClientFiles, ClientFilesError};
use crate::store::{OpenError, OpenSession, PresenceRecords, ReadError, Recovered};
use crate::types::{Secret, SocketChange};
use axum::Router;
use home::{Home, OpenedHome};
use joining::ClusterNews;
pub use joining::JoinError;
use listener::Listener;
use nodes::NodesEdge;
use parts::AppParts;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stop::Stop;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

/// How often the store is told that the process is alive.
const ALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// Connections of backends and operators at once.
const ADMIN_CONNECTIONS_MAX: usize = 1024;

/// Connections that may wait to be accepted. The system makes it no more than `net.core.somaxconn`. One for which there is
/// no place is not told so: its client tries again after a second, then after three.
const BACKLOG: u32 = 65_535;

/// The server, ready to run: both ports are bound.
#[derive(Debug)]
pub struct App {
    public: Listener,
    admin: Listener,
    /// Where other nodes hand over requests, and what answers them.
    nodes: Option<(Listener, NodesEdge)>,
    edge: Router,
    api: Admin,
    parts: AppParts,
    realtime: Realtime,
    /// What the cluster says, if there is one.
    news: Option<ClusterNews>,
    ingest: Ingest,
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
    /// Resume tokens can be neither made nor taken.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The key of resume tokens cannot be made of `cluster.secret`.
    #[error("the key of resume tokens cannot be made of cluster.secret")]
    NoResumeKey,
    /// What is recorded of users cannot be read.
    #[error(transparent)]
    Records(#[from] ReadError),
    /// What all nodes have agreed on of users cannot be read.
    #[error(transparent)]
    Agreed(#[from] LoadError),
    /// The store is that of a node that was alone, and its users were online.
    #[error(
        "the data folder `{}` is of a node that was alone: {} users were online there, and of them nobody would be told any \
         more. Move them with `userline cluster import`, or take another `store.data_dir` for a node with cluster.redis",
        dir.display(),
        users
    )]
    OfOneNode {
        /// `store.data_dir`
        dir: PathBuf,
        /// How many.
        users: u64,
    },
    /// The cluster cannot be joined.
    #[error("cannot join the cluster")]
    Join(#[from] JoinError),
    /// Hooks cannot be sent.
    #[error(transparent)]
    Hooks(#[from] StartError),
    /// Events of clients cannot be forwarded.
    #[error(transparent)]
    Forwarding(#[from] ForwardingError),
    /// The backend cannot be asked what clients may do.
    #[error(transparent)]
    Permissions(#[from] PermissionsError),
    /// A source of emits cannot be run.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// Clients cannot be authenticated.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The client's bundle cannot be served.
    #[error(transparent)]
    ClientFiles(#[from] ClientFilesError),
}

impl App {
    /// Binds both ports, opens the store or joins the cluster, and puts the parts together. `page` is there in `userline dev` only.
    pub async fn build(mut config: Config, page: Option<DevPage>) -> Result<Self, BuildError> {
        let public = bind("listen.public", config.listen.public).await?;
        let admin = bind("listen.admin", config.listen.admin).await?;
        if let Some(page) = &page {
            config.hooks.endpoints.push(page.endpoint(admin.1));
        }
        let forward = config.cluster.as_ref().and_then(|it| it.forward.as_ref());
        let nodes = match forward.map(|it| it.listen) {
            Some(listen) => Some(bind("cluster.listen", listen).await?),
            None => None,
        };
        // Before the parts are made, which look up what they count with.
        let metrics = metrics();
        let bound = nodes.as_ref().map(|it| it.1);
        let OpenedHome { home, recovered, news, clock } = Home::open(&config, bound).await?;
        let parts = AppParts::new(&config, home, clock)?;
        let realtime = parts.realtime(&config);
        realtime.control.load().await?;
        match (&parts.resume, parts.home.store()) {
            (Some(resume), _) => resume.load().await?,
            (None, Some(store)) => forget_resume_keys(&store.resume()).await?,
            (None, None) => {}
        }
        realtime.memberships.load().await?;
        look_after(&config, &parts, &realtime);
        let client_files = ClientFiles::load(config.socketio.client_dir.as_deref())?;
        let (edge, acceptor) = parts.public_edge(&config, &realtime, client_files)?;
        let nodes = nodes.map(|bound| {
            let listener = AppParts::listener(&config, "nodes", bound, config.limits.connections);
            let key = config.cluster.as_ref().and_then(nodes::key);
            (Listener { key, ..listener }, NodesEdge(acceptor))
        });
        let ingest = parts.ingest(&config, &realtime)?;
        let no_backends = CancellationToken::new();
        let console =
            page.map(|page| page.console(&config, &realtime, public.1, no_backends.clone()));
        let api = Admin::new(AdminState {
            reports: parts.reports(&realtime, ingest.sources()),
            ..parts.admin_state(&config, &realtime, metrics, console)
        });
        Ok(Self {
            public: AppParts::listener(&config, "public", public, config.limits.connections),
            admin: AppParts::listener(&config, "admin", admin, ADMIN_CONNECTIONS_MAX),
            nodes,
            edge,
            api,
            parts,
            realtime,
            news,
            ingest,
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
        let Self { public, admin, nodes, edge, api, .. } = self;
        let Self { parts, realtime, news, ingest, recovered, drain, data_dir, no_backends, .. } =
            self;
        let AppParts { home, clock, sockets, recoveries, authenticator, .. } = &parts;
        let AppParts { presence_tasks, tasks, .. } = &parts;
        if let Err(error) = recoveries.load(&data_dir) {
            tracing::warn!(%error, "clients of before the restart will not recover");
        }
        let ended_at = recovered.alive_at.unwrap_or_else(|| clock.wall());
        sockets.presence.recover(recovered.sessions.into_iter().map(ghost), ended_at);
        parts.watch_deadlines(presence_tasks);
        if let (Some(cluster), Some(news)) = (home.cluster(), news) {
            let reports = parts.reports(&realtime, ingest.sources());
            cluster.heed(&realtime, recoveries, (clock, reports), news);
        }
        presence_tasks.spawn("presence.sweep", realtime.attendance.run_sweep());
        presence_tasks.spawn("recovery.expiry", recoveries.clone().run_expiry());
        tasks.spawn("auth", Arc::clone(authenticator).run());
        if let Some(store) = home.store() {
            tasks.spawn("store.alive", say_alive(store.presence(), clock.clone()));
        }
        let no_clients = CancellationToken::new();
        tasks.spawn("listen.public", public.run(edge, tasks.clone(), no_clients.clone()));
        if let Some((listener, edge)) = nodes {
            tasks.spawn("listen.nodes", listener.run(edge, tasks.clone(), no_clients.clone()));
        }
        tasks.spawn("listen.admin", admin.run(api, tasks.clone(), no_backends.clone()));
        ingest.start(&parts.ingest_tasks);
        Stop { no_clients, no_backends, parts, drain, data_dir }
    }
}

impl DevPage {
    /// The page as a receiver of hooks, by the same way as any other. Of sockets it is not told: it shows that one that goes
    /// means nothing as long as another is there.
    fn endpoint(&self, admin: SocketAddr) -> EndpointConfig {
        let is_about_socket = |it: &str| SocketChange::HOOK_TYPES.contains(&it);
        let shown = HOOK_TYPES.iter().filter(|it| !is_about_socket(it));
        EndpointConfig {
            name: "console".to_owned(),
            url: format!("http://{admin}/dev/hooks"),
            secrets: vec![self.hook_secret.clone()],
            events: shown.map(|it| (*it).to_owned()).collect(),
        }
    }

    fn console(
        self,
        config: &Config,
        realtime: &Realtime,
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
            unhandled: Arc::clone(&realtime.unhandled),
        }
    }
}

/// Lets what happens by itself happen: what ends, what others have agreed on, who is watched.
fn look_after(config: &Config, parts: &AppParts, realtime: &Realtime) {
    let AppParts { connections, clock, presence_tasks, .. } = parts;
    presence_tasks.spawn("control.expiry", Arc::clone(&realtime.control).run_expiry());
    if parts.home.cluster().is_some() {
        let (control, memberships) = (&realtime.control, &realtime.memberships);
        presence_tasks.spawn("control.following", Arc::clone(control).run_following());
        presence_tasks.spawn("memberships.following", Arc::clone(memberships).run_following());
        presence_tasks.spawn("inbox.looks", Arc::clone(&realtime.inboxes).run_looks());
    }
    let memberships = Arc::clone(&realtime.memberships);
    presence_tasks.spawn("memberships.expiry", memberships.run_expiry());
    if let Some(resume) = &parts.resume {
        presence_tasks.spawn("resume.expiry", Arc::clone(resume).run_expiry());
    }
    presence_tasks.spawn("inbox.expiry", Arc::clone(&realtime.inboxes).run_expiry());
    if realtime.watching.is_on() {
        presence_tasks.spawn("watching", Arc::clone(&realtime.watching).run());
    }
    if config.socketio.polling && config.socketio.websocket {
        let patience = config.socketio.upgrade_timeout;
        let watch = watch_upgrades(connections.clone(), clock.clone(), patience);
        presence_tasks.spawn("upgrades.watch", watch);
    }
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
    let OpenSession { user, session, since, portrait } = open;
    Ghost { user, session: UserSession { id: session, since }, portrait }
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
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As [`TcpListener::bind`] does: a server that starts again gets its port back at once.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bind.await.map_err(|source| BuildError::Bind { key, address, source })
}

#[cfg(test)]
mod tests;
