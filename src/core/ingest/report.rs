//! How a source of emits is doing: on one node, and on all of them together.

use crate::types::WallMs;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceKind {
    /// A table in PostgreSQL.
    Postgres,
    /// What others publish on Redis.
    RedisEmitter,
    /// A stream in Redis.
    RedisStream,
}

/// What a source is doing. Of several nodes the one that says the most comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum SourceState {
    /// Another server takes them; it waits for its turn.
    Standby,
    /// It has not reached where its messages are yet.
    #[default]
    Connecting,
    /// It cannot, and tries again.
    Failing,
    /// It takes messages.
    Active,
}

/// How a source is doing, since the server started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceReport {
    /// What it is doing.
    pub state: SourceState,
    /// Messages that wait for it, as it last counted; `None` if it has not, or if nothing can wait there.
    pub backlog: Option<u64>,
    /// Messages that failed and are still where they came from; `None` as for `backlog`.
    pub failed: Option<u64>,
    /// How long the oldest of those that wait has waited.
    pub lag: Option<Duration>,
    /// What became of its messages.
    pub counts: SourceCounts,
    /// What last kept it from its messages.
    pub trouble: Option<SourceTrouble>,
    /// From when to when it last may have missed messages, where nothing keeps them.
    pub missed: Option<(WallMs, WallMs)>,
    /// The last message that it refused.
    pub refused: Option<SourceTrouble>,
}

/// What became of the messages of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceCounts {
    /// Emitted, to somebody or into an inbox.
    pub emitted: u64,
    /// Stored before under the same name: not emitted again.
    pub repeated: u64,
    /// Emitted, and nobody was there for whom they were.
    pub unmatched: u64,
    /// Had sockets join or leave rooms, or disconnected them.
    pub changed: u64,
    /// Wrong, or not allowed: not emitted.
    pub refused: u64,
    /// Too old: not emitted.
    pub expired: u64,
    /// Lost before they could be read.
    pub lost: u64,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTrouble {
    /// When.
    pub at: WallMs,
    /// The stable name of what it is.
    pub code: Cow<'static, str>,
    /// The same for people.
    pub message: String,
}

/// A source as one node has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// Its name in the configuration.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// How it is doing there.
    pub report: SourceReport,
}

/// A source as all nodes have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOnNodes {
    /// Its name and kind, and how it is doing: what becomes of its messages is counted over all nodes, the rest is what the
    /// node says that takes them, or, without one, the node that knows the most.
    pub source: SourceFacts,
    /// The node that takes its messages.
    pub node: Option<String>,
}

impl SourceKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::RedisEmitter, Self::RedisStream];

    /// Its name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::RedisEmitter => "redis_emitter",
            Self::RedisStream => "redis_stream",
        }
    }
}

impl SourceState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connecting, Self::Active, Self::Standby, Self::Failing];

    /// Its name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Failing => "failing",
        }
    }
}

impl SourceCounts {
    fn add(&mut self, other: Self) {
        let Self { emitted, repeated, unmatched, changed, refused, expired, lost } = other;
        self.emitted += emitted;
        self.repeated += repeated;
        self.unmatched += unmatched;
        self.changed += changed;
        self.refused += refused;
        self.expired += expired;
        self.lost += lost;
    }
}

impl SourceOnNodes {
    /// As `node` has it, and nobody else.
    pub fn of(source: SourceFacts, node: &str) -> Self {
        let is_active = source.report.state == SourceState::Active;
        Self { source, node: is_active.then(|| node.to_owned()) }
    }

    /// With what another node says of the same source.
    pub fn add(&mut self, other: Self) {
        let (own, its) = (&mut self.source.report, other.source.report);
        let mut counts = own.counts;
        counts.add(its.counts);
        let trouble = later(own.trouble.take(), its.trouble.clone());
        let refused = later(own.refused.take(), its.refused.clone());
        let missed = own.missed.max(its.missed);
        if own.state < its.state {
            *own = its;
        }
        *own = SourceReport { counts, trouble, missed, refused, ..own.clone() };
        self.node = self.node.take().or(other.node);
    }
}

/// Whatever came last.
fn later(one: Option<SourceTrouble>, other: Option<SourceTrouble>) -> Option<SourceTrouble> {
    one.into_iter().chain(other).max_by_key(|it| it.at)
}

#[cfg(test)]
mod tests {
    use super::{SourceFacts, SourceKind, SourceOnNodes, SourceReport, SourceState, SourceTrouble};
    use crate::types::WallMs;
    use proptest::prelude::*;

    fn source(state: SourceState, emitted: u64, at: Option<u64>) -> SourceFacts {
        let mut report = SourceReport { state, backlog: Some(emitted), ..SourceReport::default() };
        report.counts.emitted = emitted;
        report.missed = at.map(|it| (WallMs(0), WallMs(it)));
        report.trouble = at.map(|it| SourceTrouble {
            at: WallMs(it),
            code: "timeout".into(),
            message: String::new(),
        });
        report.refused.clone_from(&report.trouble);
        SourceFacts { name: "orders".to_owned(), kind: SourceKind::Postgres, report }
    }

    proptest! {
        #[test]
        fn the_node_that_takes_messages_speaks_and_all_are_counted(
            // At most one takes them.
            active in 0_usize..8,
            nodes in prop::collection::vec((0_usize..3, 0_u64..100, prop::option::of(0_u64..9)), 1..6),
        ) {
            let idle = [SourceState::Standby, SourceState::Connecting, SourceState::Failing];
            let states: Vec<SourceState> = nodes
                .iter()
                .enumerate()
                .map(|(at, (idle_as, ..))| if at == active { SourceState::Active } else { idle[*idle_as] })
                .collect();
            let mut each = nodes.iter().zip(&states).enumerate().map(|(at, ((_, emitted, time), state))| {
                SourceOnNodes::of(source(*state, *emitted, *time), &format!("n{at}"))
            });
            let mut all = each.next().unwrap();
            each.for_each(|it| all.add(it));

            let report = &all.source.report;
            prop_assert_eq!(report.counts.emitted, nodes.iter().map(|it| it.1).sum::<u64>());
            prop_assert_eq!(report.state, *states.iter().max().unwrap());
            let speaks = states.iter().position(|it| *it == report.state).unwrap();
            prop_assert_eq!(report.backlog, Some(nodes[speaks].1));
            prop_assert_eq!(all.node, (active < nodes.len()).then(|| format!("n{active}")));
            let latest = nodes.iter().filter_map(|it| it.2).max().map(WallMs);
            prop_assert_eq!(report.trouble.as_ref().map(|it| it.at), latest);
            prop_assert_eq!(report.refused.as_ref().map(|it| it.at), latest);
            prop_assert_eq!(report.missed.map(|it| it.1), latest);
        }
    }
}
