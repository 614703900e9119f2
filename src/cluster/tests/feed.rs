//! Whoever pulls what was told finds out if something is missing, whatever made the hole.

use super::directed::Bench;
use super::parts::user_id;
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::facts::{FactOp, UserDeparture};
use crate::core::cluster::feed::{FeedQuestion, FeedReply, ToldPage};
use crate::types::{Reason, WallMs};
use std::time::Duration;

impl Bench {
    fn page(&mut self, after: u64) -> ToldPage {
        let question = FeedQuestion::Page { after, events_max: 10 };
        let reply = self.ask(&Command::Feed(question));
        let Reply::Feed(FeedReply::Page(page)) = reply else { panic!("{reply:?}") };
        page
    }

    fn last_seen(&mut self, user: usize) -> Option<WallMs> {
        let reply = self.ask(&Command::Feed(FeedQuestion::Seen(user_id(user))));
        let Reply::Feed(FeedReply::Seen(at)) = reply else { panic!("{reply:?}") };
        at
    }
}

fn numbers(page: &ToldPage) -> Vec<u64> {
    page.news.iter().map(|it| it.seq().0).collect()
}

#[test]
fn a_puller_misses_nothing_unless_it_is_told_so() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    let nothing = bench.page(0);
    assert_eq!((nothing.newest, nothing.is_gap, nothing.last), (0, false, None));
    for user in 1..=3 {
        bench.up_user(&mut a, user);
    }
    let all = bench.page(0);
    let told = numbers(&all);
    assert_eq!((told.len(), all.is_gap, all.newest), (3, false, told[2]));
    let rest = bench.page(told[0]);
    assert_eq!((numbers(&rest), rest.is_gap), (told[1..].to_vec(), false));
    let end = bench.page(told[2]);
    assert_eq!((end.last, end.is_gap, end.newest), (None, false, told[2]));

    // One entry is gone: whoever has not seen it is told so, whoever has is not.
    bench.change_redis(&["XTRIM", "events", "MAXLEN", "1"]);
    assert!(bench.page(told[0]).is_gap);
    assert!(bench.page(0).is_gap);
    let seen = bench.page(told[1]);
    assert_eq!((numbers(&seen), seen.is_gap), (vec![told[2]], false));
    bench.change_redis(&["XTRIM", "events", "MAXLEN", "0"]);
    assert!(bench.page(told[1]).is_gap);
    assert!(!bench.page(told[2]).is_gap);

    // All is gone. Numbers follow time, so what comes has a higher one than the puller knows.
    bench.change_redis(&["DEL", "events"]);
    bench.change_redis(&["HDEL", "meta", "told"]);
    assert!(bench.page(told[2]).is_gap, "the end of the log lies before what the puller knows");
    bench.up_user(&mut a, 4);
    let anew = bench.page(told[2]);
    assert_eq!((anew.is_gap, anew.news.len()), (true, 1));
    assert!(told[2] < anew.newest);
}

#[test]
fn an_offline_user_was_last_seen_when_the_last_socket_closed_for_as_long_as_that_is_kept() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    bench.up_user(&mut a, 1);
    let closed_at = WallMs(1_700_000_000_100);
    let departure =
        UserDeparture { grace: Duration::from_secs(1), reason: Reason::TransportClose, closed_at };
    bench.apply(&mut a, vec![FactOp::Down { user: user_id(1), departure }], &[]);
    assert_eq!(bench.last_seen(1), None, "the user lingers");

    bench.tend_for(Duration::from_secs(30));
    assert_eq!(bench.last_seen(1), Some(closed_at));
    bench.wait(Duration::from_hours(80));
    bench.tend_for(Duration::from_secs(30));
    assert_eq!(bench.last_seen(1), None);
}
