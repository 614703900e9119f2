use super::Observer;
use crate::core::cluster::command::Observation;
use crate::core::cluster::incarnation::Incarnation;
use crate::types::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(100);

fn look(observer: &mut Observer, batch: u64, at: u64) -> bool {
    let nodes = vec![(Incarnation::new("n", 1), batch)];
    let observation = Observation { nodes, dead: Vec::new() };
    !observer.observe(&observation, LEASE, INTERVAL, Timestamp(at)).is_empty()
}

#[test]
fn silence_on_this_side_is_no_silence_of_others() {
    let mut observer = Observer::default();
    for at in [0, 100, 200] {
        assert!(!look(&mut observer, 1, at));
    }
    // It slept, or Redis was away: a lease later nothing is known.
    assert!(!look(&mut observer, 1, 5000));
    for at in (5100..6000).step_by(100) {
        assert!(!look(&mut observer, 1, at));
    }
    assert!(look(&mut observer, 1, 6000));
}

proptest! {
    /// A node is silent if and only if its batch stayed the same for the lease, at each of the looks, and none of them was
    /// far behind the one before.
    #[test]
    fn a_node_is_silent_after_a_lease_of_looks(
        looks in prop::collection::vec((0_u64..400, prop::bool::weighted(0.05)), 1..60),
    ) {
        let mut observer = Observer::default();
        let (mut at, mut batch, mut since, mut last) = (0, 0, 0, None);
        for (gap, beats) in looks {
            at += gap;
            batch += u64::from(beats);
            if beats || last.is_none_or(|last| 300 < at - last) {
                since = at;
            }
            last = Some(at);
            prop_assert_eq!(look(&mut observer, batch, at), 1000 <= at - since);
        }
    }
}
