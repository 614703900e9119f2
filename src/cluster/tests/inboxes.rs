//! Inboxes where all nodes keep them: the scripts as shipped, against a naive model.

mod guards;
mod model;
mod random;

use super::guards::guarded;
use super::server::{TestRedis, place};
use crate::cluster::{ClusterPlace, reply};
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::inboxes::{InboxLimits, InboxesAsk, InboxesReply, KeptItem};
use crate::core::inbox::{
    Gone, InboxPage, InboxState, PageQuery, Paging, Placed, PlacedState, Put, Putting, SeenItems,
    Which,
};
use crate::types::{ItemSeq, UserId};
use std::sync::Arc;
use std::time::Duration;

const KEEP_MS: u64 = 60_000;
const COUNT_MAX: u64 = 5;
const BYTES_MAX: usize = 100_000;

struct Desk {
    redis: TestRedis,
    place: ClusterPlace,
    now_ms: u64,
    bytes_max: usize,
}

impl Desk {
    fn new() -> Self {
        let redis = TestRedis::start(guarded);
        Self { redis, place: place(), now_ms: 1_700_000_000_000, bytes_max: BYTES_MAX }
    }

    fn ask(&mut self, ask: &InboxesAsk) -> InboxesReply {
        let command = Command::Inboxes(ask.clone());
        let value = self.redis.run(&self.place.call(&command), self.now_ms * 1000);
        let Ok(Reply::Inboxes(reply)) = reply(&command, &value) else { panic!("{value:?}") };
        reply
    }

    fn put(&mut self, emit: &str, item: &str, users: &[(&str, Putting)]) -> Vec<Option<Put>> {
        let reply = self.ask(&self.putting(emit, item, ("", KEEP_MS), users));
        let InboxesReply::Put(puts) = reply else { panic!("{reply:?}") };
        puts
    }

    fn putting(
        &self,
        emit: &str,
        item: &str,
        (key, ttl_ms): (&str, u64),
        users: &[(&str, Putting)],
    ) -> InboxesAsk {
        let item = Arc::new(KeptItem {
            id: item.into(),
            message: emit.into(),
            namespace: "/".into(),
            event: "x".into(),
            args: format!("[\"{emit}\"]").into(),
            collapse_key: key.into(),
            ttl: Duration::from_millis(ttl_ms),
            remembered: Duration::from_millis(KEEP_MS),
        });
        let users = users.iter().map(|(it, putting)| (user(it), *putting)).collect();
        let limits = InboxLimits { count_max: COUNT_MAX, bytes_max: self.bytes_max };
        InboxesAsk::Put { item, users, limits }
    }

    fn changed(&mut self, ask: &InboxesAsk) -> Option<InboxState> {
        let InboxesReply::Changed(state) = self.ask(ask) else { panic!() };
        state
    }

    fn tend(&mut self) -> (u64, Vec<(UserId, InboxState)>) {
        let InboxesReply::Tended { bytes, changed } =
            self.ask(&InboxesAsk::Tend { count_max: COUNT_MAX })
        else {
            panic!()
        };
        (bytes, changed)
    }

    fn page(&mut self, name: &str, paging: Paging, which: Which, limit: u16) -> InboxPage {
        let query = PageQuery { paging, which, limit, bytes_max: 1_000_000 };
        let InboxesReply::Page(page) = self.ask(&InboxesAsk::Page { user: user(name), query })
        else {
            panic!()
        };
        page
    }

    fn placed(&mut self, name: &str) -> Vec<Placed> {
        let InboxesReply::Placed(placed) = self.ask(&InboxesAsk::Placed(name.into())) else {
            panic!()
        };
        placed
    }

    fn items(&mut self, name: &str) -> Vec<String> {
        let page = self.page(name, Paging::After(ItemSeq(0)), Which::All, 100);
        page.items.into_iter().map(|it| it.id).collect()
    }

