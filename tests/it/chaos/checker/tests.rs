//! A checker that finds nothing proves nothing: each rule is broken once.

use super::{Evidence, Terms, believed_online, check};
use crate::rig::receiver::Hook;
use crate::rig::truth::{History, Mark, ServerMark, State};

fn mark(at: u64, tab: usize, state: State) -> Mark {
    Mark { at, tab, user: "ann".to_owned(), state, is_exact: true }
}

/// An event stamped at `seq`, delivered at once.
fn hook(place: usize, is_online: bool, seq: u64, session: u64) -> Hook {
    Hook {
        at: seq,
        place,
        acked: Some(place + 1),
        id: format!("pr_{seq}"),
        body: format!("{seq}"),
        user: "ann".to_owned(),
        is_online,
        seq,
        session,
        reason: String::new(),
        stamp: seq,
    }
}

/// Here from 1 s to 10 s, again from 20 s to 30 s with a reload of the page in between, in two tabs for a while.
fn good() -> Evidence {
    let marks = vec![
        mark(900, 0, State::Murky),
        mark(1_000, 0, State::Up),
        mark(10_000, 0, State::Down),
        mark(19_900, 0, State::Murky),
        mark(20_000, 0, State::Up),
        mark(22_000, 1, State::Up),
        mark(24_000, 0, State::Down),
        mark(26_000, 1, State::Down),
        mark(26_500, 1, State::Up),
        mark(30_000, 1, State::Down),
    ];
    let hooks = vec![
        hook(1, true, 1_000, 1_000),
        Hook { acked: None, ..hook(3, false, 11_005, 1_000) },
        hook(4, false, 11_005, 1_000),
        hook(6, true, 20_000, 20_000),
        hook(8, false, 31_005, 20_000),
    ];
    let events = [0, 2, 3, 4].map(|index: usize| hooks[index].clone()).into();
    let history = History { marks, server: vec![(0, ServerMark::Ready)] };
    Evidence { terms: Terms::ONE_NODE, history, hooks, events, end: 60_000 }
}

#[track_caller]
fn finds(what: &str, evidence: &Evidence) {
    let wrong = check(evidence);
    assert!(wrong.iter().any(|it| it.contains(what)), "not found: {what}, but {wrong:?}");
}

/// Takes an event out of both logs.
fn forget(evidence: &mut Evidence, seq: u64) {
    evidence.hooks.retain(|it| it.seq != seq);
    evidence.events.retain(|it| it.seq != seq);
}

/// Changes an event in both logs.
fn change(evidence: &mut Evidence, seq: u64, change: impl Fn(&mut Hook)) {
    for hook in evidence.hooks.iter_mut().chain(evidence.events.iter_mut()) {
        if hook.seq == seq {
            change(hook);
        }
    }
}

#[test]
fn a_good_run_is_found_good() {
    assert_eq!(check(&good()), Vec::<String>::new());
    assert!(believed_online(&good().hooks).is_empty());
}

#[test]
fn a_missing_offline_is_found() {
    let mut evidence = good();
    forget(&mut evidence, 31_005);
    finds("Down from 30000 to 60000, still online", &evidence);
    assert_eq!(believed_online(&evidence.hooks).len(), 1);
    forget(&mut evidence, 11_005);
    finds("Down from 10000 to 19900, still online", &evidence);
    finds("online 20000 of session 20000 while Some(1000) is open", &evidence);
}

#[test]
fn a_missing_online_is_found() {
    let mut evidence = good();
    forget(&mut evidence, 20_000);
    forget(&mut evidence, 31_005);
    finds("Up from 20000 to 26000, still offline", &evidence);
}

#[test]
fn an_offline_while_connected_or_in_the_grace_is_found() {
    for stamp in [21_000, 25_000, 26_200, 28_000, 30_500] {
        let mut evidence = good();
        change(&mut evidence, 31_005, |hook| hook.stamp = stamp);
        finds(&format!("offline at {stamp}, but connected"), &evidence);
    }
}

#[test]
fn an_offline_that_is_late_is_found() {
    let mut evidence = good();
    change(&mut evidence, 31_005, |hook| hook.stamp = 37_000);
    finds("Down from 30000 to 60000, still online", &evidence);
}

#[test]
fn the_bound_waits_for_a_server_that_is_down_or_paused() {
    for (stop, again) in [
        (ServerMark::Gone, ServerMark::Ready),
        (ServerMark::Paused, ServerMark::Resumed),
        (ServerMark::Blind, ServerMark::Sighted),
    ] {
        let mut evidence = good();
        evidence.history.server.extend([(30_000, stop), (35_000, again)]);
        change(&mut evidence, 31_005, |hook| hook.stamp = 37_500);
        assert_eq!(check(&evidence), Vec::<String>::new());
        change(&mut evidence, 31_005, |hook| hook.stamp = 45_000);
        finds("Down from 30000 to 60000, still online", &evidence);
    }
}

