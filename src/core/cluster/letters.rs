//! Lists of deliveries from several places, each of which was looked through for a while only.

use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::record::{Delivery, DeliveryPage};

/// What was found in one place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundDeliveries {
    /// Ascending by number.
    pub items: Vec<Delivery>,
    /// Up to this number it was looked through; `None`: to the end.
    pub looked_to: Option<DeliveryId>,
}

/// A page of about `limit` of what was found: nothing is left out before its end. One number may stand for deliveries to several
/// endpoints: these are on one page.
pub fn page(found: Vec<FoundDeliveries>, limit: usize) -> DeliveryPage {
    let looked_to = found.iter().filter_map(|it| it.looked_to).min();
    let mut items: Vec<Delivery> = found.into_iter().flat_map(|it| it.items).collect();
    items.retain(|it| looked_to.is_none_or(|end| it.id <= end));
    items.sort_by(|a, b| (a.id, &a.endpoint).cmp(&(b.id, &b.endpoint)));
    let Some(last) = items.get(limit.saturating_sub(1)).map(|it| it.id) else {
        return DeliveryPage { items, next: looked_to };
    };
    let len = items.iter().take_while(|it| it.id <= last).count();
    let has_more = len < items.len() || looked_to.is_some_and(|end| last < end);
    items.truncate(len);
    DeliveryPage { items, next: has_more.then_some(last).or(looked_to) }
}

#[cfg(test)]
mod tests {
    use super::{FoundDeliveries, page};
    use crate::core::delivery::decision::DeliveryId;
    use crate::core::delivery::record::{Delivery, DeliveryState};
    use crate::types::{Seq, UserId, WallMs};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn delivery(id: u64, endpoint: usize) -> Delivery {
        Delivery {
            id: DeliveryId(id),
            endpoint: format!("e{endpoint}"),
            webhook_id: String::new(),
            user: UserId::parse("ann").unwrap(),
            seq: Seq(id),
            hook_type: String::new(),
            state: DeliveryState::Dead,
            attempts: 0,
            coalesced: 0,
            created: WallMs(0),
            next_attempt: None,
            ended: None,
            error: None,
        }
    }

    /// What is looked through from a number on, `patience` deliveries at a time, of which every third is not wanted.
    fn look(all: &BTreeSet<u64>, endpoint: usize, after: u64, patience: usize) -> FoundDeliveries {
        let mut rest = all.range(after + 1..).copied();
        let looked: Vec<u64> = rest.by_ref().take(patience).collect();
        let looked_to = looked.last().copied().filter(|_| rest.next().is_some()).map(DeliveryId);
        let items = looked.into_iter().filter(|it| it % 3 != 0);
        FoundDeliveries { items: items.map(|it| delivery(it, endpoint)).collect(), looked_to }
    }

    proptest! {
        #[test]
        fn the_pages_together_have_each_once(
            places in prop::collection::vec(prop::collection::btree_set(1_u64..60, 0..30), 0..4),
            (limit, patience) in (1_usize..6, 1_usize..9),
        ) {
            let (mut seen, mut after) = (Vec::new(), 0);
            for _ in 0..500 {
                let found = places.iter().enumerate().map(|(at, all)| look(all, at, after, patience));
                let one = page(found.collect(), limit);
                prop_assert!(one.items.len() < limit + places.len().max(1));
                seen.extend(one.items.iter().map(|it| (it.id.0, it.endpoint.clone())));
                match one.next {
                    None => break,
                    Some(next) => {
                        prop_assert!(after < next.0, "it goes on");
                        after = next.0;
                    }
                }
            }
            let mut expected: Vec<(u64, String)> = Vec::new();
            for (at, all) in places.iter().enumerate() {
                expected.extend(all.iter().filter(|it| *it % 3 != 0).map(|it| (*it, format!("e{at}"))));
            }
            expected.sort();
            prop_assert_eq!(seen, expected);
        }
    }
}
