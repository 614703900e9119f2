//! Whose a session is: each scenario holds with the shipped scripts, and not without the guard.

use super::directed::{Bench, Node, needs};
use super::mutants::Mutant;
use super::parts::user_id;
use crate::core::cluster::sessions::{AwayBounds, KeptSession, SessionOp};
use crate::types::UserId;
use bytes::Bytes;
use std::time::Duration;

/// A socket of user 1 says something of the session `/ p`.
fn keep(bench: &mut Bench, node: &mut Node, owner: &str, record: &'static str, is_new: bool) {
    let kept = KeptSession {
        user: user_id(1),
        owner: owner.into(),
        kept_for: Duration::from_hours(1),
        record: Bytes::from_static(record.as_bytes()),
        is_new,
        away: None,
    };
    let sessions = vec![("/ p".into(), SessionOp::Keep(kept))];
    bench.apply_all(node, Vec::new(), sessions, &[]);
}

/// The owner and the record that the next claim finds.
fn found(bench: &mut Bench, claimant: &str) -> Option<(String, Bytes)> {
    let session = bench.claim(1, claimant).session?;
    Some((session.owner.to_string(), session.record))
}

fn is(found: Option<&(String, Bytes)>, owner: &str, record: &str) -> bool {
    found.is_some_and(|it| it.0 == owner && it.1 == record)
}

#[test]
fn who_claimed_a_session_has_it_and_the_next_one_is_told_so() {
    needs(Mutant::Claimant, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        keep(bench, &mut node, "a/1", "first", true);
        let first = found(bench, "b/2");
        let second = found(bench, "c/3");
        is(first.as_ref(), "a/1", "first") && is(second.as_ref(), "b/2", "first")
    });
}

#[test]
fn what_is_said_of_a_session_by_who_has_it_no_more_does_not_count() {
    needs(Mutant::Owner, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        keep(bench, &mut node, "a/1", "first", true);
        found(bench, "b/2");
        keep(bench, &mut node, "a/1", "late", false);
        keep(bench, &mut node, "b/2", "second", false);
        keep(bench, &mut node, "a/1", "late", false);
        is(found(bench, "c/3").as_ref(), "b/2", "second")
    });
}

#[test]
fn who_has_a_session_no_more_does_not_end_it() {
    needs(Mutant::OwnEnd, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        keep(bench, &mut node, "a/1", "first", true);
        found(bench, "b/2");
        let end = |owner: &str| vec![("/ p".into(), SessionOp::End { owner: owner.into() })];
        bench.apply_all(&mut node, Vec::new(), end("a/1"), &[]);
        let is_there = is(found(bench, "b/2").as_ref(), "b/2", "first");
        bench.apply_all(&mut node, Vec::new(), end("b/2"), &[]);
        is_there && found(bench, "b/2").is_none()
    });
}

#[test]
fn a_session_is_found_by_its_user_only() {
    needs(Mutant::Whose, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        keep(bench, &mut node, "a/1", "first", true);
        let of_another = bench.claim(2, "b/2").session;
        of_another.is_none() && is(found(bench, "a/1").as_ref(), "a/1", "first")
    });
}

#[test]
fn a_namespace_that_reads_like_another_one_with_a_user_has_its_own_bounds() {
    let mut bench = Bench::new(None);
    let mut node = bench.attach("run", None, "a.1");
    for (name, user, namespace) in
        [("one", "b", "/a"), ("two", "c", "/a b"), ("three", "d", "/a b")]
    {
        let bounds = AwayBounds { namespace: namespace.into(), of_namespace: 2, of_user: 1 };
        let kept = KeptSession {
            user: UserId::parse(user).unwrap(),
            owner: "a/1".into(),
            kept_for: Duration::from_hours(1),
            record: Bytes::from_static(b"record"),
            is_new: true,
            away: Some(bounds),
        };
        bench.apply_all(&mut node, Vec::new(), vec![(name.into(), SessionOp::Keep(kept))], &[]);
    }
    let mut kept = bench.ask_redis(&["KEYS", "s:*"]);
    kept.sort_unstable();
    let names: Vec<&str> = kept.iter().filter_map(|it| it.rsplit(':').next()).collect();
    assert_eq!(names, ["one", "three", "two"], "none makes room for another's");
}
