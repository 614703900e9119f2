//! The roster against a plain list.

use super::{Added, Removed, Roster};
use crate::types::SocketId;
use proptest::prelude::*;

fn socket(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

#[test]
fn only_the_first_and_the_last_socket_matter_to_others() {
    let mut it = Roster::default();

    assert_eq!(it.add(socket(1), 1), Added::First);
    assert_eq!(it.add(socket(2), 2), Added::Another);
    assert_eq!(it.remove(socket(1)), Removed::Others);
    assert_eq!(it.remove(socket(2)), Removed::Last);
    assert_eq!(it.add(socket(3), 3), Added::First);
}

#[test]
fn a_repeat_changes_nothing() {
    let mut it = Roster::default();
    it.add(socket(1), "one");

    assert_eq!(it.add(socket(1), "again"), Added::Known);
    assert_eq!(it.sockets().collect::<Vec<_>>(), [&"one"], "the same socket twice is one socket");
    assert_eq!(it.remove(socket(2)), Removed::Unknown);
    assert_eq!(it.remove(socket(1)), Removed::Last);
    assert_eq!(it.remove(socket(1)), Removed::Unknown);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn agrees_with_a_plain_list(ops in prop::collection::vec((any::<bool>(), 0..5_u8), 0..60)) {
        let (mut it, mut list) = (Roster::default(), Vec::new());
        for (comes, n) in ops {
            let (was_there, others) = (list.contains(&n), list.iter().filter(|it| **it != n).count());
            if comes {
                let expected = match (was_there, others) {
                    (true, _) => Added::Known,
                    (false, 0) => Added::First,
                    (false, _) => Added::Another,
                };
                prop_assert_eq!(it.add(socket(n), n), expected);
                if !was_there {
                    list.push(n);
                }
            } else {
                let expected = match (was_there, others) {
                    (false, _) => Removed::Unknown,
                    (true, 0) => Removed::Last,
                    (true, _) => Removed::Others,
                };
                prop_assert_eq!(it.remove(socket(n)), expected);
                list.retain(|it| *it != n);
            }
            prop_assert_eq!(it.sockets().copied().collect::<Vec<_>>(), list.clone(), "in the order they came");
        }
    }
}
