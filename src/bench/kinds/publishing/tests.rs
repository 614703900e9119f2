//! What is lost, repeated, out of order or somewhere else.

use super::deliveries::{DeliveryCheck, Receivers};
use super::sequence::{Arrival, Sequence};
use crate::bench::fleet::FleetObserver as _;
use crate::bench::load::Marker;
use crate::bench::measure::EventCounts;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

proptest! {
    /// The naive model remembers everything.
    #[test]
    fn a_sequence_agrees_with_one_that_remembers_everything(
        arrivals in prop::collection::vec(0_u32..40, 0..120),
        more in 0_u32..5,
    ) {
        let mut sequence = Sequence::default();
        let mut seen = BTreeSet::new();
        for seq in &arrivals {
            let expected = if seen.contains(seq) {
                Arrival::Duplicate
            } else if seen.last().is_some_and(|last| seq < last) {
                Arrival::Late
            } else {
                Arrival::InOrder
            };
            prop_assert_eq!(sequence.take(*seq), expected);
            seen.insert(*seq);
        }
        let sent = seen.last().map_or(0, |last| last + 1) + more;
        let lost = (0..sent).filter(|seq| !seen.contains(seq)).count();
        prop_assert_eq!(sequence.lost(sent), u64::try_from(lost).unwrap());
    }
}

#[test]
fn loss_repeats_order_and_strangers_are_told_apart() {
    let mut all = DeliveryCheck::try_new(Receivers::Everybody, 2, 2, 2).unwrap();
    let packet = |stream, seq| {
        let mut payload = Vec::new();
        Marker { stream, seq, at: Duration::ZERO }.write(50, &mut payload);
        payload
    };
    for (stream, seq) in [(0, 0), (0, 2), (0, 1), (0, 1), (1, 1), (2, 0)] {
        all.packet(1, &packet(stream, seq), Duration::from_millis(1));
    }

    let EventCounts { delivered, duplicates, reordered, misdirected, .. } = all.counts;
    assert_eq!((delivered, duplicates, reordered, misdirected), (4, 1, 1, 1));
    assert_eq!(all.lost(1, &[3, 2]), 1);
    assert_eq!(all.lost(0, &[3, 2]), 5);

    let mut one = DeliveryCheck::try_new(Receivers::OneUser, 4, 2, 1).unwrap();
    one.packet(3, &packet(1, 0), Duration::ZERO);
    one.packet(2, &packet(1, 0), Duration::ZERO);
    assert_eq!((one.counts.delivered, one.counts.misdirected), (1, 1));
    assert_eq!([0, 1, 2, 3].map(|socket| one.lost(socket, &[0, 1])), [0, 1, 0, 0]);

    one.answered(0, 503);
    assert_eq!((one.counts.failed, one.bad_status), (1, Some(503)));
}
