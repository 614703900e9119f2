//! What is known of hooks that wait.

use super::{BYTES_MAX, ChangeEnd, HookNews, KnownHooks, WaitingChange};
use crate::core::cluster::ledger::ToldHook;
use crate::core::delivery::decision::DeliveryId;
use crate::types::{Change, ChangeKind, Portrait, Seq, UserId, WallMs};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn waiting(number: u64) -> WaitingChange {
    WaitingChange {
        number,
        attempts: 0,
        next_attempt: None,
        since: None,
        error: None,
        news: None,
        coalesced: 0,
        is_replaced: false,
    }
}

fn add(known: &mut KnownHooks, number: u64, user: &str) {
    let (user, seq) = (UserId::parse(user).unwrap(), Seq(number));
    let (kind, portrait) = (ChangeKind::Online, Portrait::default());
    let change = Change { user, seq, session: seq, at: WallMs(number), kind, portrait };
    let hook = known.add(&waiting(number), HookNews::Change(change));
    assert_eq!((hook.id, hook.created), (DeliveryId(number), WallMs(number)));
}

#[test]
fn no_hook_of_a_user_is_left_who_was_erased() {
    let mut known = KnownHooks::default();
    for (number, user) in [(1, "ann"), (2, "bob"), (3, "ann")] {
        add(&mut known, number, user);
    }
    let ann = UserId::parse("ann").unwrap();
    known.erase(&ann);
    known.erase(&ann);
    assert_eq!(known.next_of(&ann), None);
    assert!(known.send(DeliveryId(3)).is_none() && known.send(DeliveryId(2)).is_some());
    assert_eq!((known.hooks.len(), known.users.len()), (1, 1));
}

#[test]
fn the_next_hook_of_a_user_is_the_oldest_that_waits() {
    let mut known = KnownHooks::default();
    let ann = UserId::parse("ann").unwrap();
    for (number, user) in [(1, "ann"), (2, "bob"), (3, "ann"), (4, "ann")] {
        add(&mut known, number, user);
    }
    let next = |known: &KnownHooks| known.next_of(&ann).map(|it| it.id.0);

    assert_eq!(next(&known), Some(1));
    known.again(DeliveryId(1), 2, Some(WallMs(9)));
    let again = known.next_of(&ann).unwrap();
    assert_eq!((again.attempts, again.next_attempt), (2, Some(WallMs(9))));
    known.end(DeliveryId(1));
    known.end(DeliveryId(4));
    assert_eq!(next(&known), Some(3));
    assert!(known.send(DeliveryId(3)).is_some() && known.send(DeliveryId(4)).is_none());
    known.end(DeliveryId(3));
    assert_eq!(next(&known), None);
    assert_eq!(known.users.len(), 1, "nothing is left of a user without hooks");
}

#[test]
fn of_hooks_with_large_bodies_fewer_are_known() {
    let mut known = KnownHooks::default();
    let user = UserId::parse("ann").unwrap();
    let mut number = 0;
    while 0 < known.room() {
        number += 1;
        let told = ToldHook {
            user: user.clone(),
            seq: Seq(number),
            at: WallMs(number),
            hook_type: "message.undelivered".to_owned(),
            body: "x".repeat(1_000_000),
        };
        known.add(&waiting(number), HookNews::Told(told));
    }
    assert_eq!(known.bytes, BYTES_MAX);
    known.end(DeliveryId(1));
    assert!(0 < known.room());
}

fn told(number: u64, user: &UserId) -> HookNews {
    HookNews::Told(ToldHook {
        user: user.clone(),
        seq: Seq(number),
        at: WallMs(number),
        hook_type: "message.undelivered".to_owned(),
        body: String::new(),
    })
}

/// Number and count of each that is sent now, in this order.
fn sent(known: &mut KnownHooks, numbers: &[u64]) -> Vec<(u64, u64)> {
    let send = |it: &u64| Some((*it, known.send(DeliveryId(*it))?.1));
    numbers.iter().filter_map(send).collect()
}

/// What was replaced and is not recorded, and by which.
fn replaced(known: &KnownHooks) -> Vec<(u64, u64)> {
    let by = |end: &ChangeEnd| {
        let ChangeEnd::Replaced { by, .. } = end else { panic!("{end:?}") };
        *by
    };
    known.replaced(None).iter().map(|it| (it.number, by(&it.end))).collect()
}

