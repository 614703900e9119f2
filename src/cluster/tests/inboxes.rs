//! Inboxes where all nodes keep them: the scripts as shipped, against a naive model.

use super::parts::Random;
use super::random::number;
use super::server::{Snapshot, TestRedis, agreement};
use crate::cluster::{ClusterPlace, reply};
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::inboxes::{InboxAsk, InboxLimits, InboxReply, KeptItem};
use crate::core::inbox::{
    Gone, InboxPage, InboxState, PageQuery, Paging, Placed, PlacedState, Put, Putting, SeenItems,
    Which,
};
use crate::types::{ItemId, ItemSeq, UserId};
use std::collections::{BTreeMap, BTreeSet};
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
        let place = ClusterPlace {
            prefix: "userline:{test}:".to_owned(),
            agreement: agreement("10s"),
            lease: Duration::from_secs(15),
            endpoints: Vec::new(),
            log_bytes: 1000,
            window: Duration::ZERO,
            events_kept: Duration::from_hours(72),
            node_grace: Duration::from_secs(20),
            hold: Duration::from_secs(20),
            silence: Duration::from_secs(5),
            grace_max: Duration::from_mins(10),
        };
        let redis = TestRedis::start(|_, text| text);
        Self { redis, place, now_ms: 1_700_000_000_000, bytes_max: BYTES_MAX }
    }

    fn ask(&mut self, ask: &InboxAsk) -> InboxReply {
        let command = Command::Inboxes(ask.clone());
        let value = self.redis.run(&self.place.call(&command), self.now_ms * 1000);
        let Ok(Reply::Inboxes(reply)) = reply(&command, &value) else { panic!("{value:?}") };
        reply
    }

    fn put(&mut self, emit: &str, item: &str, users: &[(&str, Putting)]) -> Vec<Option<Put>> {
        match self.ask(&self.putting(emit, item, ("", KEEP_MS), users)) {
            InboxReply::Put(puts) => puts,
            other => panic!("{other:?}"),
        }
    }

    fn putting(
        &self,
        emit: &str,
        item: &str,
        (key, ttl_ms): (&str, u64),
        users: &[(&str, Putting)],
    ) -> InboxAsk {
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
        InboxAsk::Put { item, users, limits }
    }

    fn changed(&mut self, ask: &InboxAsk) -> Option<InboxState> {
        let InboxReply::Changed(state) = self.ask(ask) else { panic!() };
        state
    }

    fn tend(&mut self) -> (u64, Vec<(UserId, InboxState)>) {
        let InboxReply::Tended { bytes, changed } =
            self.ask(&InboxAsk::Tend { count_max: COUNT_MAX })
        else {
            panic!()
        };
        (bytes, changed)
    }

    fn page(&mut self, name: &str, paging: Paging, which: Which, limit: u16) -> InboxPage {
        let query = PageQuery { paging, which, limit, bytes_max: 1_000_000 };
        let InboxReply::Page(page) = self.ask(&InboxAsk::Page { user: user(name), query }) else {
            panic!()
        };
        page
    }

    fn placed(&mut self, name: &str) -> Vec<Placed> {
        let InboxReply::Placed(placed) = self.ask(&InboxAsk::Placed(name.into())) else { panic!() };
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

fn upto(name: &str, seq: ItemSeq) -> InboxAsk {
    InboxAsk::Mark { user: user(name), seen: SeenItems::Upto(seq), count_max: COUNT_MAX }
}

fn delete(name: &str, seq: ItemSeq, command: &str) -> InboxAsk {
    InboxAsk::Delete { user: user(name), seq, name: command.into(), count_max: COUNT_MAX }
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
    let left: Vec<String> =
        desk.redis.keys().into_iter().filter(|it| !it.contains(":placed:")).collect();
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
        match desk.ask(&ask) {
            InboxReply::Put(_) => stored += 1,
            other => break other,
        }
    };
    assert_eq!((full, stored), (InboxReply::Full, 5));
    let before = desk.bytes();
    assert!(before.0 == before.1 && before.0 <= 8_000, "{before:?}");
    let again = desk.putting("m", "i0", ("", KEEP_MS), &store("u0"));
    assert!(matches!(desk.ask(&again), InboxReply::Put(_)));
    let check = desk.putting("m9", "i0", ("", KEEP_MS), &[("u0", Putting::Check)]);
    assert!(matches!(desk.ask(&check), InboxReply::Put(_)));
}

/// An inbox as simply as can be.
#[derive(Debug, Clone, Default)]
struct Model {
    items: BTreeMap<ItemSeq, ModelItem>,
    /// Name: number, emit, until when, why it is gone and whether it was read then.
    names: BTreeMap<String, (ItemSeq, String, u64, Option<(Gone, bool)>)>,
    head: ItemSeq,
    read_upto: ItemSeq,
    min_seq: ItemSeq,
}

