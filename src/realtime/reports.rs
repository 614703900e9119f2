//! How the nodes are, what goes on where, and what each alone remembers: each says that of itself.

mod past;

pub use past::ReportError;

use super::directory::Directory;
use super::messages::Messages;
use super::people::People;
use super::sources::{IngestSources, SourceView};
use crate::cluster::{Bus, BusError, ClusterMember, OnNodes};
use crate::core::cluster::bus::reports::{NodeFacts, NodeReport, ReportQuery};
use crate::core::cluster::bus::words::{BusRequest, NodeAnswer};
use crate::core::ingest::report::{SourceOnNodes, SourceState};
use crate::hooks::Hooks;
use crate::types::{WallMs, millis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What this run of the process is.
#[derive(Debug, Clone)]
pub struct ThisNode {
    /// What it is called.
    pub name: Arc<str>,
    /// The machine it runs on.
    pub host: Arc<str>,
    /// When it started.
    pub started_at: WallMs,
}

/// Says how this node is, and asks the others.
#[derive(Debug)]
pub struct Reports {
    this: ThisNode,
    parts: ReportParts,
    sources: IngestSources,
    /// The other nodes, if there are any.
    cluster: Option<(ClusterMember, Bus)>,
}

/// What is reported of.
#[derive(Debug)]
pub struct ReportParts {
    /// Who is here.
    pub directory: Arc<Directory>,
    /// What was emitted.
    pub messages: Arc<Messages>,
    /// Who was here.
    pub people: Arc<People>,
    /// Receivers of hooks.
    pub hooks: Hooks,
}

/// A node, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// What it is called.
    pub name: String,
    /// What it is called in the cluster at the moment. `None`: it is alone.
    pub incarnation: Option<String>,
    /// How many ms ago this node last saw a sign of it in Redis. `None`: it has not looked yet, or is alone.
    pub silent_ms: Option<u64>,
    /// What it says of itself. `None`: it did not answer.
    pub facts: Option<NodeFacts>,
}

impl Reports {
    /// Of this node, and of those of `cluster`.
    pub fn new(
        this: ThisNode,
        parts: ReportParts,
        sources: IngestSources,
        cluster: Option<(ClusterMember, Bus)>,
    ) -> Self {
        Self { this, parts, sources, cluster }
    }

    /// The name of this node.
    pub fn name(&self) -> &str {
        &self.this.name
    }

    /// What another node asks.
    pub fn answer(&self, query: &ReportQuery) -> NodeReport {
        match query {
            ReportQuery::Node => NodeReport::Node(self.here()),
            ReportQuery::Sources => {
                let sources = self.sources.iter().map(SourceView::facts).collect();
                NodeReport::Sources(self.this.name.to_string(), sources)
            }
            ReportQuery::Messages { of, limit } => {
                NodeReport::Messages(self.messages_here(of.as_ref(), *limit))
            }
            ReportQuery::Acks(ids) => NodeReport::Acks(self.acks_here(ids)),
            ReportQuery::Visits(user) => NodeReport::Visits(self.visits_here(user)),
        }
    }

    /// Has whichever node delivers for an endpoint try now what waits for the end of a back-off.
    pub async fn wake_hooks(&self, endpoint: &str) -> Result<(), BusError> {
        self.wake_hooks_here(endpoint).await;
        if let Some((_, bus)) = &self.cluster {
            bus.announce(BusRequest::WakeHooks(endpoint.to_owned()))?;
        }
        Ok(())
    }

    /// The same, if this node does.
    pub async fn wake_hooks_here(&self, endpoint: &str) {
        if let Some(endpoint) = self.parts.hooks.endpoint(endpoint) {
            self.parts.hooks.wake(endpoint).await;
        }
    }

    /// All nodes, by name: those that answer, and those of which only Redis knows.
    pub async fn nodes(&self) -> Result<OnNodes<Vec<NodeView>>, BusError> {
        let OnNodes { done: reports, missing } = self.ask(ReportQuery::Node).await?;
        let mut nodes: BTreeMap<String, NodeView> = BTreeMap::new();
        for report in reports {
            let NodeReport::Node(facts) = report else { continue };
            let (name, incarnation) = (facts.name.clone(), facts.incarnation.clone());
            let view = NodeView { name, incarnation, silent_ms: None, facts: Some(facts) };
            nodes.insert(view.name.clone(), view);
        }
        let silences = self.cluster.as_ref().map(|(member, _)| member.silences());
        for (incarnation, silent) in silences.unwrap_or_default() {
            let node = nodes.entry(incarnation.node().to_owned()).or_insert_with(|| NodeView {
                name: incarnation.node().to_owned(),
                incarnation: Some(incarnation.as_str().to_owned()),
                silent_ms: None,
                facts: None,
            });
            // An earlier life of it may not be over yet.
            if node.incarnation.as_deref() == Some(incarnation.as_str()) {
                node.silent_ms = Some(millis(silent));
            }
        }
        Ok(OnNodes { done: nodes.into_values().collect(), missing })
    }

    /// The sources of emits, as all nodes have them: those of this node first, in the order of its configuration.
    pub async fn sources(&self) -> Result<OnNodes<Vec<SourceOnNodes>>, BusError> {
        let OnNodes { done: reports, missing } = self.ask(ReportQuery::Sources).await?;
        let mut all: Vec<SourceOnNodes> = Vec::new();
        for report in reports {
            let NodeReport::Sources(node, sources) = report else { continue };
            for source in sources.into_iter().map(|it| SourceOnNodes::of(it, &node)) {
                let is_it = |it: &&mut SourceOnNodes| it.source.name == source.source.name;
                match all.iter_mut().find(is_it) {
                    Some(known) => known.add(source),
                    None => all.push(source),
                }
            }
        }
        Ok(OnNodes { done: all, missing })
    }

    /// What this node says, and then the others.
    async fn ask(&self, query: ReportQuery) -> Result<OnNodes<Vec<NodeReport>>, BusError> {
        let Some((_, bus)) = &self.cluster else {
            return Ok(OnNodes::here(vec![self.answer(&query)]));
        };
        let asked = bus.ask(BusRequest::Report(query.clone()))?;
        let mut reports = vec![self.answer(&query)];
        let answers = asked.answers().await;
        let others = answers.answers.into_iter();
        reports.extend(others.filter_map(|it| {
            if let NodeAnswer::Report(report) = it { Some(*report) } else { None }
        }));
        Ok(OnNodes { done: reports, missing: answers.missing })
    }

    fn here(&self) -> NodeFacts {
        let ThisNode { name, host, started_at } = &self.this;
        let (stats, member) = (self.parts.directory.stats(), self.cluster.as_ref().map(|it| &it.0));
        let takes = self.sources.iter().map(SourceView::facts);
        let takes = takes.filter(|it| it.report.state == SourceState::Active);
        NodeFacts {
            name: name.to_string(),
            incarnation: member
                .and_then(ClusterMember::incarnation)
                .map(|it| it.as_str().to_owned()),
            host: host.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: started_at.0,
            sockets: stats.counts.sockets,
            users: stats.counts.users - stats.counts.lingering,
            is_draining: self.parts.directory.is_draining(),
            endpoints: self.parts.hooks.delivering(),
            sources: takes.map(|it| it.name).collect(),
        }
    }
}
