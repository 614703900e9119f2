//! Work that comes in waves is begun in rounds: some of it, then whatever else there is to do, then some more.
//!
//! In a round with room left, whoever comes begins at once. The others wait, in the order in which they came. Rounds go on
//! until one in which nobody came. Each round costs something, and holds up whoever has something else to do: so there is
//! room for many in a round while few wait, and for few while many wait.

use std::collections::VecDeque;

/// Who may begin, and who waits.
#[derive(Debug)]
pub struct Rounds<T> {
    sizes: RoundSizes,
    /// How many may still begin in this round.
    room: usize,
    waiting: VecDeque<T>,
    /// No round follows by itself.
    is_resting: bool,
}

/// How many begin in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundSizes {
    /// While fewer wait than in a storm.
    pub calm: usize,
    /// In a storm.
    pub storm: usize,
    /// Waiting ones that make a storm.
    pub storm_from: usize,
}

impl RoundSizes {
    /// So many times as many.
    #[must_use]
    pub fn times(self, factor: usize) -> Self {
        let Self { calm, storm, storm_from } = self;
        let [calm, storm, storm_from] = [calm, storm, storm_from].map(|it| it * factor);
        Self { calm, storm, storm_from }
    }

    /// How many may begin in a round before which so many wait.
    fn of(self, waiting: usize) -> usize {
        if waiting < self.storm_from { self.calm } else { self.storm }
    }
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
    pub fn new(sizes: RoundSizes) -> Self {
        Self { sizes, room: sizes.of(0), waiting: VecDeque::new(), is_resting: true }
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
        let size = self.sizes.of(waiting);
        let begin = waiting.min(size);
        self.room = size - begin;
        if waiting == 0 && room == size {
            self.is_resting = true;
            self.waiting = VecDeque::new(); // gives the memory back
            return None;
        }
        Some(self.waiting.drain(..begin).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{RoundPlace, RoundSizes, Rounds};
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// Whoever comes waits, and a round lets the first of these in while there is room: what must come out, said plainly.
    struct NaiveRounds {
        sizes: RoundSizes,
        waiting: VecDeque<usize>,
        room: usize,
        began: Vec<usize>,
    }

    impl NaiveRounds {
        fn begin_round(&mut self) {
            let is_storm = self.sizes.storm_from <= self.waiting.len();
            self.room = if is_storm { self.sizes.storm } else { self.sizes.calm };
            self.let_in();
        }

        fn come(&mut self, it: usize) {
            self.waiting.push_back(it);
            self.let_in();
        }

        fn let_in(&mut self) {
            while 0 < self.room
                && let Some(first) = self.waiting.pop_front()
            {
                self.room -= 1;
                self.began.push(first);
            }
        }
    }

    fn sizes() -> impl Strategy<Value = RoundSizes> {
        (1..4_usize, 0..6_usize, 1..12_usize).prop_map(|(storm, more, storm_from)| RoundSizes {
            calm: storm + more,
            storm,
            storm_from,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn everybody_begins_in_order_and_no_more_in_a_round_than_may(
            sizes in sizes(),
            comes in prop::collection::vec(0..16_usize, 0..40),
        ) {
            let mut rounds = Rounds::new(sizes);
            let room = sizes.calm;
            let mut naive = NaiveRounds { sizes, waiting: VecDeque::new(), room, began: Vec::new() };
            let (mut came, mut began, mut goes_on) = (0, Vec::new(), false);
            let mut began_before = 0;
            for coming in comes {
                if goes_on {
                    let is_idle = began.len() == began_before && came == began.len();
                    began_before = began.len();
                    naive.begin_round();
                    let round = rounds.begin_round();
                    prop_assert_eq!(round.is_none(), is_idle, "rounds rest when there is nothing to do");
                    goes_on = round.is_some();
                    began.extend(round.unwrap_or_default());
                }
                for _ in 0..coming {
                    came += 1;
                    naive.come(came);
                    match rounds.come() {
                        RoundPlace::Waits => rounds.wait(came),
                        it @ (RoundPlace::Begins | RoundPlace::BeginsFirst) => {
                            prop_assert_eq!(it == RoundPlace::BeginsFirst, !goes_on);
                            goes_on = true;
                            began.push(came);
                        }
                    }
                }
                prop_assert_eq!(&began, &naive.began);
                prop_assert!(goes_on || came == began.len(), "who waits is not forgotten");
            }
            // Nobody waits for ever: the shortest rounds are enough for all.
            for _ in 0..=(came - began.len()).div_ceil(sizes.storm.min(sizes.calm)) {
                goes_on = goes_on && rounds.begin_round().map(|it| began.extend(it)).is_some();
            }
            prop_assert_eq!(&began, &(1..=came).collect::<Vec<_>>());
        }
    }

    #[test]
    fn rounds_are_large_while_few_wait_and_small_while_many_do() {
        let mut rounds = Rounds::new(RoundSizes { calm: 3, storm: 1, storm_from: 5 });
        let came = |rounds: &mut Rounds<u32>, n: u32| {
            for it in 0..n {
                if rounds.come() == RoundPlace::Waits {
                    rounds.wait(it);
                }
            }
        };
        came(&mut rounds, 3 + 6);
        let mut began = || rounds.begin_round().map(|it| it.len());

        assert_eq!([began(), began(), began(), began()], [Some(1), Some(1), Some(3), Some(1)]);
        assert_eq!([began(), began()], [Some(0), None]);
    }
}