#[derive(Debug, Clone)]
struct ModelItem {
    id: String,
    key: String,
    until: u64,
    is_read: bool,
}

impl Model {
    fn take_out(&mut self, seq: ItemSeq, why: Gone) {
        let item = self.items.remove(&seq).unwrap();
        if matches!(why, Gone::Expired | Gone::PushedOut) {
            self.min_seq = self.min_seq.max(ItemSeq(seq.0 + 1));
        }
        if let Some(name) = self.names.get_mut(&item.id).filter(|it| it.0 == seq) {
            name.3 = Some((why, item.is_read));
        }
    }

    fn expire(&mut self, now: u64) {
        let over: Vec<_> =
            self.items.iter().filter(|(_, it)| it.until <= now).map(|(seq, _)| *seq).collect();
        over.into_iter().for_each(|seq| self.take_out(seq, Gone::Expired));
    }

    fn settle(&mut self) {
        let first = self.items.iter().find(|(_, it)| !it.is_read).map(|(seq, _)| *seq);
        self.read_upto = self.read_upto.max(first.map_or(self.head, |it| ItemSeq(it.0 - 1)));
    }

    fn unread(&self) -> u64 {
        u64::try_from(self.items.values().filter(|it| !it.is_read).count()).unwrap()
    }

    /// The numbers, but the revision.
    fn state(&self) -> InboxState {
        let Self { head, read_upto, min_seq, .. } = *self;
        InboxState { revision: 0, head, unread: self.unread(), read_upto, min_seq }
    }

    /// Whether the name is known, and it is not only that so many newer ones are.
    fn known(&self, id: &str, now: u64) -> Option<&(ItemSeq, String, u64, Option<(Gone, bool)>)> {
        self.names.get(id).filter(|it| now < it.2)
    }

    /// Whether the name may be forgotten: its item is gone, and as many items as an inbox has came after it.
    fn may_be_forgotten(&self, id: &str) -> bool {
        let (seq, _, _, gone) = &self.names[id];
        let newer = self.names.values().filter(|it| seq < &it.0).count();
        gone.is_some() && COUNT_MAX <= u64::try_from(newer).unwrap()
    }

    fn put(&mut self, (emit, id, key): (&str, &str, &str), seq: ItemSeq, until: u64, now: u64) {
        self.expire(now);
        let old: Vec<_> = self
            .items
            .iter()
            .filter(|(_, it)| !key.is_empty() && it.key == key && !it.is_read)
            .map(|(seq, _)| *seq)
            .collect();
        old.into_iter().for_each(|seq| self.take_out(seq, Gone::Collapsed));
        if self.head == ItemSeq(0) {
            self.min_seq = seq;
        }
        self.head = seq;
        let (id, key) = (id.to_owned(), key.to_owned());
        self.names.insert(id.clone(), (seq, emit.to_owned(), now + KEEP_MS, None));
        self.items.insert(seq, ModelItem { id, key, until, is_read: false });
        while COUNT_MAX < u64::try_from(self.items.len()).unwrap() {
            let (first, _) = self.items.first_key_value().unwrap();
            self.take_out(*first, Gone::PushedOut);
        }
        self.settle();
    }
}

fn without_revision(state: InboxState) -> InboxState {
    InboxState { revision: 0, ..state }
}

