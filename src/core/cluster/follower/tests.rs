use super::{FollowedEvent, Follower, Missed, Resumed, ToSocket};
use crate::core::cluster::incarnation::Epoch;
use crate::core::cluster::node::EventId;
use std::sync::Arc;

fn epoch(name: &str) -> Epoch {
    Arc::from(name)
}

fn followed(number: u64, own: Option<u64>) -> FollowedEvent<u64> {
    FollowedEvent { number, own: own.map(EventId), event: number }
}

fn missed(head: u64, numbers: &[u64]) -> Missed<u64> {
    let events = numbers.iter().map(|it| followed(*it, None)).collect();
    Missed { epoch: epoch("e"), hole: 0, is_unsure: false, is_complete: true, head, events }
}

fn sent(number: u64) -> ToSocket<u64> {
    ToSocket { event: number, offset: Some(number) }
}

#[test]
fn what_was_missed_comes_first_and_what_the_node_reads_later_comes_once() {
    let mut it = Follower::joining(epoch("e"));
    assert_eq!(it.hear(followed(5, None)), None);
    assert_eq!(it.hear(followed(8, None)), None);

    let resumed = it.resume(&epoch("e"), 3, missed(7, &[2, 3, 5, 7]), EventId(0));
    let expected = Resumed::Recovered { missed: vec![sent(5), sent(7)], after: vec![sent(8)] };
    assert_eq!(resumed, expected);

    assert_eq!(it.hear(followed(7, None)), None, "the node's reading lags behind");
    assert_eq!(it.hear(followed(9, None)), Some(sent(9)));
    assert_eq!(it.start(), Some(7));
}

#[test]
fn nobody_is_told_that_nothing_is_missing_unless_that_is_sure() {
    let joining = || Follower::<u64>::joining(epoch("e"));
    let whole = missed(7, &[]);
    let resume =
        |epoch: &Epoch, missed: Missed<u64>| joining().resume(epoch, 3, missed, EventId(0));

    assert_eq!(resume(&epoch("older"), whole.clone()), Resumed::Impossible);
    let other = Missed { epoch: epoch("newer"), ..whole.clone() };
    assert_eq!(resume(&epoch("e"), other), Resumed::Impossible);
    let cut = Missed { is_complete: false, ..whole.clone() };
    assert_eq!(resume(&epoch("e"), cut), Resumed::Impossible);
    let hole = Missed { hole: 4, ..whole.clone() };
    assert_eq!(resume(&epoch("e"), hole), Resumed::Impossible);
    let unsure = Missed { is_unsure: true, ..whole.clone() };
    assert_eq!(resume(&epoch("e"), unsure), Resumed::Later);

    let mut it = joining();
    it.miss();
    assert_eq!(it.resume(&epoch("e"), 3, whole, EventId(0)), Resumed::Impossible);
    assert_eq!(it.begin(7, EventId(0)), []);
    assert_eq!(
        (it.start(), it.hear(followed(9, None))),
        (None, Some(ToSocket { event: 9, offset: None }))
    );
}

#[test]
fn what_is_handed_out_without_a_number_comes_once_and_voids_offsets_up_to_the_marker() {
    let mut it = Follower::joining(epoch("e"));
    assert_eq!(it.begin(10, EventId(4)), []);
    let unnumbered = |event| Some(ToSocket { event, offset: None });

    assert_eq!(it.degrade(EventId(4), 40), None, "from before the socket was here");
    assert_eq!(it.degrade(EventId(5), 50), unnumbered(50));
    assert_eq!(it.degrade(EventId(5), 50), None);
    assert_eq!(it.hear(followed(11, Some(5))), None, "it was in the log all the same");
    assert_eq!(it.hear(followed(12, None)), unnumbered(12));
    it.mark(13);
    assert_eq!(
        (it.hear(followed(13, None)), it.hear(followed(14, None))),
        (unnumbered(13), Some(sent(14)))
    );
}

#[test]
fn what_the_log_lost_and_got_again_is_news_only_to_those_who_came_after() {
    let mut before = Follower::joining(epoch("e"));
    let mut after = Follower::joining(epoch("e2"));
    assert_eq!((before.begin(1, EventId(0)), after.begin(1, EventId(0))), (Vec::new(), Vec::new()));

    assert_eq!(before.hear_again(followed(5, None), &epoch("e2")), None);
    assert_eq!(after.hear_again(followed(5, None), &epoch("e2")), Some(sent(5)));
}
