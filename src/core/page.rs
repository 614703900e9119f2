//! One page of a list in ascending order, gathered in one pass however long the list is.

use std::collections::BTreeMap;

/// One page of a list in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Whether there is more after the last one.
    pub has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), has_more: false }
    }
}

/// The smallest keys of all that are offered, with memory for one page.
#[derive(Debug)]
pub struct Smallest<K, V> {
    found: BTreeMap<K, V>,
    limit: usize,
    has_more: bool,
}

impl<K: Ord, V> Smallest<K, V> {
    /// Keeps `limit` at the most.
    pub fn new(limit: usize) -> Self {
        Self { found: BTreeMap::new(), limit, has_more: false }
    }

    /// Keeps an entry if its key is among the smallest so far.
    pub fn offer(&mut self, key: K, value: V) {
        self.found.insert(key, value);
        if self.limit < self.found.len() {
            self.found.pop_last();
            self.has_more = true;
        }
    }

    /// The page of those that were kept.
    pub fn into_page<T>(self, item: impl FnMut((K, V)) -> T) -> Page<T> {
        Page { items: self.found.into_iter().map(item).collect(), has_more: self.has_more }
    }
}
