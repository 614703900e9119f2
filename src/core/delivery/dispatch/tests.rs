//! Single rules of the dispatcher, each with a story.

mod next;

use super::{Dispatch, DispatchSettings, Health, Offer, Request, UNTRIED_MAX};
use crate::core::delivery::decision::{
    AttemptOutcome, Death, DeliveryDecision, DeliveryId, DeliveryVerdict, PendingHook,
};
use crate::types::{Moment, Seq, Timestamp, UserId, WallMs};
use std::time::Duration;

const SETTINGS: DispatchSettings = DispatchSettings {
    concurrency: 4,
    batch_max: 1,
    reject_after: 5,
    retry_for: Duration::from_hours(72),
};
const FAILED: AttemptOutcome = AttemptOutcome::Failed { retry_after: None };

#[test]
fn a_second_hook_of_a_user_waits_for_the_first() {
    let mut dispatch = with(SETTINGS, &["ann"]);
    dispatch.offer(head(2, "ann"), at(0));

    let request = dispatch.next_request(ms(0)).unwrap();
    assert_eq!(request.deliveries, [DeliveryId(1)]);
    assert_eq!(dispatch.next_request(ms(0)), None);

    let decided = answer(&mut dispatch, &request, AttemptOutcome::Accepted, 5);
    assert_eq!(verdicts(&decided), [DeliveryVerdict::Delivered]);
    assert_eq!(dispatch.next_request(ms(5)), None, "the end of the first is not recorded yet");
    dispatch.advance(&user("ann"), Some(head(2, "ann")), at(6));
    assert_eq!(dispatch.next_request(ms(6)).unwrap().deliveries, [DeliveryId(2)]);
}

#[test]
fn a_user_whose_hooks_fail_does_not_hold_up_the_others() {
    let mut dispatch = with(SETTINGS, &["bad"]);
    let mut now = 0;
    for n in 2..50 {
        fail_first(&mut dispatch, now, FAILED);
        dispatch.offer(head(n, &format!("good{n}")), at(now));
        let request = dispatch.next_request(ms(now)).unwrap();
        assert_eq!(request.deliveries, [DeliveryId(n)], "sent at once");
        answer(&mut dispatch, &request, AttemptOutcome::Accepted, now);
        dispatch.advance(&user(&format!("good{n}")), None, at(now));
        now += 60_000;
    }
    assert_eq!(dispatch.health(), Health::Failing);
}

#[test]
fn a_rejected_hook_is_a_dead_letter_after_the_configured_tries() {
    let mut dispatch = with(SETTINGS, &["bad"]);
    let mut now = 0;

    for tries in 1..=5 {
        let decided = fail_first(&mut dispatch, now, AttemptOutcome::Rejected);
        assert_eq!(decided[0].attempts, tries);
        let is_dead = decided[0].verdict == DeliveryVerdict::Dead(Death::Rejected);
        assert_eq!(is_dead, tries == 5);
        now += 60_000;
    }
    dispatch.advance(&user("bad"), Some(head(2, "bad")), at(now));

    assert_eq!(dispatch.next_request(ms(now)).unwrap().deliveries, [DeliveryId(2)]);
}

