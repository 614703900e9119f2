use super::{BatchStep, Order, OrderedBatch};
use crate::types::UserId;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// The rule, said so that nobody can mistake it: each message is compared with all before it.
struct Model {
    orders: Vec<Order>,
    waiting: BTreeSet<usize>,
    under_way: BTreeSet<usize>,
    is_stopped: bool,
}

impl Model {
    fn conflict(one: &Order, two: &Order) -> bool {
        match (one, two) {
            (Order::Key(one), Order::Key(two)) => one == two,
            (Order::Users(one), Order::Users(two)) => one.iter().any(|it| two.contains(it)),
            (Order::Nobody, _)
            | (_, Order::Nobody)
            | (Order::Key(_), Order::Users(_))
            | (Order::Users(_), Order::Key(_)) => false,
            (Order::Everybody, _) | (_, Order::Everybody) => true,
        }
    }

    fn take(&mut self) -> Option<usize> {
        if self.is_stopped {
            return None;
        }
        let is_free = |index: usize| {
            let unfinished = self.waiting.iter().chain(&self.under_way);
            unfinished
                .filter(|it| **it < index)
                .all(|it| !Self::conflict(&self.orders[*it], &self.orders[index]))
        };
        let index = self.waiting.iter().copied().find(|it| is_free(*it))?;
        self.waiting.remove(&index);
        self.under_way.insert(index);
        Some(index)
    }

    fn end(&mut self, index: usize, taken: BatchStep) {
        self.under_way.remove(&index);
        self.is_stopped |= taken == BatchStep::Later;
    }
}

fn order() -> impl Strategy<Value = Order> {
    let names = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 1..3);
    prop_oneof![
        4 => names.prop_map(|names| Order::Users(names.into_iter().map(user).collect())),
        2 => prop::sample::select(vec!["k", "l"]).prop_map(|key| Order::Key(key.to_owned())),
        1 => Just(Order::Everybody),
        1 => Just(Order::Nobody),
    ]
}

proptest! {
    /// Whatever is taken and ended, and when: the machine takes what the model takes, and in the end all of it.
    #[test]
    fn the_next_message_is_the_first_that_waits_for_no_other(
        orders in prop::collection::vec(order(), 0..12),
        steps in prop::collection::vec((any::<bool>(), 0_usize..12, 0_u8..20), 0..60),
    ) {
        let mut batch = OrderedBatch::new(&orders);
        let waiting = (0..orders.len()).collect();
        let mut model =
            Model { orders, waiting, under_way: BTreeSet::new(), is_stopped: false };
        for (is_take, which, luck) in steps {
            if is_take {
                prop_assert_eq!(batch.take(), model.take());
            } else if !model.under_way.is_empty() {
                let index = *model.under_way.iter().nth(which % model.under_way.len()).unwrap();
                let taken = if luck == 0 { BatchStep::Later } else { BatchStep::Settled };
                batch.end(index, taken);
                model.end(index, taken);
            }
            prop_assert_eq!(batch.under_way(), model.under_way.len());
            prop_assert_eq!(batch.is_stopped(), model.is_stopped);
        }
        while !(model.is_stopped || model.waiting.is_empty() && model.under_way.is_empty()) {
            while let Some(index) = batch.take() {
                prop_assert_eq!(model.take(), Some(index));
            }
            prop_assert!(!model.under_way.is_empty(), "nothing is left behind");
            for index in model.under_way.clone() {
                batch.end(index, BatchStep::Settled);
                model.end(index, BatchStep::Settled);
            }
        }
        prop_assert_eq!(batch.take(), None);
    }
}

#[test]
fn a_batch_that_is_stopped_takes_nothing_more_and_ends_what_is_under_way() {
    let mut batch = OrderedBatch::new(&[Order::Nobody, Order::Nobody]);
    assert_eq!(batch.take(), Some(0));

    batch.stop();

    assert_eq!((batch.take(), batch.under_way(), batch.is_stopped()), (None, 1, true));
    batch.end(0, BatchStep::Settled);
    assert_eq!((batch.take(), batch.under_way()), (None, 0));
}
