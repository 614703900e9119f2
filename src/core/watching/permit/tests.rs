//! Permits against plain lists of what was answered last, over random histories of answers, silence and time.

use crate::core::watching::{PermitDue, PermitTerm, WatchBook, WatchBounds};
use crate::types::{SocketId, Timestamp, UserId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const USERS: u8 = 4;
const SOCKETS: u8 = 2;

fn user(n: u8) -> UserId {
    UserId::parse(&format!("u{n}")).unwrap()
}

fn viewer(socket: u8, life: u8) -> UserId {
    UserId::parse(&format!("v{socket}.{life}")).unwrap()
}

fn socket(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

#[derive(Debug, Clone)]
enum Op {
    /// A client watches these as well, of whom the backend allows some for so long.
    Watch(u8, BTreeSet<u8>, BTreeSet<u8>, u64),
    Unwatch(u8, BTreeSet<u8>),
    Leave(u8),
    Erase(u8),
    /// Its connection is another user's from now on.
    SignIn(u8),
    /// Its credentials say something else.
    Regrant(u8),
    /// The backend answers a question that was due.
    Answer(u8, BTreeSet<u8>, u64),
    /// It does not.
    Silence(u8),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let users = || prop::collection::btree_set(0..USERS, 0..4);
    let (at, good_for) = (|| 0..SOCKETS, || 2..40_u64);
    prop_oneof![
        4 => (at(), users(), users(), good_for()).prop_map(|(it, users, allowed, good_for)| Op::Watch(it, users, allowed, good_for)),
        1 => (at(), users()).prop_map(|(it, users)| Op::Unwatch(it, users)),
        1 => at().prop_map(Op::Leave),
        1 => (0..USERS).prop_map(Op::Erase),
        1 => at().prop_map(Op::SignIn),
        1 => at().prop_map(Op::Regrant),
        5 => (at(), users(), good_for()).prop_map(|(it, allowed, good_for)| Op::Answer(it, allowed, good_for)),
        2 => at().prop_map(Op::Silence),
        6 => (1..15_u64).prop_map(Op::Pass),
    ]
}

struct World {
    book: WatchBook<u8>,
    now: Timestamp,
    lives: BTreeMap<u8, u8>,
    watched: BTreeSet<(u8, u8)>,
    /// Until when the last answer lets a socket see a user, and as whom.
    allowed: BTreeMap<(u8, u8), (Timestamp, u8)>,
    /// What is asked at the moment, and as whom.
    asking: BTreeMap<u8, (Vec<u8>, u8)>,
    /// Whom each client believes to see.
    seen: BTreeSet<(u8, u8)>,
}

impl World {
    fn new() -> Self {
        Self {
            book: WatchBook::new(WatchBounds { per_socket: 10, total: 100 }),
            now: Timestamp(1000),
            lives: (0..SOCKETS).map(|it| (it, 0)).collect(),
            watched: BTreeSet::new(),
            allowed: BTreeMap::new(),
            asking: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    fn term(&self, good_for: u64) -> PermitTerm {
        let good_for = Duration::from_millis(good_for);
        PermitTerm { ask_at: self.now + good_for / 2, until: self.now + good_for }
    }

    fn answer(
        &mut self,
        at: u8,
        (asked, allowed): (&[u8], &BTreeSet<u8>),
        good_for: u64,
        again: bool,
    ) {
        let life = match self.asking.get(&at) {
            Some((_, life)) if again => *life,
            _ => self.lives[&at],
        };
        let ids: Vec<UserId> = asked.iter().copied().map(user).collect();
        let allowed: BTreeSet<u8> =
            allowed.iter().copied().filter(|it| asked.contains(it)).collect();
        for of in asked {
            self.allowed.remove(&(at, *of));
        }
        let until = self.now + Duration::from_millis(good_for);
        let watched = allowed.iter().filter(|of| self.watched.contains(&(at, **of)));
        self.allowed.extend(watched.map(|of| ((at, *of), (until, life))));
        let ids_allowed = allowed.iter().copied().map(user).collect();
        let term = self.term(good_for);
        self.book.permit((socket(at), &viewer(at, life)), (&ids, ids_allowed), term, again);
        self.look_all(at);
    }

    fn is_permitted(&self, at: u8, of: u8) -> bool {
        let viewer = viewer(at, self.lives[&at]);
        self.book.is_permitted((socket(at), &viewer), &user(of), self.now)
    }

    /// The client is told what it sees now.
    fn look_all(&mut self, at: u8) {
        for of in 0..USERS {
            if self.watched.contains(&(at, of)) && self.is_permitted(at, of) {
                self.seen.insert((at, of));
            } else {
                self.seen.remove(&(at, of));
            }
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Watch(at, users, allowed, good_for) => {
                let ids: Vec<UserId> = users.iter().copied().map(user).collect();
                self.book.watch((socket(at), at), &ids).unwrap();
                self.watched.extend(users.iter().map(|of| (at, *of)));
                let asked: Vec<u8> = users.into_iter().collect();
                if !asked.is_empty() {
                    self.answer(at, (&asked, &allowed), good_for, false);
                }
            }
            Op::Unwatch(at, users) => {
                let ids: Vec<UserId> = users.iter().copied().map(user).collect();
                self.book.unwatch(socket(at), &ids);
                self.forget(|it, of| it == at && users.contains(&of));
            }
            Op::Leave(at) => {
                self.book.leave(socket(at));
                self.forget(|it, _| it == at);
            }
            Op::Erase(erased) => {
                self.book.erase(&user(erased));
                self.forget(|_, of| of == erased);
            }
            Op::SignIn(at) => {
                *self.lives.get_mut(&at).unwrap() += 1;
                self.book.ask_soon(socket(at));
                self.look_all(at);
            }
            Op::Regrant(at) => self.book.ask_soon(socket(at)),
            Op::Answer(at, allowed, good_for) => {
                if let Some((asked, _)) = self.asking.get(&at).cloned() {
                    self.answer(at, (&asked, &allowed), good_for, true);
                    self.asking.remove(&at);
                }
            }
            Op::Silence(at) => {
                if self.asking.remove(&at).is_some() {
                    self.book.ask_at(socket(at), self.now + Duration::from_millis(2));
                }
            }
            Op::Pass(ms) => self.now = self.now + Duration::from_millis(ms),
        }
        self.do_what_is_due();
    }

    fn forget(&mut self, is_gone: impl Fn(u8, u8) -> bool) {
        self.watched.retain(|(at, of)| !is_gone(*at, *of));
        self.seen.retain(|(at, of)| !is_gone(*at, *of));
        self.allowed.retain(|(at, of), _| !is_gone(*at, *of));
        let left = &self.watched;
        // A question of a watcher that is gone ends with nothing.
        self.asking.retain(|at, _| left.iter().any(|(it, _)| it == at));
    }

    fn do_what_is_due(&mut self) {
        while let Some((at, due)) = self.book.due(self.now) {
            match due {
                PermitDue::Ended => self.look_all(at),
                PermitDue::Ask => {
                    let users = self.watched.iter().filter(|(it, _)| *it == at);
                    let users = users.map(|(_, of)| *of).collect();
                    let life = self.lives[&at];
                    assert!(self.asking.insert(at, (users, life)).is_none(), "one at a time");
                }
            }
        }
        assert!(self.book.due_at().is_none_or(|it| self.now < it));
    }

    fn check(&self) {
        for (at, of) in &self.seen {
            let (until, life) = self.allowed.get(&(*at, *of)).copied().expect("never allowed");
            assert!(self.now < until, "{at} still sees {of}");
            assert_eq!(life, self.lives[at], "allowed to somebody else");
            assert!(self.is_permitted(*at, *of));
        }
        // Whoever may see anybody is asked about again, or at least ends.
        let all = self.allowed.iter().filter(|((at, of), _)| self.is_permitted(*at, *of));
        for ((at, of), (until, _)) in all {
            assert!(self.seen.contains(&(*at, *of)), "{at} does not know that it may see {of}");
            assert!(self.book.due_at().is_some_and(|it| it <= *until));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nobody_is_seen_longer_than_the_last_answer_says(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        for op in ops {
            world.step(op);
            world.check();
        }
    }
}

/// The backend is asked again at half the time; what it does not answer counts to the end, and no longer.
#[test]
fn a_backend_that_is_silent_for_a_moment_changes_nothing_and_for_longer_ends_it() {
    let mut world = World::new();
    world.step(Op::Watch(0, [1].into(), [1].into(), 40));
    world.step(Op::Pass(20));
    assert!(world.asking.contains_key(&0));
    world.step(Op::Silence(0));
    assert!(world.is_permitted(0, 1));
    world.step(Op::Pass(2));
    world.step(Op::Answer(0, [1].into(), 40));
    world.step(Op::Pass(20));
    assert!(world.is_permitted(0, 1), "answered in time");
    world.step(Op::Pass(20));
    assert!(!world.is_permitted(0, 1) && world.seen.is_empty());

    world.step(Op::Answer(0, [1].into(), 40));
    assert!(world.seen.contains(&(0, 1)), "it is back");
    world.step(Op::Pass(20));
    world.step(Op::Answer(0, [].into(), 40));
    assert!(world.seen.is_empty(), "it has changed its mind");
}