#[test]
fn an_endpoint_that_rejects_everybody_opens_the_circuit_and_kills_nothing() {
    let users: Vec<String> = (0..6).map(|n| format!("u{n}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut dispatch = with(SETTINGS, &users);
    let mut now = 0;

    for _ in 0..5000 {
        if let Some(request) = dispatch.next_request(ms(now)) {
            for decision in answer(&mut dispatch, &request, AttemptOutcome::Rejected, now) {
                assert!(matches!(decision.verdict, DeliveryVerdict::Retry { .. }), "{decision:?}");
            }
        }
        now += 1000;
    }

    assert_eq!(dispatch.health(), Health::Open);
}

#[test]
fn a_hook_that_failed_for_too_long_is_a_dead_letter_but_only_after_a_try() {
    let mut dispatch = Dispatch::new(SETTINGS);
    let old = PendingHook { created: WallMs(0), ..head(1, "ann") };
    dispatch.offer(old.clone(), at(0));

    let request = dispatch.next_request(ms(0)).unwrap();
    let decided = answer(&mut dispatch, &request, FAILED, 0);

    assert_eq!(verdicts(&decided), [DeliveryVerdict::Dead(Death::Expired)]);
}

#[test]
fn a_step_of_the_wall_clock_kills_no_hook() {
    let mut dispatch = with(SETTINGS, &["ann"]);
    let mut now = Moment { wall: WallMs(u64::MAX), ..at(0) };
    dispatch.offer(head(2, "bob"), now);

    now.now = ms(1000);
    let request = dispatch.next_request(now.now).unwrap();
    let decided = answer(&mut dispatch, &request, FAILED, 1000);

    assert!(matches!(decided[0].verdict, DeliveryVerdict::Retry { .. }));
}

#[test]
fn retry_after_is_honoured_even_when_the_endpoint_recovers_earlier() {
    let mut dispatch = with(SETTINGS, &["ann"]);
    let asked = AttemptOutcome::Failed { retry_after: Some(Duration::from_mins(2)) };

    let decided = fail_first(&mut dispatch, 0, asked);
    assert_eq!(decided[0].verdict, DeliveryVerdict::Retry { at: ms(120_000) });
    assert_eq!(dispatch.wake_at(ms(0)), Some(ms(120_000)));
    dispatch.offer(head(2, "bob"), at(0));
    let now = break_down(&mut dispatch, 0);
    let probe = dispatch.next_request(ms(now)).unwrap();
    assert_eq!(probe.deliveries, [DeliveryId(2)]);
    answer(&mut dispatch, &probe, AttemptOutcome::Accepted, now);

    assert_eq!(dispatch.next_request(ms(119_999)), None);
    assert!(dispatch.next_request(ms(120_000)).is_some());
}

#[test]
fn the_end_of_an_outage_cuts_back_offs_short() {
    let mut dispatch = with(SETTINGS, &["a", "b"]);
    let mut now = break_down(&mut dispatch, 0);
    for _ in 0..20 {
        fail_first(&mut dispatch, now, AttemptOutcome::Unreachable);
        now = dispatch.wake_at(ms(now)).unwrap().0;
    }
    let probe = dispatch.next_request(ms(now)).unwrap();

    answer(&mut dispatch, &probe, AttemptOutcome::Accepted, now);

    assert!(dispatch.next_request(ms(now)).is_some(), "the other user's turn is now");
}

#[test]
fn gone_disables_the_endpoint_and_keeps_its_hooks() {
    let mut dispatch = with(SETTINGS, &["ann", "bob"]);

    let decided = fail_first(&mut dispatch, 0, AttemptOutcome::Gone);

    assert!(matches!(decided[0].verdict, DeliveryVerdict::Retry { .. }));
    assert_eq!(dispatch.health(), Health::Disabled);
    assert_eq!(dispatch.next_request(ms(3_600_000)), None);
    assert_eq!(dispatch.wake_at(ms(0)), None);
    dispatch.enable();
    let sent: Vec<_> = std::iter::from_fn(|| dispatch.next_request(ms(1))).collect();
    assert_eq!(sent.len(), 2);
}

#[test]
fn an_operator_can_cut_all_waiting_short() {
    let mut dispatch = with(SETTINGS, &["ann"]);
    let mut now = break_down(&mut dispatch, 0);
    now -= 4000;
    assert_eq!(dispatch.next_request(ms(now)), None);

    dispatch.hurry(ms(now));

    assert!(dispatch.next_request(ms(now)).is_some());
}

#[test]
fn first_attempts_are_batched_and_retries_go_alone() {
    let mut dispatch = with(DispatchSettings { batch_max: 3, ..SETTINGS }, &["a", "b", "c", "d"]);

    let batch = dispatch.next_request(ms(0)).unwrap();
    assert_eq!(batch.deliveries, [1, 2, 3].map(DeliveryId));
    let decided = answer(&mut dispatch, &batch, AttemptOutcome::Rejected, 0);
    assert_eq!(decided.len(), 3);

    let sizes: Vec<usize> = std::iter::from_fn(|| dispatch.next_request(ms(60_000)))
        .map(|request| request.deliveries.len())
        .collect();
    assert_eq!(sizes, [1, 1, 1, 1]);
}

#[test]
fn a_retry_whose_turn_has_come_takes_no_others_with_it() {
    let mut dispatch = with(DispatchSettings { batch_max: 3, ..SETTINGS }, &["a"]);
    fail_first(&mut dispatch, 0, FAILED);
    dispatch.offer(head(2, "b"), at(2000));
    dispatch.offer(head(3, "c"), at(2000));

    let sent: Vec<_> = std::iter::from_fn(|| dispatch.next_request(ms(2000))).collect();

    let sent: Vec<_> = sent.into_iter().map(|request| request.deliveries).collect();
    assert_eq!(sent, [vec![DeliveryId(1)], vec![DeliveryId(2), DeliveryId(3)]]);
}

#[test]
fn one_bad_hook_in_a_batch_dies_alone() {
    let mut dispatch = with(DispatchSettings { batch_max: 2, ..SETTINGS }, &["bad", "good"]);
    let batch = dispatch.next_request(ms(0)).unwrap();
    answer(&mut dispatch, &batch, AttemptOutcome::Rejected, 0);
    let mut now = 0;
    let mut ends = Vec::new();

    while let Some(wake) = dispatch.wake_at(ms(now)) {
        now = wake.0;
        let request = dispatch.next_request(ms(now)).unwrap();
        let is_bad = request.deliveries == [DeliveryId(1)];
        let outcome = if is_bad { AttemptOutcome::Rejected } else { AttemptOutcome::Accepted };
        ends.extend(answer(&mut dispatch, &request, outcome, now));
    }

    let ends: Vec<_> =
        ends.iter().filter(|it| !matches!(it.verdict, DeliveryVerdict::Retry { .. })).collect();
    let dead = ends.iter().find(|it| it.verdict == DeliveryVerdict::Dead(Death::Rejected)).unwrap();
    assert_eq!(
        (dead.id, dead.attempts),
        (DeliveryId(1), 6),
        "the batch does not count as a rejection"
    );
    assert!(
        ends.iter().any(|it| it.id == DeliveryId(2) && it.verdict == DeliveryVerdict::Delivered)
    );
}

#[test]
fn a_replaced_hook_is_skipped_without_an_attempt() {
    let mut dispatch = with(SETTINGS, &["ann"]);
    let request = dispatch.next_request(ms(0)).unwrap();

    let decided = dispatch.vanished(request.id, &request.deliveries);

    assert_eq!(verdicts(&decided), [DeliveryVerdict::Skipped]);
    assert_eq!(decided[0].attempts, 0);
    assert_eq!(dispatch.in_flight(), 0);
    dispatch.advance(&user("ann"), Some(head(2, "ann")), at(0));
    assert_eq!(dispatch.next_request(ms(0)).unwrap().deliveries, [DeliveryId(2)]);
}

#[test]
fn trouble_of_our_own_is_no_attempt() {
    let mut dispatch = with(SETTINGS, &["ann"]);

    for now in 0..100 {
        assert!(fail_first(&mut dispatch, now * 1000, AttemptOutcome::NotSent).is_empty());
    }

    assert_ne!(dispatch.health(), Health::Open);
    let decided = fail_first(&mut dispatch, 100_000, FAILED);
    assert_eq!(decided[0].attempts, 1);
}

#[test]
fn a_backlog_waits_in_the_store_not_in_memory() {
    let mut dispatch = Dispatch::new(SETTINGS);
    let taken =
        (1..5000).take_while(|n| dispatch.offer(head(*n, &n.to_string()), at(0)) == Offer::Taken);

    assert_eq!(taken.count(), UNTRIED_MAX);
    assert!(!dispatch.wants_more());
    assert_eq!(dispatch.offer(head(5000, "1"), at(0)), Offer::Taken, "that user has a queue");
    for n in 1.. {
        let request = dispatch.next_request(ms(0)).unwrap();
        answer(&mut dispatch, &request, AttemptOutcome::Accepted, 0);
        if dispatch.wants_more() {
            assert_eq!(n, UNTRIED_MAX / 2);
            break;
        }
    }
    assert_eq!(dispatch.offer(head(6000, "new"), at(0)), Offer::Taken);
}

#[test]
fn what_failed_before_a_restart_goes_on_counting() {
    let mut dispatch = Dispatch::new(SETTINGS);
    dispatch.offer(PendingHook { attempts: 6, ..head(1, "ann") }, at(0));

    let decided = fail_first(&mut dispatch, 0, FAILED);

    assert_eq!(decided[0].attempts, 7);
    assert_eq!(decided[0].verdict, DeliveryVerdict::Retry { at: ms(60_000) });
}

#[test]
fn a_wait_that_was_set_before_a_restart_is_waited_out_after_it() {
    let mut dispatch = Dispatch::new(SETTINGS);
    dispatch.offer(waiting("asked", 1, 3_000_000), at(0));
    dispatch.offer(waiting("backing-off", 2, 20_000), at(0));
    dispatch.offer(waiting("late", 3, 0), at(0));

    assert_eq!(dispatch.next_request(ms(0)).unwrap().deliveries, [DeliveryId(3)]);
    assert_eq!(dispatch.next_request(ms(19_999)), None);
    assert_eq!(dispatch.wake_at(ms(0)), Some(ms(20_000)));
    dispatch.hurry(ms(0));
    assert_eq!(dispatch.next_request(ms(0)).unwrap().deliveries, [DeliveryId(2)], "a back-off");
    assert_eq!(dispatch.next_request(ms(2_999_999)), None, "the receiver has asked for that");
    assert_eq!(dispatch.next_request(ms(3_000_000)).unwrap().deliveries, [DeliveryId(1)]);
}

#[test]
fn a_wait_that_a_clock_set_back_has_made_longer_is_bounded() {
    let mut dispatch = Dispatch::new(SETTINGS);
    dispatch.offer(waiting("ann", 1, u64::MAX / 2), at(0));

    assert_eq!(dispatch.wake_at(ms(0)), Some(ms(3_600_000)));
}

#[test]
fn an_endpoint_whose_last_hook_has_died_is_not_failing_any_more() {
    let mut dispatch = with(SETTINGS, &["bad"]);
    let mut now = 0;
    for _ in 1..=5 {
        fail_first(&mut dispatch, now, AttemptOutcome::Rejected);
        now += 60_000;
    }
    dispatch.advance(&user("bad"), None, at(now));

    assert_eq!(dispatch.health(), Health::Ok);
    dispatch.offer(head(2, "bad"), at(now));
    fail_first(&mut dispatch, now, FAILED);
    assert_eq!(dispatch.health(), Health::Failing);
}

/// A head that failed before a restart and was to wait for so long.
fn waiting(name: &str, id: u64, wait_ms: u64) -> PendingHook {
    let next_attempt = Some(WallMs(at(0).wall.0.saturating_add(wait_ms)));
    PendingHook { attempts: 1, next_attempt, ..head(id, name) }
}

fn with(settings: DispatchSettings, users: &[&str]) -> Dispatch {
    let mut dispatch = Dispatch::new(settings);
    for (id, name) in (1..).zip(users) {
        assert_eq!(dispatch.offer(head(id, name), at(0)), Offer::Taken);
    }
    dispatch
}

#[track_caller]
fn fail_first(dispatch: &mut Dispatch, now: u64, outcome: AttemptOutcome) -> Vec<DeliveryDecision> {
    let request = dispatch.next_request(ms(now)).expect("a request is due");
    answer(dispatch, &request, outcome, now)
}

/// Lets requests meet silence until the circuit is open; says when the probe is due.
fn break_down(dispatch: &mut Dispatch, mut now: u64) -> u64 {
    while dispatch.health() != Health::Open {
        fail_first(dispatch, now, AttemptOutcome::Unreachable);
        now = dispatch.wake_at(ms(now)).unwrap().0;
    }
    now
}

/// Answers with the longest back-off.
fn answer(
    dispatch: &mut Dispatch,
    request: &Request,
    outcome: AttemptOutcome,
    now: u64,
) -> Vec<DeliveryDecision> {
    dispatch.answer(request.id, outcome, ms(now), &mut || u32::MAX)
}

fn verdicts(decided: &[DeliveryDecision]) -> Vec<DeliveryVerdict> {
    decided.iter().map(|decision| decision.verdict).collect()
}

fn head(id: u64, name: &str) -> PendingHook {
    PendingHook {
        id: DeliveryId(id),
        user: user(name),
        attempts: 0,
        created: at(0).wall,
        next_attempt: None,
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn at(now: u64) -> Moment {
    Moment { now: ms(now), wall: WallMs(1_785_577_260_000 + now), seq: Seq(1) }
}

fn ms(now: u64) -> Timestamp {
    Timestamp(now)
}
