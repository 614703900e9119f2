//! Whether a stream of numbered events arrived whole, once each and in order.
//!
//! ```text
//!   0 1 2 [3 4] 5 6        next = 7, missing = [3..5)
//! ```

use std::collections::VecDeque;
use std::ops::Range;

/// Gaps that are remembered per stream; beyond, the oldest is counted as lost for good.
const GAPS_MAX: usize = 256;

/// What has arrived of one stream at one socket. Small while nothing is missing.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    next: u32,
    missing: Option<Box<MissingNumbers>>,
}

#[derive(Debug, Default)]
struct MissingNumbers {
    /// Ascending, not touching, none empty.
    gaps: VecDeque<Range<u32>>,
    forgotten: u64,
}

/// What an arrival was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Later than all before it; there may be a gap between.
    InOrder,
    /// It was missing, and others that were sent after it came before it.
    Late,
    /// It had come before (or was given up as lost).
    Duplicate,
}

impl Sequence {
    /// Takes down that number `seq` has arrived.
    pub(crate) fn take(&mut self, seq: u32) -> Arrival {
        if self.next <= seq {
            if self.next < seq {
                self.missing.get_or_insert_default().add(self.next..seq);
            }
            self.next = seq.saturating_add(1);
            return Arrival::InOrder;
        }
        match &mut self.missing {
            Some(missing) => missing.fill(seq),
            None => Arrival::Duplicate,
        }
    }

    /// How many of the first `sent` numbers have not arrived.
    pub(crate) fn lost(&self, sent: u32) -> u64 {
        let missing = self.missing.as_ref().map_or(0, |missing| {
            let gaps = missing.gaps.iter().map(|gap| u64::from(gap.end - gap.start));
            gaps.sum::<u64>() + missing.forgotten
        });
        missing + u64::from(sent.saturating_sub(self.next))
    }
}

impl MissingNumbers {
    fn add(&mut self, gap: Range<u32>) {
        self.gaps.push_back(gap);
        self.bound();
    }

    fn fill(&mut self, seq: u32) -> Arrival {
        let Some(index) = self.gaps.iter().position(|gap| gap.contains(&seq)) else {
            return Arrival::Duplicate;
        };
        let Some(gap) = self.gaps.remove(index) else { return Arrival::Duplicate };
        for part in [seq + 1..gap.end, gap.start..seq] {
            if !part.is_empty() {
                self.gaps.insert(index, part);
            }
        }
        self.bound();
        Arrival::Late
    }

    fn bound(&mut self) {
        while GAPS_MAX < self.gaps.len() {
            let oldest = self.gaps.pop_front().unwrap_or_default();
            self.forgotten += u64::from(oldest.end - oldest.start);
        }
    }
}
