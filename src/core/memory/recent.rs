//! The last of many things: so many, so heavy together.

use super::bounded::{BoundedMemory, MemoryBounds};
use crate::types::Timestamp;

/// The last of what was added.
#[derive(Debug)]
pub struct Recent<V>(BoundedMemory<(), V>);

impl<V> Recent<V> {
    /// Keeps at most `count_max`, which weigh at most `weight_max` together; beyond, the oldest go. Zero keeps none.
    pub fn new(count_max: usize, weight_max: usize) -> Self {
        Self(BoundedMemory::new(MemoryBounds {
            entries_max: count_max,
            bytes_max: weight_max,
            ..MemoryBounds::NONE
        }))
    }

    /// Adds one. What alone is too heavy is not kept, and leaves nothing of what came before: there is no hole.
    pub fn add(&mut self, value: V, weight: usize) {
        // Whatever is kept here does not age.
        self.0.add((), value, weight, Timestamp::default());
    }

    /// Takes a user out of what is kept: `erase` does so with one value, and answers its weight afterwards.
    pub fn erase(&mut self, mut erase: impl FnMut(&mut V) -> usize) {
        self.0.revise(|(), value| erase(value));
    }

    /// What is kept, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;
    use proptest::prelude::*;

    /// As many of the last as fit.
    fn model(added: &[(u32, usize)], count_max: usize, weight_max: usize) -> Vec<u32> {
        let mut kept = Vec::new();
        let mut weight = 0;
        for (value, its) in added.iter().rev() {
            weight += its;
            if count_max <= kept.len() || weight_max < weight {
                break;
            }
            kept.push(*value);
        }
        kept
    }

    proptest! {
        #[test]
        fn the_last_that_fit_are_kept(
            added in prop::collection::vec((0_u32..100, 0_usize..8), 0..60),
            count_max in 0_usize..8,
            weight_max in 0_usize..20,
        ) {
            let mut recent = Recent::new(count_max, weight_max);
            for (at, (value, weight)) in added.iter().enumerate() {
                recent.add(*value, *weight);
                let kept: Vec<u32> = recent.iter().copied().collect();
                prop_assert_eq!(kept, model(&added[..=at], count_max, weight_max));
            }
        }
    }
    #[test]
    fn a_user_is_taken_out_of_each() {
        let mut recent = Recent::new(9, 5);
        recent.add(vec!["ann", "bob"], 2);
        recent.add(vec!["ann"], 1);

        recent.erase(|users| {
            users.retain(|it| *it != "ann");
            users.len()
        });
        recent.add(vec!["eve"; 4], 4);

        let kept: Vec<_> = recent.iter().cloned().collect();
        assert_eq!(kept, [vec!["eve"; 4], vec![], vec!["bob"]], "weighed anew");
    }
}
