//! Which other node is gone: judged by silence on one's own clock, so that no two clocks have to agree.

use super::command::Observation;
use super::incarnation::Incarnation;
use crate::types::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Looks that may fail in a row before nothing is known any more.
const LOOKS: u32 = 3;

/// What a node has seen of the others.
#[derive(Debug, Default)]
pub struct Observer {
    seen: BTreeMap<Incarnation, Seen>,
    looked: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    batch: u64,
    since: Timestamp,
}

/// A node that has been silent for the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// Which one.
    pub incarnation: Incarnation,
    /// The batch at which it fell silent.
    pub batch: u64,
}

impl Observer {
    /// Takes what there is to see, and says who was silent for `lease` while this node looked every `interval`. After a
    /// longer time without a look the observation begins anew: the silence may have been on this side.
    pub fn observe(
        &mut self,
        observation: &Observation,
        lease: Duration,
        interval: Duration,
        now: Timestamp,
    ) -> Vec<Silent> {
        if self.looked.is_none_or(|looked| interval * LOOKS < now.since(looked)) {
            self.seen.clear();
        }
        self.looked = Some(now);
        let earlier = std::mem::take(&mut self.seen);
        let mut silent = Vec::new();
        for (incarnation, batch) in &observation.nodes {
            let seen = match earlier.get(incarnation) {
                Some(seen) if seen.batch == *batch => *seen,
                Some(_) | None => Seen { batch: *batch, since: now },
            };
            if lease <= now.since(seen.since) {
                silent.push(Silent { incarnation: incarnation.clone(), batch: *batch });
            }
            self.seen.insert(incarnation.clone(), seen);
        }
        silent
    }

    /// How long each node there is has been silent, as far as this one has looked.
    pub fn silences(&self, now: Timestamp) -> Vec<(Incarnation, Duration)> {
        self.seen.iter().map(|(it, seen)| (it.clone(), now.since(seen.since))).collect()
    }
}

#[cfg(test)]
mod tests;
