//! The last of many things: so many, so heavy together.

use std::collections::VecDeque;

/// The last of what was added.
#[derive(Debug)]
pub struct Recent<V> {
    count_max: usize,
    weight_max: usize,
    /// The oldest first, each with its weight.
    entries: VecDeque<(usize, V)>,
    weight: usize,
}

impl<V> Recent<V> {
    /// Keeps at most `count_max`, which weigh at most `weight_max` together; beyond, the oldest go. Zero keeps none.
    pub fn new(count_max: usize, weight_max: usize) -> Self {
        Self { count_max, weight_max, entries: VecDeque::new(), weight: 0 }
    }

    /// Adds one. What alone is too heavy is not kept, and leaves nothing of what came before: there is no hole.
    pub fn add(&mut self, value: V, weight: usize) {
        self.entries.push_back((weight, value));
        self.weight = self.weight.saturating_add(weight);
        while self.count_max < self.entries.len() || self.weight_max < self.weight {
            let Some((weight, _)) = self.entries.pop_front() else { return };
            self.weight = self.weight.saturating_sub(weight);
        }
    }

    /// What is kept, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().rev().map(|(_, value)| value)
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
}
