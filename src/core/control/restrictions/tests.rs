//! Restrictions against a list that is searched from end to end.

use super::{Barred, Block, Held, Restriction, Restrictions};
use crate::types::{UserId, WallMs};
use proptest::prelude::*;
use std::time::Duration;

const USERS: u64 = 4;

fn user(n: u64) -> UserId {
    UserId::parse(&format!("u{n}")).unwrap()
}

fn block(since: u64, until: Option<u64>) -> Block {
    let reason = Some(format!("since {since}").into());
    Block { reason, by: "key".into(), since: WallMs(since), until: until.map(WallMs) }
}

#[derive(Debug, Clone)]
enum Op {
    Block(u64, Option<u64>),
    Unblock(u64),
    NotBefore(u64, Option<u64>),
    Erase(u64),
    Tidy,
}

fn op() -> impl Strategy<Value = Op> {
    let user = || 0..USERS;
    prop_oneof![
        (user(), prop::option::of(0_u64..12)).prop_map(|(user, lasts)| Op::Block(user, lasts)),
        user().prop_map(Op::Unblock),
        (user(), prop::option::of(0_u64..60)).prop_map(|(user, at)| Op::NotBefore(user, at)),
        user().prop_map(Op::Erase),
        Just(Op::Tidy),
    ]
}

/// The same by the last word about each user.
#[derive(Debug, Default, Clone, Copy)]
struct Naive {
    /// Since when and until when.
    block: Option<(u64, Option<u64>)>,
    not_before: Option<u64>,
}

impl Naive {
    fn is_blocked(self, now: u64) -> bool {
        self.block.is_some_and(|(_, until)| until.is_none_or(|until| now < until))
    }

    fn is_revoked(self, issued_at: Option<u64>) -> bool {
        match (self.not_before, issued_at) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(first), Some(issued_at)) => issued_at < first,
        }
    }
}

proptest! {
    #[test]
    fn the_last_word_about_a_user_counts_until_it_ends(
        ops in prop::collection::vec((0_u64..5, op()), 0..60),
        issued in prop::collection::vec(prop::option::of(0_u64..60), 1..5),
        age in prop::option::of(0_u64..20),
    ) {
        let longest = age.map(Duration::from_millis);
        let (mut it, mut now) = (Restrictions::default(), 0);
        let mut naive = vec![Naive::default(); usize::try_from(USERS).unwrap()];
        for (pause, op) in ops {
            now += pause;
            let at = WallMs(now);
            match op {
                Op::Block(n, lasts) => {
                    let until = lasts.map(|lasts| now + lasts);
                    let old = it.of(&user(n), at);
                    it.set(user(n), Restriction { block: Some(block(now, until)), ..old });
                    naive[usize::try_from(n).unwrap()].block = Some((now, until));
                }
                Op::Unblock(n) => {
                    it.set(user(n), Restriction { block: None, ..it.of(&user(n), at) });
                    naive[usize::try_from(n).unwrap()].block = None;
                }
                Op::NotBefore(n, first) => {
                    let not_before = first.map(WallMs);
                    it.set(user(n), Restriction { not_before, ..it.of(&user(n), at) });
                    naive[usize::try_from(n).unwrap()].not_before = first;
                }
                Op::Erase(n) => {
                    it.erase(&user(n));
                    naive[usize::try_from(n).unwrap()] = Naive::default();
                }
                Op::Tidy => {
                    for user in it.ended(9, longest, at) {
                        it.set(user.clone(), it.of(&user, at).that_matters(longest, at));
                    }
                    prop_assert!(it.ended(9, longest, at).is_empty());
                    let is_kept = |first: u64| age.is_none_or(|age| now < first + age);
                    let held = Held {
                        blocks: naive.iter().filter(|it| it.is_blocked(now)).count(),
                        not_befores: naive.iter().filter(|it| it.not_before.is_some_and(is_kept)).count(),
                    };
                    prop_assert_eq!(it.held(), held);
                }
            }
            for (n, model) in (0..).zip(&naive) {
                // What is older than anything that counts is not asked about, nor what does not say how old it is.
                let may_count = |it: &&Option<u64>| {
                    age.is_none_or(|age| it.is_some_and(|issued| now < issued + age))
                };
                for issued_at in issued.iter().filter(may_count) {
                    let barred = it.check(&user(n), issued_at.map(WallMs), at);
                    let is_blocked = matches!(barred, Some(Barred::Blocked { .. }));
                    prop_assert_eq!(is_blocked, model.is_blocked(now));
                    let is_revoked = !is_blocked && model.is_revoked(*issued_at);
                    prop_assert_eq!(barred == Some(Barred::Revoked), is_revoked);
                }
            }
            let blocked = (0..USERS).zip(&naive).filter(|(_, it)| it.is_blocked(now));
            let blocked: Vec<_> = blocked.map(|(n, _)| user(n)).collect();
            prop_assert_eq!(pages(&it, at), blocked);
        }
    }
}

/// Who is blocked, asked for one by one.
fn pages(it: &Restrictions, now: WallMs) -> Vec<UserId> {
    let mut all: Vec<UserId> = Vec::new();
    loop {
        let page = it.blocks(all.last(), 1, now);
        all.extend(page.items.into_iter().map(|(user, _)| user));
        if !page.has_more {
            return all;
        }
    }
}
