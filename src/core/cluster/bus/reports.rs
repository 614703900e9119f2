//! What a node says of itself, and of what it alone remembers, for whoever asks all of them.

use super::facts::SocketFacts;
use super::past::{AckFacts, MessageFacts, VisitFacts};
use crate::core::ingest::report::SourceFacts;
use crate::types::UserId;
use serde::{Deserialize, Serialize};

/// What a node is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportQuery {
    /// How it is.
    Node,
    /// How its sources of emits are doing.
    Sources,
    /// Its last emits.
    Messages {
        /// Only those for this user, who has these sockets.
        of: Option<(UserId, Vec<SocketFacts>)>,
        /// How many, at most.
        limit: usize,
    },
    /// What it remembers of the acks of an emit with one of these ids.
    Acks(Vec<String>),
    /// The sockets that a user has and had there.
    Visits(UserId),
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeReport {
    /// To [`ReportQuery::Node`].
    Node(NodeFacts),
    /// To [`ReportQuery::Sources`]: its name, and its sources in the order of its configuration.
    Sources(String, Vec<SourceFacts>),
    /// To [`ReportQuery::Messages`], the newest first.
    Messages(Vec<MessageFacts>),
    /// To [`ReportQuery::Acks`], if it remembers any.
    Acks(Option<AckFacts>),
    /// To [`ReportQuery::Visits`].
    Visits(Vec<VisitFacts>),
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
