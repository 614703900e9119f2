//! Who gets a session back, who does not and why, and what a wrong claim must leave alone.

use super::{LIMITS, attach, away, come_back, emit, id, pid, socket, to_user};
use crate::core::recovery::{Live as _, Lost, Recovery, RecoveryOutcome, SessionClaim};
use crate::types::{SocketId, Timestamp};
use bytes::Bytes;

#[test]
fn a_session_is_refused_to_others_too_late_and_for_unknown_offsets() {
    let of_this_log = Some("7.1");
    let table: [(u8, &str, Option<&str>, u64, Lost); 9] = [
        (2, "p", None, 50, Lost::Unknown),
        (2, "p", of_this_log, 50, Lost::Over),
        (1, "q", None, 50, Lost::Unknown),
        (1, "q", Some("8.1"), 50, Lost::Unknown),
        (1, "q", of_this_log, 50, Lost::Over),
        (1, "p", of_this_log, 101, Lost::Over),
        (1, "p", Some("a plain string"), 50, Lost::BadOffset),
        (1, "p", Some("7.zzz"), 50, Lost::BadOffset),
        (1, "p", Some("8.1"), 50, Lost::BadOffset),
    ];
    for (u, claimed, offset, now, why) in table {
        let (mut it, _) = away();
        let claim = SessionClaim { pid: &pid(claimed), offset };
        let attached = attach(&mut it, socket(u, 2), Some(claim), "fresh", now);
        let place = format!("{u} {claimed} {offset:?} {now}");
        assert_eq!(attached.outcome, RecoveryOutcome::Lost(why), "{place}");
        assert_eq!((attached.pid, attached.missed.len()), (pid("fresh"), 0), "{place}");
    }
}

#[test]
fn a_session_that_cannot_be_replayed_is_lost_for_a_reason() {
    let claimed = pid("p");
    let (mut it, seen) = away();
    for n in 0..50 {
        emit(&mut it, &to_user(1), n, 1);
    }
    let claim = SessionClaim { pid: &claimed, offset: Some(&seen) };
    let attached = attach(&mut it, socket(1, 2), Some(claim), "fresh", 1);
    assert_eq!(attached.outcome, RecoveryOutcome::Lost(Lost::Truncated));

    let (mut it, seen) = away();
    it.append(to_user(1), Timestamp(0), |_| Bytes::from(vec![b'x'; 1000]));
    let claim = SessionClaim { pid: &claimed, offset: Some(&seen) };
    let attached = attach(&mut it, socket(1, 2), Some(claim), "fresh", 1);
    assert_eq!(attached.outcome, RecoveryOutcome::Lost(Lost::TooMuch));
}

#[test]
fn a_claim_with_a_wrong_place_leaves_the_session_to_whoever_has_it() {
    let (mut it, seen) = away();
    let claimed = pid("p");
    let wrong = || Some(SessionClaim { pid: &claimed, offset: Some("zzz") });
    // While its client is away …
    let attached = attach(&mut it, socket(1, 5), wrong(), "w1", 1);
    assert!(attached.replaced.is_none());
    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 10), (true, vec![2]));

    // … and while it is here.
    let attached = attach(&mut it, socket(1, 6), wrong(), "w2", 20);
    assert!(attached.replaced.is_none(), "nobody is closed for it");
    it.detach(&claimed, id(2), Timestamp(20));
    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 30), (true, vec![2]));
}

#[test]
fn of_two_claims_the_later_has_the_session() {
    let (mut it, seen) = away();
    let claimed = pid("p");
    let claim = || Some(SessionClaim { pid: &claimed, offset: Some(&*seen) });

    let first = attach(&mut it, socket(1, 2), claim(), "x", 1);
    let second = attach(&mut it, socket(1, 3), claim(), "y", 1);
    assert!(first.outcome.is_recovered() && second.outcome.is_recovered());
    assert_eq!(second.replaced.map(|it| it.id()), Some(id(2)), "the first connection is closed");
    it.detach(&claimed, id(2), Timestamp(2));

    assert_eq!(it.sessions(), 1);
    let nobody = crate::types::Target { all: true, ..crate::types::Target::default() };
    assert!(!it.is_any_away_in(&nobody), "the end of the first changes nothing for the second");
}

#[test]
fn another_users_claim_leaves_the_session_alone() {
    let (mut it, seen) = away();

    come_back(&mut it, 2, "p", Some(&seen), 10);

    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 20), (true, vec![2]));
}

#[test]
fn a_client_that_comes_and_goes_takes_one_place_among_those_that_are_away() {
    let (mut it, seen) = away();
    attach(&mut it, socket(2, 50), None, "q", 0);
    it.detach(&pid("q"), id(50), Timestamp(0));
    let claimed = pid("q");
    for n in 51..80 {
        let claim = SessionClaim { pid: &claimed, offset: None };
        assert!(attach(&mut it, socket(2, n), Some(claim), "x", 0).outcome.is_recovered());
        it.detach(&claimed, id(n), Timestamp(0));
    }

    assert_eq!(come_back(&mut it, 1, "p", Some(&seen), 10), (true, vec![2]));
    assert_eq!(come_back(&mut it, 2, "q", None, 10), (true, vec![]));
}

#[test]
fn the_ids_of_a_session_go_on_up_to_a_bound() {
    let mut it = Recovery::new(LIMITS, 7);
    let first = attach(&mut it, socket(1, 0), None, "p", 0);
    assert_eq!(first.earlier, []);
    let claimed = pid("p");
    for n in 1..20 {
        let claim = SessionClaim { pid: &claimed, offset: None };
        let attached = attach(&mut it, socket(1, n), Some(claim), "x", 0);
        let expected: Vec<SocketId> = (0..n).rev().take(7).map(id).collect();
        assert_eq!(attached.earlier, expected);
    }

    let claim = SessionClaim { pid: &pid("unknown"), offset: None };
    let anew = attach(&mut it, socket(1, 99), Some(claim), "y", 0);
    assert_eq!(anew.earlier, [], "a session that begins anew has no past");
}
