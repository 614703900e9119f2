//! Joining a cluster, before anybody is let in.

use super::nodes;
use crate::clock::Clock;
use crate::cluster::{
    Apart, Bus, ClusterBook, ClusterInboxes, ClusterLedger, ClusterMember, HistoryPage, LinkError,
    MemberNeeds, MemberStatus, Unattached,
};
use crate::config::{ClusterConfig, Config, HooksConfig, InboxConfig};
use crate::connection::ConnectionNodes;
use crate::core::cluster::book::BookName;
use crate::core::cluster::inboxes::InboxLimits;
use crate::core::cluster::node::NodeEffect;
use crate::core::contacts;
use crate::core::watching::WatchBounds;
use crate::hooks::HookLedger;
use crate::realtime::Realtime;
use crate::realtime::effects::ClusterEffects;
use crate::realtime::hearing::Hearing;
use crate::realtime::reports::Reports;
use crate::realtime::shared_book::SharedBook;
use crate::realtime::shared_log;
use crate::realtime::sockets::Sockets;
use crate::recovery::{Recoveries, log_window};
use crate::registry::Socket;
use crate::tasks::Tasks;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_hours(1);
/// How long a node that starts waits for Redis: whoever started it is still there to read why it did not.
const JOIN_LIMIT: Duration = Duration::from_secs(10);

/// A node among others.
#[derive(Debug, Clone)]
pub(crate) struct JoinedCluster {
    pub(crate) member: ClusterMember,
    /// What nodes ask each other.
    pub(crate) bus: Bus,
    pub(crate) config: ClusterConfig,
    /// The connections of the others.
    pub(crate) other_nodes: ConnectionNodes,
    /// After so long without a word from its client, a connection is closed.
    pub(crate) silence_max: Duration,
    /// They end last: until then something is to be told.
    pub(crate) tasks: Tasks,
    /// Whether the node has left.
    pub(crate) left: CancellationToken,
}

/// Why the node cannot join.
#[derive(Debug, Error)]
pub enum JoinError {
    /// Redis cannot be spoken to.
    #[error(transparent)]
    Link(LinkError),
    /// Those who are there agreed on something else.
    #[error(
        "nodes of the cluster run that are set up otherwise:\n{0}\nGive this node the same, another cluster.name, or stop \
         all of them first: docs/cluster.md says which keys that takes"
    )]
    Apart(Apart),
    /// Nothing was heard of it.
    #[error("Redis did not answer within 10 s")]
    Silent,
    /// It went away again.
    #[error(transparent)]
    Unattached(#[from] Unattached),
}

/// What the cluster says to a node that joins.
#[derive(Debug)]
pub(crate) struct ClusterNews {
    /// What it has said before: for clients that come back.
    history: Option<HistoryPage>,
    /// What it says.
    effects: mpsc::Receiver<NodeEffect>,
}

impl JoinedCluster {
    /// Whether this node goes on alone at the moment.
    pub(super) fn is_cut_off(&self) -> bool {
        *self.member.status().borrow() != MemberStatus::Attached
    }

    /// The sockets of a node among many.
    pub(super) fn sockets(
        &self,
        config: &Config,
        bounds: (WatchBounds, Option<Duration>),
        clock: Clock,
    ) -> Sockets {
        let member = (self.member.clone(), self.config.node_grace);
        let sockets = Sockets::in_cluster(config.presence, bounds, member, clock);
        let clients = &config.messages.clients;
        let mut rooms = contacts::shared_rooms(&config.watching.shown_to);
        if clients.is_on {
            rooms.extend(contacts::shared_rooms(&clients.to_users));
        }
        if rooms.is_empty() { sockets } else { sockets.placing(self.member.clone(), rooms) }
    }

    /// Where hooks wait.
    pub(super) fn ledger(&self, hooks: &HooksConfig) -> HookLedger {
        HookLedger::Cluster(ClusterLedger::new(self.member.clone(), hooks, &self.tasks))
    }

    /// A book of all nodes.
    pub(super) fn book<T: Default>(&self, name: BookName, clock: &Clock) -> Box<SharedBook<T>> {
        let book = ClusterBook::new(self.member.clone(), name, clock.clone());
        Box::new(SharedBook::new(book, name, self.bus.clone()))
    }

    /// The inboxes of all nodes.
    pub(super) fn inboxes(&self, inbox: InboxConfig) -> ClusterInboxes {
        let limits =
            InboxLimits { count_max: inbox.max_per_user, bytes_max: self.config.inbox_bytes };
        ClusterInboxes::new(self.member.clone(), limits)
    }

