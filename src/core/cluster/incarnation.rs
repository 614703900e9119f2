//! The names of lives and times: who a node is at the moment, and since when nothing was lost.

use std::fmt;
use std::sync::Arc;

/// One life of a node: a new name after each time that others may have taken it for dead.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(Arc<str>);

impl Incarnation {
    /// A name that nobody else has: the node's own, and how often it began anew.
    pub fn new(node: &str, life: u64) -> Self {
        Self(format!("{node}.{life}").into())
    }

    /// The name as it was read.
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the node, which it keeps over all its lives.
    pub fn node(&self) -> &str {
        self.0.rsplit_once('.').map_or(&*self.0, |(node, _)| node)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a time in which nothing that was answered for was lost. An offset counts only in the epoch in which the
/// session of its client began.
pub type Epoch = Arc<str>;