/// Random changes of some inboxes by callers whose answers are lost, and whose commands come late or twice; the server loses
/// what came last, or all.
#[test]
fn under_any_schedule_inboxes_are_as_simple_ones_would_be_and_no_number_comes_twice() {
    let first = number("USERLINE_TEST_SEED", 1);
    for seed in first..first + number("USERLINE_TEST_SEEDS", 12) {
        let (mut desk, mut random) = (Desk::new(), Random::new(seed));
        let mut boxes: BTreeMap<String, Model> = BTreeMap::new();
        let mut given: BTreeSet<(String, ItemSeq)> = BTreeSet::new();
        let mut revisions: BTreeMap<String, u64> = BTreeMap::new();
        let mut kept: Option<(Snapshot, BTreeMap<String, Model>)> = None;
        // What was asked, to be asked again.
        let mut late: Vec<(InboxAsk, String)> = Vec::new();
        let mut emits = 0;
        for step in 0..250 {
            desk.now_ms += u64::try_from(random.below(2000)).unwrap();
            let now = desk.now_ms;
            let name = format!("u{}", random.below(3));
            let about = format!("seed {seed} step {step} {name}");
            // Whatever was over by now is let go by whatever comes.
            match random.below(20) {
                0 => {
                    kept = Some((desk.redis.snapshot(), boxes.clone()));
                    continue;
                }
                1 if random.chance(40) => {
                    match kept.take() {
                        Some((snapshot, then)) => {
                            desk.redis.restore(&snapshot);
                            boxes = then;
                        }
                        None => {
                            desk.redis.flush();
                            boxes.clear();
                        }
                    }
                    // What a node that saw it all does when it comes back.
                    let meta = desk.place.key("meta");
                    let seen = revisions.values().max().copied().unwrap_or_default().to_string();
                    let _set: u64 = desk.redis.ask(&["HSET", &meta, "n", &seen]);
                    late.clear();
                    continue;
                }
                2 => {
                    let (_, changed) = desk.tend();
                    for (who, state) in changed {
                        let model = boxes.get_mut(who.as_str()).unwrap();
                        model.expire(now);
                        model.settle();
                        assert_eq!(without_revision(state), model.state(), "{about}");
                        let before = revisions.insert(who.as_str().to_owned(), state.revision);
                        assert!(before < Some(state.revision), "{about}");
                    }
                    // Those that nobody needs any more.
                    let gone = |desk: &mut Desk, name: &str| {
                        let key = desk.place.key(&format!("inbox:{name}"));
                        desk.redis.ask::<u64>(&["EXISTS", &key]) == 0
                    };
                    boxes.retain(|name, model| {
                        let is_gone = gone(&mut desk, name);
                        if is_gone {
                            assert!(model.items.values().all(|it| it.until <= now), "{about}");
                            assert!(model.names.values().all(|it| it.2 <= now), "{about}");
                        }
                        !is_gone
                    });
                    continue;
                }
                _ => {}
            }
            let model = boxes.get(&name).cloned().unwrap_or_default();
            let seqs: Vec<ItemSeq> = model.items.keys().copied().collect();
            let any = |random: &mut Random| {
                if seqs.is_empty() { ItemSeq(3) } else { seqs[random.below(seqs.len())] }
            };
            let (ask, who) = if !late.is_empty() && random.chance(15) {
                late.swap_remove(random.below(late.len()))
            } else {
                let ask = match random.below(10) {
                    0..5 => {
                        emits += 1;
                        let emit = format!("m{emits}");
                        let id = if random.chance(50) {
                            format!("i{}", random.below(8))
                        } else {
                            emit.clone()
                        };
                        let key = if random.chance(30) { "k" } else { "" };
                        let ttl = if random.chance(30) { 5000 } else { KEEP_MS };
                        let putting =
                            if random.chance(15) { Putting::Check } else { Putting::Store };
                        desk.putting(&emit, &id, (key, ttl), &[(&name, putting)])
                    }
                    5 | 6 => upto(&name, any(&mut random)),
                    7 => {
                        let ids = (0..3)
                            .map(|_| ItemId::parse(&format!("i{}", random.below(8))).unwrap());
                        let seen = SeenItems::Ids(ids.collect());
                        InboxAsk::Mark { user: user(&name), seen, count_max: COUNT_MAX }
                    }
                    8 => delete(&name, any(&mut random), &format!("d{step}")),
                    _ => {
                        look(&mut desk, &mut random, &name, &model, &about);
                        continue;
                    }
                };
                (ask, name)
            };
            if random.chance(25) {
                late.push((ask.clone(), who.clone()));
            }
            let reply = desk.ask(&ask);
            let model = boxes.entry(who.clone()).or_default();
            let state = check(&ask, &reply, model, now, &about);
            if let Some(Some(Put { seq, is_duplicate: false, .. })) = puts(&reply).first()
                && *seq == model.head
            {
                given.insert((who.clone(), *seq));
            }
            if let Some(state) = state.filter(|it| *it != InboxState::default()) {
                assert_eq!(without_revision(state), model.state(), "{about}: {ask:?}");
                let last = revisions.entry(who.clone()).or_default();
                let is_put = matches!(ask, InboxAsk::Put { .. });
                assert!(!is_put || *last < state.revision, "{about}: a number comes twice");
                *last = (*last).max(state.revision);
            }
            if boxes[&who].head == ItemSeq(0) {
                boxes.remove(&who);
            }
            let (counted, found) = desk.bytes();
            assert_eq!(counted, found, "{about}");
            if random.chance(10) {
                // Asked again at once, as whoever heard nothing does.
                assert_eq!(desk.ask(&ask), reply, "{about}: {ask:?}");
            }
        }
        assert!(10 < given.len(), "seed {seed}");
    }
}

fn puts(reply: &InboxReply) -> &[Option<Put>] {
    if let InboxReply::Put(puts) = reply { puts } else { &[] }
}

