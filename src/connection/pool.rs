//! Bytes that many may take and give back: a bound in all for what is bounded for each.

use std::sync::atomic::{AtomicUsize, Ordering};
use thiserror::Error;

/// Bytes that are left.
#[derive(Debug)]
pub(super) struct Pool {
    left: AtomicUsize,
}

/// So many are not left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no room for so many bytes")]
pub(super) struct NoRoom;

impl Pool {
    pub(super) fn new(max: usize) -> Self {
        Self { left: AtomicUsize::new(max) }
    }

    /// Takes `bytes`, or none.
    pub(super) fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        let less = |left: usize| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.map(|_| ()).map_err(|_| NoRoom)
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Pool {
    /// Bytes that may still be taken.
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}
