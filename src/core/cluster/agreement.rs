//! What the nodes of a cluster have to agree on, because they would do different things with the same state otherwise; and
//! how a node that means something else finds out whether those who agreed are still there.

use super::command::Dissent;
use crate::types::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Looks that may fail in a row before nothing is known any more.
const LOOKS: u32 = 3;

/// What one node means by the state that all share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreement {
    /// What all must mean.
    pub must: Vec<Term>,
    /// What should be the same on all, and may differ while it is being changed.
    pub should: Vec<Term>,
}

/// One key and what a node means by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The key of the configuration, or `format`.
    pub key: &'static str,
    /// What is compared. Of a secret, a fingerprint.
    pub value: String,
    /// Whether the value is for nobody's eyes.
    pub is_hidden: bool,
}

impl Term {
    /// A value that may be shown.
    pub fn shown(key: &'static str, value: impl Into<String>) -> Self {
        Self { key, value: value.into(), is_hidden: false }
    }

    /// The fingerprint of a value that may not.
    pub fn hidden(key: &'static str, value: impl Into<String>) -> Self {
        Self { key, value: value.into(), is_hidden: true }
    }
}

/// One key in which two nodes differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// What the others mean and what this node does; `None`: not for anybody's eyes.
    pub values: Option<(String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.values {
            Some((theirs, own)) => write!(f, "{}: {theirs} there, {own} here", self.key),
            None => write!(f, "{}: another one there than here", self.key),
        }
    }
}

impl Agreement {
    /// The differences of which others said their keys and values.
    pub fn differences(&self, theirs: &[(String, String)]) -> Vec<Difference> {
        let own = |key: &str| self.must.iter().chain(&self.should).find(|it| it.key == key);
        let difference = |(key, theirs): &(String, String)| {
            let own = own(key).filter(|it| !it.is_hidden);
            let values = own.map(|own| (theirs.clone(), own.value.clone()));
            Difference { key: key.clone(), values }
        };
        theirs.iter().map(difference).collect()
    }
}

/// Those who agreed on something else, as a node that wants to come in sees them.
#[derive(Debug, Default)]
pub struct Strangers(Option<Seen>);

#[derive(Debug)]
struct Seen {
    witness: Arc<str>,
    lease: Duration,
    since: Timestamp,
    looked: Timestamp,
    have_moved: bool,
}

impl Strangers {
    /// Takes what there is to see of them; they are looked at every `interval`.
    pub fn saw(&mut self, dissent: &Dissent, interval: Duration, now: Timestamp) {
        let Dissent { witness, lease, differs: _ } = dissent;
        // After a longer time without a look they may have moved and moved back to the same, or this node stood still.
        let before = self.0.take().filter(|it| now.since(it.looked) <= interval * LOOKS);
        let is_same = before.as_ref().is_some_and(|it| it.witness == *witness);
        let since = before.as_ref().filter(|_| is_same).map_or(now, |it| it.since);
        let have_moved = before.is_some_and(|it| it.have_moved || !is_same);
        let (witness, lease) = (Arc::clone(witness), *lease);
        self.0 = Some(Seen { witness, lease, since, looked: now, have_moved });
    }

    /// Whether it is time to look again.
    pub fn is_due(&self, interval: Duration, now: Timestamp) -> bool {
        self.0.as_ref().is_none_or(|it| interval <= now.since(it.looked))
    }

    /// Whether one of them has moved since they were seen first: it lives.
    pub fn have_moved(&self) -> bool {
        self.0.as_ref().is_some_and(|it| it.have_moved)
    }

    /// What witnesses that none of them has moved for `lease`, and for the one they agreed on.
    pub fn unmoved(&self, lease: Duration, now: Timestamp) -> Option<Arc<str>> {
        let seen = self.0.as_ref()?;
        (lease.max(seen.lease) <= now.since(seen.since)).then(|| Arc::clone(&seen.witness))
    }
}

#[cfg(test)]
mod tests;