/// What the model makes of it. Returns the state that was answered, if it is one as of now.
fn check(
    ask: &InboxAsk,
    reply: &InboxReply,
    model: &mut Model,
    now: u64,
    about: &str,
) -> Option<InboxState> {
    match (ask, reply) {
        (InboxAsk::Put { item, users, .. }, InboxReply::Put(puts)) => {
            let (id, emit, key) = (&*item.id, &*item.message, &*item.collapse_key);
            let is_known = model.known(id, now).is_some();
            let (putting, put) = (users[0].1, puts[0]);
            if let Some((seq, by, ..)) = model.known(id, now).cloned()
                && (put.is_none_or(|it| it.seq == seq) || !model.may_be_forgotten(id))
            {
                if put.is_none() {
                    assert!(model.may_be_forgotten(id) && putting == Putting::Check, "{about}");
                    return None;
                }
                let put = put.unwrap();
                assert_eq!((put.seq, put.is_duplicate), (seq, by != emit), "{about}: {item:?}");
                // As it was at the last change: what is over by now is there still.
                return None;
            }
            if putting == Putting::Check {
                assert_eq!(put, None, "{about}");
                return None;
            }
            let put = put.unwrap();
            assert!(!put.is_duplicate, "{about}: known {is_known} {item:?}");
            assert!(model.head < put.seq && put.seq.0 == put.state.revision, "{about}");
            let ttl = u64::try_from(item.ttl.as_millis()).unwrap();
            model.put((emit, id, key), put.seq, now + ttl, now);
            Some(put.state)
        }
        (InboxAsk::Mark { seen, .. }, InboxReply::Changed(Some(state))) => {
            model.expire(now);
            let is_seen = |seq: ItemSeq, item: &ModelItem| match seen {
                SeenItems::Upto(upto) => seq <= *upto,
                SeenItems::Ids(ids) => ids.iter().any(|it| it.as_str() == item.id),
            };
            let items = model.items.iter_mut();
            items.filter(|(seq, item)| is_seen(**seq, item)).for_each(|(_, it)| it.is_read = true);
            model.settle();
            Some(*state)
        }
        (InboxAsk::Delete { seq, .. }, InboxReply::Changed(state)) => {
            model.expire(now);
            if model.items.contains_key(seq) {
                assert!(state.is_some(), "{about}");
                model.take_out(*seq, Gone::Deleted);
            }
            model.settle();
            *state
        }
        _ => panic!("{about}: {ask:?} {reply:?}"),
    }
}

/// What is read is what the model has.
fn look(desk: &mut Desk, random: &mut Random, name: &str, model: &Model, about: &str) {
    let mut now = model.clone();
    let before = now.items.len();
    now.expire(desk.now_ms);
    if now.items.len() < before {
        now.settle();
    }
    let which = if random.chance(30) { Which::Unread } else { Which::All };
    let at = ItemSeq(now.head.0.saturating_sub(u64::try_from(random.below(20_000_000)).unwrap()));
    let paging = [Paging::Newest, Paging::Before(at), Paging::After(at)][random.below(3)];
    let limit = 1 + random.below(4);
    let page = desk.page(name, paging, which, u16::try_from(limit).unwrap());
    let is_wanted = |(seq, item): &(&ItemSeq, &ModelItem)| {
        let is_there = match paging {
            Paging::Newest => true,
            Paging::Before(at) => **seq < at,
            Paging::After(at) => at < **seq,
        };
        is_there && (which == Which::All || !item.is_read)
    };
    let mut wanted: Vec<_> = now.items.iter().filter(is_wanted).collect();
    if !matches!(paging, Paging::After(_)) {
        wanted.reverse();
    }
    let expected: Vec<_> =
        wanted.iter().take(limit).map(|(seq, it)| (**seq, it.id.clone(), it.is_read)).collect();
    let found: Vec<_> = page.items.iter().map(|it| (it.seq, it.id.clone(), it.is_read)).collect();
    assert_eq!(found, expected, "{about}: {paging:?} {which:?}");
    let next = expected.last().map(|it| it.0).filter(|_| limit < wanted.len());
    assert_eq!(page.next, next, "{about}");
    assert_eq!(without_revision(page.state), now.state(), "{about}");
    for (id, (seq, emit, until, gone)) in &now.names {
        let found = desk.placed(emit).into_iter().find(|it| it.user.as_str() == name);
        let Some(placed) = found else {
            assert!(*until <= desk.now_ms || now.may_be_forgotten(id), "{about}: {id}");
            continue;
        };
        assert_eq!((placed.seq, &placed.id), (*seq, id), "{about}");
        let (state, is_read) = match gone {
            Some((why, was_read)) => (PlacedState::Gone(*why), *was_read),
            None => (PlacedState::There, now.items[seq].is_read),
        };
        assert_eq!((placed.state, placed.is_read), (state, is_read), "{about}: {id}");
    }
}
