//! How many bytes of what acks say are kept: for one request, be it one emit or a batch of a thousand, and for all that
//! are under way. What goes beyond is not kept: the ack counts, and only what it said is left out.

use crate::core::emit::acks::NotKept;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are kept for one request.
const REQUEST_BYTES: usize = 8_000_000;

/// What all requests may keep together. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct AckBudget {
    left: Arc<AtomicUsize>,
}

/// What one request may keep, and has kept. Its bytes are there for others when it is dropped: that is when nobody holds
/// what the acks said any more.
#[derive(Debug)]
pub struct AckShare {
    of: AckBudget,
    bytes_max: usize,
    left: AtomicUsize,
}

impl AckBudget {
    /// Room for so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes_max)) }
    }

    /// That of one request, of which nothing is kept yet.
    pub fn share(&self) -> Arc<AckShare> {
        Arc::new(self.share_of(REQUEST_BYTES))
    }

    fn share_of(&self, bytes_max: usize) -> AckShare {
        AckShare { of: self.clone(), bytes_max, left: AtomicUsize::new(bytes_max) }
    }
}

impl AckShare {
    /// Keeps so many more, or none of them.
    pub(super) fn keep(&self, bytes: usize) -> Result<(), NotKept> {
        take(&self.left, bytes).ok_or(NotKept::RequestFull)?;
        take(&self.of.left, bytes).ok_or_else(|| {
            self.left.fetch_add(bytes, Ordering::Relaxed);
            NotKept::ServerFull
        })
    }
}

impl Drop for AckShare {
    fn drop(&mut self) {
        let kept = self.bytes_max - *self.left.get_mut();
        self.of.left.fetch_add(kept, Ordering::Relaxed);
    }
}

fn take(left: &AtomicUsize, bytes: usize) -> Option<()> {
    let less = |left: usize| left.checked_sub(bytes);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{AckBudget, NotKept};

    #[test]
    fn a_request_has_its_share_and_all_together_have_theirs() {
        let all = AckBudget::new(100);
        let (one, other) = (all.share_of(60), all.share_of(60));
        assert_eq!(one.keep(40), Ok(()));
        assert_eq!(one.keep(30), Err(NotKept::RequestFull));
        assert_eq!(one.keep(20), Ok(()), "what was refused is not counted");

        assert_eq!(other.keep(50), Err(NotKept::ServerFull));
        assert_eq!(other.keep(40), Ok(()));
        drop(one);
        assert_eq!(other.keep(20), Ok(()), "what is let go is there for others");
        assert_eq!(other.keep(1), Err(NotKept::RequestFull));

        drop(other);
        assert_eq!(all.share_of(100).keep(100), Ok(()), "all of it is there again");
    }
}
