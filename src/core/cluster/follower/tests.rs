use super::Follower;
use crate::core::cluster::incarnation::Epoch;
use crate::core::cluster::node::EventId;
use std::sync::Arc;

fn epoch(name: &str) -> Epoch {
    Arc::from(name)
}

#[test]
fn what_its_node_had_read_when_it_joined_does_not_come_again() {
    let mut it = Follower::new(epoch("e"), 7, EventId(0));
    assert_eq!((it.hear(5, None), it.hear(7, None)), (None, None));
    assert_eq!((it.hear(8, None), it.hear(9, None)), (Some(true), Some(true)));
    assert!(it.is_placed(7) && it.is_placed(9));
}

#[test]
fn whoever_may_have_missed_some_gets_what_comes_and_no_offset_that_counts() {
    let mut it = Follower::new(epoch("e"), 7, EventId(0));
    it.miss();
    assert_eq!(it.hear(9, None), Some(false));
    assert!(!it.is_placed(9));
}

#[test]
fn what_is_handed_out_without_a_number_comes_once_and_voids_offsets_up_to_the_marker() {
    let mut it = Follower::new(epoch("e"), 10, EventId(4));
    assert!(!it.degrade(EventId(4)), "from before the socket was here");
    assert!(it.degrade(EventId(5)));
    assert!(!it.degrade(EventId(5)));
    assert_eq!(it.hear(11, Some(EventId(5))), None, "it was in the log all the same");
    assert_eq!(it.hear(12, None), Some(false));
    assert!(!it.is_placed(12));
    it.mark(13);
    assert!(!it.is_placed(12) && it.is_placed(13));
    assert_eq!((it.hear(13, None), it.hear(14, None)), (Some(false), Some(true)));
}

#[test]
fn what_the_log_lost_and_got_again_is_news_only_to_those_who_came_after() {
    let mut before = Follower::new(epoch("e"), 1, EventId(0));
    let mut after = Follower::new(epoch("e2"), 1, EventId(0));
    assert_eq!(before.hear_again(5, None, &epoch("e2")), None);
    assert_eq!(after.hear_again(5, None, &epoch("e2")), Some(true));
}