#[test]
fn wrong_order_is_found() {
    let mut evidence = good();
    evidence.hooks.swap(2, 3);
    evidence.hooks.remove(1);
    finds("11005 came after 20000", &evidence);
}

#[test]
fn a_hook_that_overtakes_an_unaccepted_one_is_found() {
    let mut evidence = good();
    evidence.hooks[2].acked = Some(7);
    finds("20000 was sent before 11005 was accepted", &evidence);
    evidence.hooks[2].acked = None;
    finds("20000 was sent before 11005 was accepted", &evidence);
}

#[test]
fn a_second_offline_of_one_session_is_found() {
    let mut evidence = good();
    let again = hook(10, false, 32_000, 20_000);
    evidence.hooks.push(again.clone());
    evidence.events.push(again);
    finds("offline 32000 of session 20000 while None is open", &evidence);
}

#[test]
fn an_offline_of_another_session_is_found() {
    let mut evidence = good();
    change(&mut evidence, 31_005, |hook| hook.session = 1_000);
    finds("offline 31005 of session 1000 while Some(20000) is open", &evidence);
}

#[test]
fn a_retry_with_another_body_is_found() {
    let mut evidence = good();
    "other".clone_into(&mut evidence.hooks[1].body);
    finds("pr_11005 came with two bodies", &evidence);
}

#[test]
fn a_hook_that_is_not_in_the_event_log_is_found_and_the_other_way_round() {
    let mut evidence = good();
    evidence.events.remove(1);
    finds("are not the event log", &evidence);
    let mut evidence = good();
    evidence.hooks.pop();
    finds("are not the event log", &evidence);
}

#[test]
fn what_was_told_before_a_loss_may_be_told_again_after_it_and_nothing_false() {
    let mut evidence = good();
    evidence.terms.lost = Some((31_500, 31_500));
    evidence.hooks.push(hook(10, false, 32_000, 20_000));
    evidence.events.push(hook(10, false, 32_000, 20_000));
    assert_eq!(check(&evidence), Vec::<String>::new());
    evidence.terms.lost = Some((33_000, 33_000));
    finds("offline 32000 of session 20000 while None is open", &evidence);

    // What had still to be told may be lost, too; but never is somebody called offline who is there.
    let mut evidence = good();
    evidence.hooks[2].acked = None;
    evidence.terms.lost = Some((15_000, 15_000));
    assert_eq!(check(&evidence), Vec::<String>::new());
    evidence.hooks.insert(4, hook(7, false, 21_000, 20_000));
    finds("offline at 21000, but connected", &evidence);
}

#[test]
fn what_is_lost_was_not_yet_read_or_not_yet_told() {
    // Told, and lost before anybody read it.
    let mut evidence = good();
    evidence.events.retain(|it| it.seq != 11_005);
    evidence.terms.lost = Some((12_000, 15_000));
    assert_eq!(check(&evidence), Vec::<String>::new());
    evidence.terms.lost = Some((22_000, 25_000));
    finds("are not the event log", &evidence);
    evidence.terms.lost = Some((9_000, 10_000));
    finds("are not the event log", &evidence);

    // Read, and lost before it was told: it comes again, with another number.
    let mut evidence = good();
    evidence.terms.lost = Some((31_100, 31_200));
    change(&mut evidence, 31_005, |hook| (hook.seq, hook.stamp) = (31_300, 31_300));
    evidence.hooks.last_mut().unwrap().at = 31_900;
    evidence.events.insert(3, hook(8, false, 31_005, 20_000));
    assert_eq!(check(&evidence), Vec::<String>::new());
    // Who is there was called online, though nobody was told.
    let mut untold = good();
    untold.hooks.truncate(3);
    untold.events.truncate(3);
    untold.history.marks.retain(|it| it.at < 30_000);
    untold.end = 31_000;
    untold.terms.lost = Some((30_000, 30_500));
    assert_eq!(check(&untold), Vec::<String>::new());
    untold.events.truncate(2);
    finds("Up from 20000 to 26000, still offline", &untold);
    // What is newer was told before the loss: so was this.
    evidence.hooks.last_mut().unwrap().at = 31_010;
    finds("are not the event log", &evidence);
    // It was recorded after it.
    evidence.hooks.last_mut().unwrap().at = 31_900;
    evidence.terms.lost = Some((30_000, 30_500));
    finds("are not the event log", &evidence);
}
