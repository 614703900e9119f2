//! The last of many things: so many, so heavy together.

use std::collections::VecDeque;

/// The last of what was added. A plain queue: every emit comes by here.
#[derive(Debug)]
pub struct Recent<V> {
    count_max: usize,
    weight_max: usize,
    /// With their weights, the oldest first.
    kept: VecDeque<(V, usize)>,
    /// Of all that are kept.
    weight: usize,
}

impl<V> Recent<V> {
    /// Keeps at most `count_max`, which weigh at most `weight_max` together; beyond, the oldest go. Zero keeps none.
    pub fn new(count_max: usize, weight_max: usize) -> Self {
        Self { count_max, weight_max, kept: VecDeque::new(), weight: 0 }
    }

    /// Adds one. What alone is too heavy is not kept, and leaves nothing of what came before: there is no hole.
    pub fn add(&mut self, value: V, weight: usize) {
        self.weight = self.weight.saturating_add(weight);
        self.kept.push_back((value, weight));
        while (self.count_max < self.kept.len() || self.weight_max < self.weight)
            && let Some((_, weight)) = self.kept.pop_front()
        {
            self.weight = self.weight.saturating_sub(weight);
        }
    }

    /// Takes a user out of what is kept: `erase` does so with one value, and answers its weight afterwards, which is no more
    /// than before.
    pub fn erase(&mut self, mut erase: impl FnMut(&mut V) -> usize) {
        for (value, weight) in &mut self.kept {
            *weight = erase(value);
        }
        self.weight = self.kept.iter().map(|(_, weight)| weight).sum();
    }

    /// What is kept, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.kept.iter().rev().map(|(value, _)| value)
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
