//! Random changes of some inboxes, against a naive model.

use super::model::{Model, ModelItem};
use super::{COUNT_MAX, Desk, KEEP_MS, delete, upto, user};
use crate::cluster::tests::parts::Random;
use crate::cluster::tests::random::number;
use crate::cluster::tests::server::Snapshot;
use crate::core::cluster::inboxes::{InboxesAsk, InboxesReply};
use crate::core::inbox::{Gone, InboxState, Paging, PlacedState, Put, Putting, SeenItems, Which};
use crate::types::{ItemId, ItemSeq};
use std::collections::{BTreeMap, BTreeSet};

fn without_revision(state: InboxState) -> InboxState {
    InboxState { revision: 0, ..state }
}

/// Some inboxes, callers of whom some ask again, late or twice, and a server that loses what came last, or all.
struct Run {
    desk: Desk,
    random: Random,
    boxes: BTreeMap<String, Model>,
    /// The largest revision that was answered for each user, and the numbers that items have got.
    revisions: BTreeMap<String, u64>,
    given: BTreeSet<(String, ItemSeq)>,
    kept: Option<(Snapshot, BTreeMap<String, Model>)>,
    /// What was asked, to be asked again.
    late: Vec<(InboxesAsk, String)>,
    emits: usize,
}

#[test]
pub(super) fn under_any_schedule_inboxes_are_as_simple_ones_would_be_and_no_number_comes_twice() {
    let first = number("USERLINE_TEST_SEED", 1);
    for seed in first..first + number("USERLINE_TEST_SEEDS", 12) {
        let mut run = Run {
            desk: Desk::new(),
            random: Random::new(seed),
            boxes: BTreeMap::new(),
            revisions: BTreeMap::new(),
            given: BTreeSet::new(),
            kept: None,
            late: Vec::new(),
            emits: 0,
        };
        for step in 0..250 {
            run.step(&format!("seed {seed} step {step}"));
        }
        assert!(10 < run.given.len(), "seed {seed}");
    }
}

impl Run {
    fn step(&mut self, about: &str) {
        self.desk.now_ms += u64::try_from(self.random.below(2000)).unwrap();
        let name = format!("u{}", self.random.below(3));
        match self.random.below(20) {
            0 => self.kept = Some((self.desk.redis.snapshot(), self.boxes.clone())),
            1 if self.random.chance(40) => self.lose(),
            2 => self.tend(about),
            3 => {
                let model = self.boxes.get(&name).cloned().unwrap_or_default();
                look(&mut self.desk, &mut self.random, &name, &model, about);
            }
            _ => self.change(&name, about),
        }
    }

    /// The server has less than it had, and a node that saw it all comes back.
    fn lose(&mut self) {
        if let Some((snapshot, then)) = self.kept.take() {
            self.desk.redis.restore(&snapshot);
            self.boxes = then;
        } else {
            self.desk.redis.flush();
            self.boxes.clear();
        }
        let meta = self.desk.place.key("meta");
        let seen = self.revisions.values().max().copied().unwrap_or_default().to_string();
        let _set: u64 = self.desk.redis.ask(&["HSET", &meta, "n", &seen]);
        self.late.clear();
    }

    fn tend(&mut self, about: &str) {
        let (_, changed) = self.desk.tend();
        let now = self.desk.now_ms;
        for (who, state) in changed {
            let model = self.boxes.get_mut(who.as_str()).unwrap();
            model.expire(now);
            model.settle();
            assert_eq!(without_revision(state), model.state(), "{about}");
            let before = self.revisions.insert(who.as_str().to_owned(), state.revision);
            assert!(before < Some(state.revision), "{about}");
        }
        // Those that nobody needs any more.
        for name in self.boxes.keys().cloned().collect::<Vec<_>>() {
            let key = self.desk.place.key(&format!("inbox:{name}"));
            if self.desk.redis.ask::<u64>(&["EXISTS", &key]) == 0 {
                let model = self.boxes.remove(&name).unwrap();
                assert!(model.items.values().all(|it| it.until <= now), "{about}");
                assert!(model.names.values().all(|it| it.2 <= now), "{about}");
            }
        }
    }

