//! What a node says of itself, for whoever asks all of them.

use crate::core::ingest::report::SourceFacts;
use serde::{Deserialize, Serialize};

/// What a node is asked about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportQuery {
    /// How it is.
    Node,
    /// How its sources of emits are doing.
    Sources,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeReport {
    /// To [`ReportQuery::Node`].
    Node(NodeFacts),
    /// To [`ReportQuery::Sources`]: its name, and its sources in the order of its configuration.
    Sources(String, Vec<SourceFacts>),
}

/// A node, as it sees itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// What this run of the process is called.
    pub name: String,
    /// What it is called in the cluster at the moment: its name, and how often it began anew. `None`: it is alone.
    pub incarnation: Option<String>,
    /// The machine it runs on.
    pub host: String,
    /// Its version of this program.
    pub version: String,
    /// When it started, in ms since 1970.
    pub started_at: u64,
    /// Sockets on it.
    pub sockets: usize,
    /// Users with sockets on it.
    pub users: usize,
    /// Whether it is stopping.
    pub is_draining: bool,
    /// The endpoints of hooks for which it delivers.
    pub endpoints: Vec<String>,
    /// The sources of emits from which it takes.
    pub sources: Vec<String>,
}