    /// Bytes, as they are counted for all and for each.
    fn bytes(&mut self) -> (u64, u64) {
        let counted: Option<u64> = self.redis.ask(&["GET", &self.place.key("inbox_bytes")]);
        let mut found = 0;
        for key in self.redis.keys() {
            if key.contains(":inbox:") {
                let bytes: u64 = self.redis.ask(&["HGET", &key, "b"]);
                found += bytes;
            }
        }
        (counted.unwrap_or_default(), found)
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn store(name: &str) -> [(&str, Putting); 1] {
    [(name, Putting::Store)]
}

fn upto(name: &str, seq: ItemSeq) -> InboxesAsk {
    InboxesAsk::Mark { user: user(name), seen: SeenItems::Upto(seq), count_max: COUNT_MAX }
}

fn delete(name: &str, seq: ItemSeq, command: &str) -> InboxesAsk {
    InboxesAsk::Delete { user: user(name), seq, name: command.into(), count_max: COUNT_MAX }
}

#[test]
fn the_same_emit_is_stored_once_and_another_of_the_same_name_is_a_duplicate() {
    let mut desk = Desk::new();
    let both = [("ann", Putting::Store), ("bob", Putting::Check)];
    let first = desk.put("m1", "order", &both);
    assert_eq!(first[1], None, "only looked for");
    let put = first[0].unwrap();
    assert!(!put.is_duplicate && put.state.unread == 1 && put.state.head == put.seq);
    assert_eq!(put.state.min_seq, put.seq, "what was before it may be gone");

    desk.now_ms += 10;
    assert_eq!(desk.put("m1", "order", &both), first, "asked again, as nothing was heard");
    let other = desk.put("m2", "order", &both)[0].unwrap();
    assert_eq!((other.seq, other.is_duplicate), (put.seq, true));
    assert_eq!(desk.changed(&delete("ann", put.seq, "d1")).unwrap().unread, 0);
    assert!(desk.put("m2", "order", &both)[0].unwrap().is_duplicate, "though it is gone");
    assert!(!desk.put("m1", "order", &both)[0].unwrap().is_duplicate, "late, and not put again");
    assert_eq!(desk.items("ann"), Vec::<String>::new());

    desk.now_ms += KEEP_MS;
    let anew = desk.put("m3", "order", &store("ann"))[0].unwrap();
    assert!(!anew.is_duplicate && put.seq < anew.seq, "its name is forgotten, its number is not");
}

#[test]
fn to_delete_again_is_answered_as_the_first_time_and_by_another_it_is_not_there() {
    let mut desk = Desk::new();
    let seq = desk.put("m1", "a", &store("ann"))[0].unwrap().seq;
    let state = desk.changed(&delete("ann", seq, "d1"));
    assert!(state.is_some());
    assert_eq!(desk.changed(&delete("ann", seq, "d1")), state);
    assert_eq!(desk.changed(&delete("ann", seq, "d2")), None);
    assert_eq!(desk.changed(&delete("eve", seq, "d3")), None);
}

#[test]
fn what_is_stored_nowhere_takes_no_memory_and_what_is_over_is_let_go() {
    let mut desk = Desk::new();
    desk.ask(&upto("ann", ItemSeq(7)));
    assert_eq!(desk.page("ann", Paging::Newest, Which::All, 9).state, InboxState::default());
    assert_eq!(desk.redis.keys(), Vec::<String>::new());

    let asked =
        desk.putting("m1", "a", ("", 1000), &[("ann", Putting::Store), ("bob", Putting::Store)]);
    desk.ask(&asked);
    let seq = desk.put("m2", "b", &store("bob"))[0].unwrap().seq;
    assert_eq!(desk.tend().1, []);
    desk.now_ms += 1000;
    let page = desk.page("bob", Paging::Newest, Which::All, 9);
    assert_eq!((page.items.len(), page.state.unread), (1, 1), "before it is let go");
    let (_, changed) = desk.tend();
    assert_eq!(changed.iter().map(|(it, _)| it.as_str()).collect::<Vec<_>>(), ["ann", "bob"]);
    let state = InboxState { revision: 0, ..changed[1].1 };
    assert_eq!(state, InboxState { revision: 0, ..page.state });
    assert_eq!(
        (state.head, state.min_seq),
        (seq, ItemSeq(changed[0].1.head.0 + 1).max(state.min_seq))
    );
    assert_eq!(desk.placed("m1")[0].state, PlacedState::Gone(Gone::Expired));

    desk.now_ms += KEEP_MS;
    let (_, changed) = desk.tend();
    assert_eq!(changed.len(), 1, "bob's second");
    desk.tend();
    assert_eq!(desk.tend(), (0, Vec::new()));
    // What names expire by themselves, on a clock that is not this test's.
    let mut left: Vec<String> =
        desk.redis.keys().into_iter().filter(|it| !it.contains(":placed:")).collect();
    left.sort_unstable();
    assert_eq!(left, ["userline:{test}:inbox_bytes", "userline:{test}:meta"]);
}

#[test]
fn all_inboxes_together_hold_so_many_bytes_and_what_is_there_is_still_answered() {
    let mut desk = Desk::new();
    desk.bytes_max = 8_000;
    let mut stored = 0;
    let full = loop {
        let ask =
            desk.putting("m", &format!("i{stored}"), ("", KEEP_MS), &store(&format!("u{stored}")));
        let reply = desk.ask(&ask);
        if !matches!(reply, InboxesReply::Put(_)) {
            break reply;
        }
        stored += 1;
        assert!(stored < 100, "there is no end");
    };
    assert_eq!((full, stored), (InboxesReply::Full, 5));
    let before = desk.bytes();
    assert!(before.0 == before.1 && before.0 <= 8_000, "{before:?}");
    let again = desk.putting("m", "i0", ("", KEEP_MS), &store("u0"));
    assert!(matches!(desk.ask(&again), InboxesReply::Put(_)));
    let check = desk.putting("m9", "i0", ("", KEEP_MS), &[("u0", Putting::Check)]);
    assert!(matches!(desk.ask(&check), InboxesReply::Put(_)));
}

#[test]
fn what_was_stored_is_found_by_its_emit_and_its_name_as_long_as_that_is_remembered() {
    let mut desk = Desk::new();
    desk.put("m1", "order", &store("ann"));
    for name in ["m1", "order"] {
        assert_eq!(desk.placed(name).len(), 1, "{name}");
    }
    let users: Vec<String> = (0..1100).map(|it| format!("u{it}")).collect();
    let many: Vec<(&str, Putting)> = users.iter().map(|it| (it.as_str(), Putting::Store)).collect();
    desk.bytes_max = 10_000_000;
    desk.put("m2", "m2", &many);
    assert_eq!(desk.placed("m2").len(), 1000, "not of more");
    desk.now_ms += KEEP_MS;
    assert_eq!(desk.placed("m1"), []);
}

#[test]
fn numbers_grow_though_the_clock_was_set_back_and_nobody_knows_which_came_last() {
    let mut desk = Desk::new();
    let first = desk.put("m1", "m1", &store("ann"))[0].unwrap().seq;
    desk.now_ms -= 1000;
    let meta = desk.place.key("meta");
    let _gone: u64 = desk.redis.ask(&["HDEL", &meta, "n"]);
    assert!(first < desk.put("m2", "m2", &store("ann"))[0].unwrap().seq);
}

#[test]
fn a_page_has_so_many_bytes_and_one_item_at_least() {
    let mut desk = Desk::new();
    for emit in ["m1", "m2", "m3"] {
        desk.put(emit, emit, &store("ann"));
    }
    for (bytes_max, count) in [(1, 1), (600, 2), (10_000, 3)] {
        let paging = Paging::After(ItemSeq(0));
        let query = PageQuery { paging, which: Which::All, limit: 9, bytes_max };
        let ask = InboxesAsk::Page { user: user("ann"), query };
        let InboxesReply::Page(page) = desk.ask(&ask) else { panic!() };
        assert_eq!((page.items.len(), page.next.is_some()), (count, count < 3), "{bytes_max}");
    }
}

#[test]
fn no_more_names_are_remembered_than_may_be_asked_for() {
    let mut desk = Desk::new();
    let names = desk.place.key("names:ann");
    let count = |desk: &mut Desk| desk.redis.ask::<u64>(&["ZCARD", &names]);
    for number in 0..40 {
        let name = format!("m{number}");
        let seq = desk.put(&name, &name, &store("ann"))[0].unwrap().seq;
        // Some are there until they are pushed out.
        if number % 8 != 0 {
            desk.changed(&delete("ann", seq, &name));
        }
        assert!(count(&mut desk) <= 2 * COUNT_MAX + 1, "{number}: {}", count(&mut desk));
    }
    for number in 0..40 {
        desk.now_ms += KEEP_MS / 2;
        let name = format!("n{number}");
        let seq = desk.put(&name, &name, &store("ann"))[0].unwrap().seq;
        desk.changed(&delete("ann", seq, &name));
    }
    assert!(count(&mut desk) <= 4, "too old: {}", count(&mut desk));
}

#[test]
fn an_inbox_that_is_looked_at_too_early_stays() {
    let mut desk = Desk::new();
    let seq = desk.put("m1", "a", &store("ann"))[0].unwrap().seq;
    desk.changed(&delete("ann", seq, "d1"));
    let due = desk.place.key("inboxes");
    let ends: String = desk.redis.ask(&["ZSCORE", &due, "ann"]);
    let _none_is_new: u64 = desk.redis.ask(&["ZADD", &due, "1", "ann"]);
    assert_eq!(desk.tend().1, []);
    assert!(desk.put("m2", "a", &store("ann"))[0].unwrap().is_duplicate, "it is remembered");
    let due: String = desk.redis.ask(&["ZSCORE", &due, "ann"]);
    assert_eq!(due, ends);
}

#[test]
fn what_is_over_and_still_there_takes_no_place_on_a_page() {
    let mut desk = Desk::new();
    let brief = |desk: &mut Desk, emit: &str| {
        let ask = desk.putting(emit, emit, ("", 1000), &store("ann"));
        desk.ask(&ask);
    };
    brief(&mut desk, "b1");
    brief(&mut desk, "b2");
    desk.put("m1", "m1", &store("ann"));
    brief(&mut desk, "b3");
    brief(&mut desk, "b4");
    desk.now_ms += 1000;
    for paging in [Paging::After(ItemSeq(0)), Paging::Newest] {
        let page = desk.page("ann", paging, Which::All, 1);
        let ids: Vec<&str> = page.items.iter().map(|it| it.id.as_str()).collect();
        assert_eq!((ids, page.next), (vec!["m1"], None), "{paging:?}");
    }
}

#[test]
fn a_name_that_is_given_again_counts_once() {
    let mut desk = Desk::new();
    desk.put("m1", "a", &store("ann"));
    desk.now_ms += KEEP_MS / 2;
    desk.put("m2", "b", &[("ann", Putting::Store), ("bob", Putting::Store)]);
    desk.now_ms += KEEP_MS / 2;
    desk.put("m3", "a", &[("ann", Putting::Store), ("bob", Putting::Store)]);
    let bytes = ["ann", "bob"].map(|it| {
        let key = desk.place.key(&format!("inbox:{it}"));
        desk.redis.ask::<u64>(&["HGET", &key, "b"])
    });
    assert_eq!(bytes[0], bytes[1]);
}