    /// Joins the cluster of `config`. Returns what the cluster says, too. `bound` is where this node listens for others, if it does.
    pub(super) async fn join(
        config: &Config,
        cluster: &ClusterConfig,
        clock: &Clock,
        bound: Option<SocketAddr>,
    ) -> Result<(Self, ClusterNews), JoinError> {
        let needs = MemberNeeds {
            agreement: config.agreement().unwrap_or_default(),
            endpoints: config.hooks.endpoints.iter().map(|it| it.name.clone()).collect(),
            window: log_window(config.recovery.window),
            // An hour longer than anything is tried.
            events_kept: config.hooks.retry_for.max(config.store.keep_events) + HOUR,
            grace_max: config.presence.grace,
            clock: clock.clone(),
        };
        let tasks = Tasks::new();
        let (member, effects) = ClusterMember::join(cluster, needs, &tasks);
        attached(member.status()).await?;
        tracing::info!(node = %member.name(), cluster = cluster.name, "this node is in the cluster");
        let recovers = !config.recovery.window.is_zero();
        let history = if recovers { Some(member.history().await?) } else { None };
        let news = ClusterNews { history, effects };
        let silence_max = config.socketio.ping_interval + 2 * config.socketio.ping_timeout;
        let other_nodes =
            nodes::other_nodes(config, cluster, &member, bound, (clock.clone(), tasks.clone()));
        let (config, left) = (cluster.clone(), CancellationToken::new());
        let bus = Bus::new(member.clone(), clock.clone());
        Ok((Self { member, bus, config, other_nodes, silence_max, tasks, left }, news))
    }

    /// Does what the cluster says. Call it once.
    pub(super) fn heed(
        &self,
        realtime: &Realtime,
        recoveries: &Recoveries<Arc<Socket>>,
        (clock, reports): (&Clock, Arc<Reports>),
        ClusterNews { history, effects }: ClusterNews,
    ) {
        if let Some(history) = history {
            shared_log::take_history(recoveries, &history);
        }
        let Self { member, bus, silence_max, tasks, left, .. } = self;
        let told = (Arc::clone(&realtime.attendance), recoveries.clone());
        let directory = Arc::clone(&realtime.directory);
        let inboxes = Arc::clone(&realtime.inboxes);
        let sending = (Arc::clone(realtime.messages.emitter()), directory, reports, inboxes);
        let memberships = Arc::clone(&realtime.memberships);
        let doing = (
            Arc::clone(&realtime.bulk),
            Arc::clone(&realtime.control),
            memberships,
            Arc::clone(&realtime.erasure),
        );
        let hearing = Hearing::start(bus.clone(), told.clone(), sending, doing, tasks);
        let (times, left) = ((clock.clone(), *silence_max), left.clone());
        let heeding =
            ClusterEffects::new(member.clone(), told, hearing, (times, tasks.clone()), left);
        tasks.spawn("cluster.effects", heeding.run(effects));
        tasks.spawn("cluster.sessions", recoveries.clone().run_writing());
        tasks.spawn("cluster.seats", Arc::clone(&realtime.attendance).run_seats());
        tasks.spawn("cluster.places", Arc::clone(&realtime.attendance).run_placing());
    }
}

/// Waits until the node is in the cluster. Of those who agreed on something else it may be that none is left: a lease makes sure.
async fn attached(mut status: watch::Receiver<MemberStatus>) -> Result<(), JoinError> {
    let is_heard = |it: &MemberStatus| !matches!(it, MemberStatus::Degraded(_));
    drop(timeout(JOIN_LIMIT, status.wait_for(is_heard)).await);
    let apart = status.borrow().clone();
    if let MemberStatus::Apart(apart) = apart {
        tracing::info!(lease = ?apart.lease, "waiting to see whether any of these nodes still runs");
        let is_clear = |it: &MemberStatus| match it {
            MemberStatus::Attached => true,
            MemberStatus::Apart(apart) => apart.are_alive,
            MemberStatus::Degraded(_) => false,
        };
        drop(timeout(apart.lease + JOIN_LIMIT, status.wait_for(is_clear)).await);
    }
    let last = status.borrow().clone();
    match last {
        MemberStatus::Attached => Ok(()),
        MemberStatus::Apart(apart) => Err(JoinError::Apart(apart)),
        MemberStatus::Degraded(Some(error)) => Err(JoinError::Link(error)),
        MemberStatus::Degraded(None) => Err(JoinError::Silent),
    }
}