    fn change(&mut self, name: &str, about: &str) {
        let (ask, who) = if !self.late.is_empty() && self.random.chance(15) {
            self.late.swap_remove(self.random.below(self.late.len()))
        } else {
            (self.any_ask(name), name.to_owned())
        };
        if self.random.chance(25) {
            self.late.push((ask.clone(), who.clone()));
        }
        let reply = self.desk.ask(&ask);
        let model = self.boxes.entry(who.clone()).or_default();
        let state = check(&ask, &reply, model, self.desk.now_ms, about);
        if let Some(Some(Put { seq, is_duplicate: false, .. })) = puts(&reply).first()
            && *seq == model.head
        {
            self.given.insert((who.clone(), *seq));
        }
        if let Some(state) = state.filter(|it| *it != InboxState::default()) {
            assert_eq!(without_revision(state), model.state(), "{about}: {ask:?}");
            let last = self.revisions.entry(who.clone()).or_default();
            let is_put = matches!(ask, InboxesAsk::Put { .. });
            assert!(!is_put || *last < state.revision, "{about}: a number comes twice");
            *last = (*last).max(state.revision);
        }
        if self.boxes[&who].head == ItemSeq(0) {
            self.boxes.remove(&who);
        }
        let (counted, found) = self.desk.bytes();
        assert_eq!(counted, found, "{about}");
        if self.random.chance(10) {
            // Asked again at once, as whoever heard nothing does.
            assert_eq!(self.desk.ask(&ask), reply, "{about}: {ask:?}");
        }
    }

    fn any_ask(&mut self, name: &str) -> InboxesAsk {
        let random = &mut self.random;
        let seqs: Vec<ItemSeq> =
            self.boxes.get(name).into_iter().flat_map(|it| it.items.keys().copied()).collect();
        let any = if seqs.is_empty() { ItemSeq(3) } else { seqs[random.below(seqs.len())] };
        let mut given_id = || format!("i{}", random.below(8));
        let ids: Vec<String> = (0..3).map(|_| given_id()).collect();
        let id = given_id();
        match self.random.below(9) {
            0..5 => {
                self.emits += 1;
                let emit = format!("m{}", self.emits);
                let id = if self.random.chance(50) { id } else { emit.clone() };
                let key = if self.random.chance(30) { "k" } else { "" };
                let ttl = if self.random.chance(30) { 5000 } else { KEEP_MS };
                let check = self.random.chance(15);
                let putting = if check { Putting::Check } else { Putting::Store };
                self.desk.putting(&emit, &id, (key, ttl), &[(name, putting)])
            }
            5 | 6 => upto(name, any),
            7 => {
                let seen = ids.iter().map(|it| ItemId::parse(it).unwrap()).collect();
                let seen = SeenItems::Ids(seen);
                InboxesAsk::Mark { user: user(name), seen, count_max: COUNT_MAX }
            }
            _ => {
                self.emits += 1;
                delete(name, any, &format!("d{}", self.emits))
            }
        }
    }
}

fn puts(reply: &InboxesReply) -> &[Option<Put>] {
    if let InboxesReply::Put(puts) = reply { puts } else { &[] }
}

/// What the model makes of it. Returns the state that was answered, if it is one as of now.
fn check(
    ask: &InboxesAsk,
    reply: &InboxesReply,
    model: &mut Model,
    now: u64,
    about: &str,
) -> Option<InboxState> {
    match (ask, reply) {
        (InboxesAsk::Put { item, users, .. }, InboxesReply::Put(puts)) => {
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
        (InboxesAsk::Mark { seen, .. }, InboxesReply::Changed(Some(state))) => {
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
        (InboxesAsk::Delete { seq, .. }, InboxesReply::Changed(state)) => {
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
