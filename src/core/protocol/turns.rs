//! Who has a turn, when only so many may have one at once. The others wait, in the order in which they came.

use std::collections::VecDeque;

/// The turns at one thing.
#[derive(Debug)]
pub struct Turns<T> {
    free: usize,
    waiting: VecDeque<T>,
}

impl<T> Turns<T> {
    /// So many may have a turn at once.
    pub fn new(max: usize) -> Self {
        Self { free: max, waiting: VecDeque::new() }
    }

    /// Somebody comes. Returned if it is its turn; else it waits.
    pub fn come(&mut self, it: T) -> Option<T> {
        if self.free == 0 {
            self.waiting.push_back(it);
            return None;
        }
        self.free -= 1;
        Some(it)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A turn has ended. Returns whose turn it is now, if somebody waited.
    pub fn end(&mut self) -> Option<T> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.free += 1;
            self.waiting = VecDeque::new(); // gives the memory back
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn everybody_has_a_turn_in_order_and_no_more_at_once_than_may(
            max in 1..4_usize,
            comes in prop::collection::vec(any::<bool>(), 0..60),
        ) {
            let mut turns = Turns::new(max);
            let (mut next, mut has_turn, mut seen) = (0, 0, Vec::new());
            for is_new in comes {
                let begins = if is_new {
                    next += 1;
                    turns.come(next)
                } else if has_turn == 0 {
                    continue;
                } else {
                    has_turn -= 1;
                    turns.end()
                };
                has_turn += usize::from(begins.is_some());
                seen.extend(begins);
                prop_assert!(has_turn <= max);
                prop_assert_eq!(turns.waiting(), next - seen.len());
                prop_assert_eq!(has_turn, max.min(has_turn + next - seen.len()), "nobody waits in vain");
            }
            prop_assert_eq!(&seen, &(1..=seen.len()).collect::<Vec<_>>());
        }
    }
}
