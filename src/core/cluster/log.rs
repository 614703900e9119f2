//! How one node reads the log that all nodes write: each entry once, in order, and no hole unseen.

use super::incarnation::Incarnation;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Incarnations whose last batch is remembered, before those that have gone are forgotten.
const GONE_LEN_MAX: usize = 1000;

/// One batch of events, as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The number of its last event.
    pub id: u64,
    /// The entry before it: zero for the first.
    pub previous: u64,
    /// Who put it there.
    pub incarnation: Incarnation,
    /// In which batch.
    pub batch: u64,
    /// The number of its first event.
    pub first: u64,
    /// The events; an empty one is a marker.
    pub events: Vec<Bytes>,
}

/// Up to where a node has read.
#[derive(Debug, Default)]
pub struct LogCursor {
    read: u64,
    /// The entry that was read last, if the next one has to stand behind it.
    last: Option<u64>,
    /// The last batch that was read of each incarnation.
    batches: BTreeMap<Incarnation, u64>,
}

/// What is new in what was read.
#[derive(Debug, PartialEq, Eq)]
pub struct NewEntries {
    /// Those that were not read before; with each, whether its batch was: it was lost then, and said again.
    pub entries: Vec<(LogEntry, bool)>,
    /// Whether some before or between them were cut off unread.
    pub is_missing_some: bool,
    /// Whether this is another log than the one that was read so far. Nothing more of it is taken.
    pub is_another: bool,
}

impl LogCursor {
    /// From `head` on: for a node that has no sockets yet.
    pub fn at(head: u64) -> Self {
        Self { read: head, ..Self::default() }
    }

    /// The number up to which all was read.
    pub fn read_to(&self) -> u64 {
        self.read
    }

    /// Takes what was read; what is known already is dropped.
    pub fn take(&mut self, entries: Vec<LogEntry>) -> NewEntries {
        let mut new = NewEntries { entries: Vec::new(), is_missing_some: false, is_another: false };
        for entry in entries {
            if entry.id <= self.read {
                continue;
            }
            // What stood between was lost, and this may have been written in its place.
            if self.last.is_some_and(|last| entry.previous < last) {
                new.is_another = true;
                break;
            }
            new.is_missing_some |= self.read < entry.previous;
            self.read = entry.id;
            self.last = Some(entry.id);
            let batch = self.batches.entry(entry.incarnation.clone()).or_default();
            let is_repeat = entry.batch <= *batch;
            *batch = entry.batch.max(*batch);
            new.entries.push((entry, is_repeat));
        }
        new
    }

    /// The state was compared with what this node knows: what comes next is part of it, whatever stands before.
    pub fn confirm(&mut self) {
        self.last = None;
    }

    /// Forgets the batches of all incarnations but these, if there are many: a copy of the log may come back in which those
    /// that have gone still are.
    pub fn keep(&mut self, is_living: impl Fn(&Incarnation) -> bool) {
        if self.batches.len() <= GONE_LEN_MAX {
            return;
        }
        self.batches.retain(|incarnation, _| is_living(incarnation));
    }

    /// The log lost what came after `common`; what stands there now is not what this node has read.
    pub fn rewind(&mut self, common: u64) {
        self.read = self.read.min(common);
    }
}

#[cfg(test)]
mod tests;
