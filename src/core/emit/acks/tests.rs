use super::{AckNeed, AckSummary, Acks, NotKept, WhyNoAck};
use crate::types::{SocketId, Timestamp, UserId};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn socket(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

/// Ann with two sockets, Bob with one, all asked at 100.
fn three(need: AckNeed) -> Acks<u8> {
    let mut acks = Acks::new(need, [user("ann"), user("bob")]);
    for (n, name) in [(1, "ann"), (2, "ann"), (3, "bob")] {
        acks.ask(socket(n), user(name), Timestamp(100));
    }
    acks
}

fn hear(acks: &mut Acks<u8>, n: u8, at: u64) {
    acks.hear(socket(n), Ok(n), Timestamp(at));
}

fn missing(outcome: &AckSummary<u8>) -> Vec<(SocketId, WhyNoAck)> {
    outcome.missing.iter().map(|it| (it.socket, it.why)).collect()
}

#[test]
fn all_needs_every_socket() {
    let mut acks = three(AckNeed::All);
    hear(&mut acks, 1, 105);
    hear(&mut acks, 3, 110);
    assert!(!acks.is_over());
    hear(&mut acks, 2, 120);
    assert!(acks.is_over() && acks.is_met());

    let outcome = acks.end();

    let took: Vec<u128> = outcome.acks.iter().map(|it| it.took.as_millis()).collect();
    assert_eq!(took, [5, 20, 10], "in the order in which they were asked");
    assert!(outcome.missing.is_empty());
}

#[test]
fn who_is_absent_is_told_and_not_waited_for() {
    let mut acks = three(AckNeed::All);
    acks.absent(user("cy"));
    for n in 1..=3 {
        hear(&mut acks, n, 105);
    }
    assert!(acks.is_over() && acks.is_met(), "every socket has answered");
    let outcome = acks.end();
    assert_eq!((missing(&outcome), outcome.absent), (vec![], vec![user("cy")]));
}

#[test]
fn any_is_over_with_the_first() {
    let mut acks = three(AckNeed::Any);
    assert!(!acks.is_over());
    hear(&mut acks, 2, 101);
    assert!(acks.is_over() && acks.is_met());

    let outcome = acks.end();

    assert_eq!(
        missing(&outcome),
        [(socket(1), WhyNoAck::Cancelled), (socket(3), WhyNoAck::Cancelled)]
    );
}

#[test]
fn one_per_user_needs_one_device_of_each() {
    let mut acks = three(AckNeed::OnePerUser);
    hear(&mut acks, 1, 101);
    hear(&mut acks, 2, 101);
    assert!(!acks.is_over(), "bob has not answered");
    hear(&mut acks, 3, 102);
    assert!(acks.is_over() && acks.is_met());
}

#[test]
fn one_per_user_is_over_without_those_who_cannot_answer_but_not_met() {
    let mut acks = three(AckNeed::OnePerUser);
    hear(&mut acks, 1, 101);
    acks.lose(socket(3));
    assert!(acks.is_over() && !acks.is_met());
    assert_eq!(
        missing(&acks.end()),
        [(socket(2), WhyNoAck::Cancelled), (socket(3), WhyNoAck::Disconnected)]
    );

    let mut absent: Acks<u8> = Acks::new(AckNeed::OnePerUser, [user("ann"), user("cy")]);
    absent.ask(socket(1), user("ann"), Timestamp(0));
    hear(&mut absent, 1, 1);
    assert!(absent.is_over() && !absent.is_met(), "cy is not here");
}

#[test]
fn nobody_is_not_enough() {
    for need in [AckNeed::All, AckNeed::Any, AckNeed::OnePerUser] {
        let acks: Acks<u8> = Acks::new(need, []);
        assert!(acks.is_over() && !acks.is_met(), "{need:?}");
    }
}

#[test]
fn who_is_late_gone_or_was_not_sent_it_is_told() {
    let mut acks = three(AckNeed::All);
    acks.lose(socket(1));
    acks.refuse(socket(4), user("cy"), WhyNoAck::TooMany);
    acks.refuse(socket(5), user("cy"), WhyNoAck::NotSent);
    hear(&mut acks, 3, 101);

    let outcome = acks.end();

    let expected = [
        (socket(1), WhyNoAck::Disconnected),
        (socket(2), WhyNoAck::Timeout),
        (socket(4), WhyNoAck::TooMany),
        (socket(5), WhyNoAck::NotSent),
    ];
    assert_eq!(missing(&outcome), expected);
    assert!(!outcome.is_met);
}

#[test]
fn only_the_first_answer_counts_and_only_of_those_who_were_asked() {
    let mut acks = three(AckNeed::All);
    acks.hear(socket(1), Ok(10), Timestamp(101));
    acks.hear(socket(1), Ok(11), Timestamp(102));
    acks.hear(socket(9), Ok(9), Timestamp(102));
    acks.lose(socket(1));
    acks.lose(socket(2));
    acks.hear(socket(2), Ok(2), Timestamp(103));

    let outcome = acks.end();

    let answers: Vec<_> = outcome.acks.iter().map(|it| (it.socket, it.answer)).collect();
    assert_eq!(answers, [(socket(1), Ok(10))]);
}

#[test]
fn answers_that_are_not_kept_count_without_what_they_say() {
    let mut acks = Acks::new(AckNeed::All, []);
    for n in 1..=3 {
        acks.ask(socket(n), user("ann"), Timestamp(0));
    }
    acks.hear(socket(1), Ok("a"), Timestamp(1));
    acks.hear(socket(2), Err(NotKept::RequestFull), Timestamp(1));
    acks.hear(socket(3), Ok("c"), Timestamp(1));

    let outcome = acks.end();

    let answers: Vec<_> = outcome.acks.iter().map(|it| it.answer).collect();
    assert_eq!(answers, [Ok("a"), Err(NotKept::RequestFull), Ok("c")]);
    assert!(outcome.is_met);
}

/// What happened to the sockets, thought out the slow way.
fn model(need: AckNeed, named: &BTreeSet<u8>, sockets: &[(u8, Expected)]) -> (bool, bool) {
    let of = |name: u8, fate: Expected| sockets.iter().any(|(n, it)| n % 4 == name && *it == fate);
    let users: BTreeSet<u8> = sockets.iter().map(|(n, _)| n % 4).chain(named.clone()).collect();
    let is_met = match need {
        AckNeed::All => {
            !sockets.is_empty() && sockets.iter().all(|(_, fate)| *fate == Expected::Acked)
        }
        AckNeed::Any => sockets.iter().any(|(_, fate)| *fate == Expected::Acked),
        AckNeed::OnePerUser => !users.is_empty() && users.iter().all(|it| of(*it, Expected::Acked)),
    };
    let is_stuck = match need {
        AckNeed::All | AckNeed::Any => sockets.iter().all(|(_, fate)| *fate != Expected::Waiting),
        AckNeed::OnePerUser => {
            users.iter().all(|it| of(*it, Expected::Acked) || !of(*it, Expected::Waiting))
        }
    };
    (is_met, is_met || is_stuck)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Waiting,
    Acked,
    Lost,
    Refused,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_agrees_with_the_model(
        need in prop_oneof![Just(AckNeed::All), Just(AckNeed::Any), Just(AckNeed::OnePerUser)],
        named in prop::collection::btree_set(0_u8..4, 0..4),
        fates in prop::collection::vec(
            prop_oneof![Just(Expected::Waiting), Just(Expected::Acked), Just(Expected::Lost), Just(Expected::Refused)],
            0..12,
        ),
    ) {
        let sockets: Vec<(u8, Expected)> = (0_u8..).zip(fates).collect();
        let named_users = named.iter().map(|it| user(&it.to_string()));
        let mut acks: Acks<u8> = Acks::new(need, named_users);
        for (n, fate) in &sockets {
            let of = user(&(n % 4).to_string());
            match fate {
                Expected::Refused => acks.refuse(socket(*n), of, WhyNoAck::NotSent),
                Expected::Waiting | Expected::Acked | Expected::Lost => acks.ask(socket(*n), of, Timestamp(0)),
            }
        }
        for (n, fate) in &sockets {
            match fate {
                Expected::Acked => hear(&mut acks, *n, 1),
                Expected::Lost => acks.lose(socket(*n)),
                Expected::Waiting | Expected::Refused => {}
            }
        }
        prop_assert_eq!((acks.is_met(), acks.is_over()), model(need, &named, &sockets));
        let outcome = acks.end();
        prop_assert_eq!(outcome.acks.len() + outcome.missing.len(), sockets.len());
    }
}
