//! Where what outlasts the process is kept: in a store of this node's own, or where all nodes of a cluster agree.

use super::BuildError;
use super::joining::{ClusterNews, JoinedCluster};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Closed, LoneStore, OpenError, ReadError, Recovered, Store};
use crate::types::Seq;
use std::net::SocketAddr;
use std::path::Path;
use tokio::task::spawn_blocking;

/// Where what outlasts the process is kept.
#[derive(Debug, Clone)]
pub(crate) enum Home {
    /// In a store of its own, because this node is alone.
    Alone(Store),
    /// Where all nodes agree. There is no store.
    Cluster(Box<JoinedCluster>),
}

/// A home, and what was found there.
#[derive(Debug)]
pub(super) struct OpenedHome {
    pub(super) home: Home,
    /// What an earlier life of a node has left that is alone.
    pub(super) recovered: Recovered,
    /// What the cluster says, if there is one.
    pub(super) news: Option<ClusterNews>,
    pub(super) clock: Clock,
}

impl Home {
    /// Opens the store and goes on where it ended, or joins the cluster of the configuration. `bound` is where this node listens for
    /// others, if it does.
    pub(super) async fn open(
        config: &Config,
        bound: Option<SocketAddr>,
    ) -> Result<OpenedHome, BuildError> {
        let Some(cluster) = &config.cluster else {
            let (store, recovered) = open_store(config).await?;
            let clock = Clock::start(recovered.last_seq);
            let told = store.presence().end_lost_sockets(clock.wall(), recovered.alive_at).await;
            told.map_err(|Closed| ReadError::Closed)?;
            return Ok(OpenedHome { home: Self::Alone(store), recovered, news: None, clock });
        };
        let users = users_of_a_lone_node(&config.store.data_dir).await?;
        if 0 < users {
            return Err(BuildError::OfOneNode { dir: config.store.data_dir.clone(), users });
        }
        let clock = Clock::start(Seq(0));
        let (joined, news) = JoinedCluster::join(config, cluster, &clock, bound).await?;
        let (home, news) = (Self::Cluster(Box::new(joined)), Some(news));
        Ok(OpenedHome { home, recovered: Recovered::nothing(), news, clock })
    }

    /// The store, if there is one.
    pub(crate) fn store(&self) -> Option<&Store> {
        match self {
            Self::Alone(store) => Some(store),
            Self::Cluster(_) => None,
        }
    }

    /// The other nodes, if there may be any.
    pub(crate) fn cluster(&self) -> Option<&JoinedCluster> {
        match self {
            Self::Alone(_) => None,
            Self::Cluster(cluster) => Some(cluster),
        }
    }
}

/// Opens the store. That may take a while and must not hold up the runtime.
async fn open_store(config: &Config) -> Result<(Store, Recovered), OpenError> {
    let (settings, hooks) = (config.store.clone(), config.hooks.clone());
    match spawn_blocking(move || Store::open(&settings, &hooks)).await {
        Ok(opened) => opened,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// How many users were online in the data folder, if it is of a node that was alone: a node among many does not take it over.
async fn users_of_a_lone_node(dir: &Path) -> Result<u64, OpenError> {
    let dir = dir.to_owned();
    let looking = spawn_blocking(move || match LoneStore::open(&dir)? {
        Some(mut store) => store.users_online(),
        None => Ok(0),
    });
    match looking.await {
        Ok(users) => users,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
