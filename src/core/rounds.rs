//! Work that comes in waves is begun in rounds: some of it, then whatever else there is to do, then some more.
//!
//! In a round with room left, whoever comes begins at once. The others wait, in the order in which they came. Rounds go on
//! until one in which nobody came.

use std::collections::VecDeque;

/// Who may begin, and who waits.
#[derive(Debug)]
pub struct Rounds<T> {
    per_round: usize,
    /// How many may still begin in this round.
    room: usize,
    waiting: VecDeque<T>,
    /// No round follows by itself.
    is_resting: bool,
}

/// What becomes of somebody who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundPlace {
    /// Begins at once.
    Begins,
    /// Begins at once, and from now on rounds follow each other: [`Rounds::begin_round`] must be called after this one.
    BeginsFirst,
    /// Must wait.
    Waits,
}

impl<T> Rounds<T> {
    /// So many begin in each round.
    pub fn new(per_round: usize) -> Self {
        Self { per_round, room: per_round, waiting: VecDeque::new(), is_resting: true }
    }

    /// Somebody comes.
    pub fn come(&mut self) -> RoundPlace {
        let Some(room) = self.room.checked_sub(1) else { return RoundPlace::Waits };
        self.room = room;
        if std::mem::replace(&mut self.is_resting, false) {
            RoundPlace::BeginsFirst
        } else {
            RoundPlace::Begins
        }
    }

    /// Somebody waits who must.
    pub fn wait(&mut self, it: T) {
        self.waiting.push_back(it);
    }

    /// The next round begins. Returns who begins in it; `None` if nobody came in the last one: then rounds rest.
    pub fn begin_round(&mut self) -> Option<Vec<T>> {
        let (room, waiting) = (self.room, self.waiting.len());
        self.room = self.per_round - waiting.min(self.per_round);
        if room == self.per_round && waiting == 0 {
            self.is_resting = true;
            self.waiting = VecDeque::new(); // gives the memory back
            return None;
        }
        Some(self.waiting.drain(..waiting.min(self.per_round)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{RoundPlace, Rounds};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn everybody_begins_in_order_and_no_more_in_a_round_than_may(
            per_round in 1..4_usize,
            comes in prop::collection::vec(0..10_usize, 0..40),
        ) {
            let mut rounds = Rounds::new(per_round);
            let (mut came, mut began, mut goes_on, mut this_round) = (0, Vec::new(), false, 0);
            for coming in comes {
                if goes_on {
                    let is_idle = this_round == 0 && came == began.len();
                    let round = rounds.begin_round();
                    prop_assert_eq!(round.is_none(), is_idle, "rounds rest when there is nothing to do");
                    goes_on = round.is_some();
                    let round = round.unwrap_or_default();
                    this_round = round.len();
                    began.extend(round);
                }
                for _ in 0..coming {
                    came += 1;
                    match rounds.come() {
                        RoundPlace::Waits => rounds.wait(came),
                        it @ (RoundPlace::Begins | RoundPlace::BeginsFirst) => {
                            prop_assert_eq!(it == RoundPlace::BeginsFirst, !goes_on);
                            goes_on = true;
                            this_round += 1;
                            began.push(came);
                        }
                    }
                }
                prop_assert!(this_round <= per_round);
                prop_assert!(goes_on || came == began.len(), "who waits is not forgotten");
                prop_assert!(this_round == per_round || came == began.len(), "nobody waits in vain");
            }
            prop_assert_eq!(&began, &(1..=began.len()).collect::<Vec<_>>());
            while goes_on {
                let next = rounds.begin_round();
                goes_on = next.is_some();
                began.extend(next.unwrap_or_default());
            }
            prop_assert_eq!(&began, &(1..=came).collect::<Vec<_>>());
        }
    }
}