#[test]
fn a_newer_one_takes_the_place_of_what_is_not_on_its_way_and_of_presence_only() {
    let mut known = KnownHooks::default();
    let ann = UserId::parse("ann").unwrap();
    for (number, user) in [(1, "ann"), (2, "bob"), (4, "ann"), (5, "ann")] {
        add(&mut known, number, user);
    }
    known.add(&waiting(3), told(3, &ann));
    assert_eq!(sent(&mut known, &[1]), [(1, 0)]);

    assert_eq!(known.coalesce(DeliveryId(5)), 1);
    assert_eq!(replaced(&known), [(4, 5)]);
    // It failed, and a newer one is there.
    known.again(DeliveryId(1), 1, None);
    assert!(known.give_way(DeliveryId(1)) && !known.give_way(DeliveryId(5)));
    assert!(!known.give_way(DeliveryId(3)), "it tells of something else");
    assert_eq!(known.replaced(Some(DeliveryId(5))).len(), 2);
    assert_eq!(known.replacement(DeliveryId(1)), Some(known.replaced(None)[0].clone()));
    let recorded = known.replaced(None);
    known.forget_replaced(&recorded);
    assert_eq!(replaced(&known), []);
    assert_eq!(sent(&mut known, &[1, 2, 3, 4, 5]), [(2, 0), (3, 0), (5, 2)]);
    assert_eq!(known.after(DeliveryId(2), 1).len(), 1);

    // What was put back is replaced by what is newer than that, and not by what was newer than its event.
    let mut put_back = waiting(1000);
    put_back.since = Some(WallMs(4));
    for number in [3999, 4001] {
        let news = HookNews::Change(Change {
            user: ann.clone(),
            seq: Seq(1000),
            session: Seq(1),
            at: WallMs(1),
            kind: ChangeKind::Online,
            portrait: Portrait::default(),
        });
        known.add(&put_back, news);
        add(&mut known, number, "ann");
        assert_eq!(known.coalesce(DeliveryId(number)), u64::from(number == 4001) * 2);
    }
}

#[derive(Debug, Clone)]
enum Op {
    Read(u8),
    Send(u8),
    Again(u8),
    End(u8),
    Yield(u8),
    Recorded,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_u8..3).prop_map(Op::Read),
        2 => (0_u8..3).prop_map(Op::Send),
        1 => (0_u8..3).prop_map(Op::Again),
        1 => (0_u8..3).prop_map(Op::End),
        1 => (0_u8..3).prop_map(Op::Yield),
        1 => Just(Op::Recorded),
    ]
}

proptest! {
    #[test]
    fn each_hook_is_sent_or_stood_for_once(ops in prop::collection::vec(op(), 0..60)) {
        let (mut known, mut number) = (KnownHooks::default(), 0);
        let name = |user: u8| format!("u{user}");
        let (mut ended, mut in_redis) = (0, BTreeMap::<u64, u64>::new());
        let mut waits = BTreeSet::new();
        for op in ops {
            let head = |known: &KnownHooks, user: u8| {
                known.next_of(&UserId::parse(&name(user)).unwrap()).map(|it| it.id)
            };
            match op {
                Op::Read(user) => {
                    number += 1;
                    add(&mut known, number, &name(user));
                    waits.insert(number);
                    known.coalesce(DeliveryId(number));
                    let of_user = UserId::parse(&name(user)).unwrap();
                    // Beside the new one only what may be on its way.
                    prop_assert!(known.users[&of_user].len() <= 2);
                }
                Op::Send(user) => {
                    if let Some(id) = head(&known, user) {
                        known.send(id);
                    }
                }
                Op::Again(user) => {
                    if let Some(id) = head(&known, user) {
                        known.again(id, 1, None);
                    }
                }
                Op::Yield(user) => {
                    if let Some(id) = head(&known, user) {
                        known.give_way(id);
                    }
                }
                Op::End(user) => {
                    let Some(id) = head(&known, user) else { continue };
                    // With what it stands for, as it is settled.
                    let with = known.replaced(Some(id));
                    for it in &with {
                        waits.remove(&it.number);
                        *in_redis.entry(id.0).or_default() += 1 + in_redis.get(&it.number).copied().unwrap_or(0);
                    }
                    known.forget_replaced(&with);
                    let stands = known.send(id).unwrap().1;
                    prop_assert_eq!(in_redis.get(&id.0).copied().unwrap_or(0), stands, "whoever takes over knows it");
                    ended += 1 + stands;
                    known.end(id);
                    waits.remove(&id.0);
                }
                Op::Recorded => {
                    let all = known.replaced(None);
                    for it in &all {
                        let ChangeEnd::Replaced { by, .. } = it.end else { panic!() };
                        waits.remove(&it.number);
                        *in_redis.entry(by).or_default() += 1 + in_redis.get(&it.number).copied().unwrap_or(0);
                    }
                    known.forget_replaced(&all);
                }
            }
            let stood: u64 = known.hooks.values().map(|it| 1 + it.coalesced).sum();
            prop_assert_eq!(ended + stood, number);
            // What waits in Redis is known, or is still to be recorded.
            let here: BTreeSet<u64> = known.hooks.keys().chain(known.replaced.keys()).map(|it| it.0).collect();
            prop_assert_eq!(&here, &waits);
        }
    }
}
