use super::{Begin, Idempotency, IdempotencyLimits};
use crate::types::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const LIMITS: IdempotencyLimits =
    IdempotencyLimits { keep: Duration::from_secs(10), entries_max: 3, bytes_max: 100 };

type Requests = Idempotency<u32, ()>;

fn begin(requests: &mut Requests, key: &str, body: u8, at: u64) -> Begin<u32, ()> {
    requests.begin(key, [body; 32], (), Timestamp(at))
}

#[test]
fn a_request_is_made_once_and_answered_as_often_as_it_comes() {
    let mut requests = Requests::new(LIMITS);
    assert_eq!(begin(&mut requests, "a", 1, 0), Begin::First);
    assert_eq!(begin(&mut requests, "a", 1, 1), Begin::UnderWay(()));
    assert_eq!(begin(&mut requests, "a", 2, 1), Begin::Mismatch);
    requests.finish("a", 7, 10, Timestamp(2));
    assert_eq!(begin(&mut requests, "a", 1, 3), Begin::Answered(7));
    assert_eq!(begin(&mut requests, "a", 2, 3), Begin::Mismatch);
    assert_eq!(begin(&mut requests, "b", 2, 3), Begin::First);
}

#[test]
fn an_answer_is_kept_for_its_time() {
    let mut requests = Requests::new(LIMITS);
    begin(&mut requests, "a", 1, 0);
    requests.finish("a", 7, 10, Timestamp(5_000));
    assert_eq!(begin(&mut requests, "a", 1, 14_999), Begin::Answered(7));
    assert_eq!(begin(&mut requests, "a", 2, 15_000), Begin::First);
}

#[test]
fn a_request_that_came_to_nothing_may_be_made_again() {
    let mut requests = Requests::new(LIMITS);
    begin(&mut requests, "a", 1, 0);
    requests.abandon("a");
    assert_eq!(begin(&mut requests, "a", 2, 0), Begin::First);
    requests.finish("a", 7, 10, Timestamp(0));
    requests.abandon("a");
    assert_eq!(begin(&mut requests, "a", 2, 0), Begin::Answered(7), "what is done is done");
}

#[test]
fn beyond_the_bounds_the_oldest_answer_is_forgotten_and_nothing_under_way() {
    let mut requests = Requests::new(LIMITS);
    for key in ["a", "b", "c"] {
        begin(&mut requests, key, 1, 0);
    }
    assert_eq!(begin(&mut requests, "d", 1, 0), Begin::Full);
    requests.finish("b", 1, 60, Timestamp(0));
    assert_eq!(begin(&mut requests, "d", 1, 0), Begin::First);
    assert_eq!(begin(&mut requests, "a", 1, 0), Begin::UnderWay(()));
    requests.finish("a", 2, 60, Timestamp(0));
    requests.finish("c", 3, 60, Timestamp(0));
    assert_eq!(begin(&mut requests, "a", 1, 0), Begin::First, "too many bytes");
    assert_eq!(begin(&mut requests, "c", 1, 0), Begin::Answered(3));
    requests.finish("d", 4, 1000, Timestamp(0));
    assert_eq!(begin(&mut requests, "d", 1, 0), Begin::First, "too large by itself");
}

#[derive(Debug, Clone)]
enum Step {
    Begin(u8, u8),
    Finish(u8, usize),
    Abandon(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..6, 0_u8..2).prop_map(|(key, body)| Step::Begin(key, body)),
        (0_u8..6, 0_usize..60).prop_map(|(key, len)| Step::Finish(key, len)),
        (0_u8..6).prop_map(Step::Abandon),
        (0_u64..8000).prop_map(Step::Wait),
    ]
}

/// What is known of a key: its body and when it was answered with what.
type Known = BTreeMap<u8, (u8, Option<(u64, u32)>)>;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_done_twice_while_it_is_remembered(steps in prop::collection::vec(step(), 0..80)) {
        let mut requests = Requests::new(LIMITS);
        let mut known = Known::new();
        let (mut now, mut answers) = (0_u64, 0_u32);
        for step in steps {
            match step {
                Step::Wait(ms) => now += ms,
                Step::Begin(key, body) => match (begin(&mut requests, &key.to_string(), body, now), known.get(&key)) {
                    (Begin::First, None) => drop(known.insert(key, (body, None))),
                    (Begin::First, Some((_, Some(_)))) => {
                        // Forgotten: by time or by the bounds, never while under way.
                        known.insert(key, (body, None));
                    }
                    (Begin::UnderWay(()), Some((its, None))) => prop_assert_eq!(*its, body),
                    (Begin::Answered(answer), Some((its, Some((at, given))))) => {
                        prop_assert_eq!((*its, *given), (body, answer));
                        prop_assert!(now < at + 10_000);
                    }
                    (Begin::Mismatch, Some((its, _))) => prop_assert_ne!(*its, body),
                    (Begin::Full, None | Some((_, Some(_)))) => {
                        let under_way = known.values().filter(|(_, answer)| answer.is_none()).count();
                        prop_assert_eq!(under_way, LIMITS.entries_max);
                    }
                    (got, expected) => prop_assert!(false, "{got:?} of {expected:?}"),
                },
                Step::Finish(key, len) => {
                    answers += 1;
                    requests.finish(&key.to_string(), answers, len, Timestamp(now));
                    if let Some((_, answer @ None)) = known.get_mut(&key) {
                        *answer = Some((now, answers));
                    }
                }
                Step::Abandon(key) => {
                    requests.abandon(&key.to_string());
                    if matches!(known.get(&key), Some((_, None))) {
                        known.remove(&key);
                    }
                }
            }
            prop_assert!(requests.len() <= LIMITS.entries_max);
        }
    }
}

#[test]
fn answers_that_name_a_user_who_is_erased_are_forgotten_and_no_others() {
    let mut requests = Requests::new(LIMITS);
    for key in ["a", "b", "c"] {
        begin(&mut requests, key, 1, 0);
    }
    requests.finish("a", 7, 10, Timestamp(0));
    requests.finish("b", 8, 10, Timestamp(0));

    requests.erase(|answer| *answer == 7);

    assert_eq!(begin(&mut requests, "b", 1, 0), Begin::Answered(8));
    assert_eq!(begin(&mut requests, "c", 1, 0), Begin::UnderWay(()));
    assert_eq!(begin(&mut requests, "a", 1, 0), Begin::First);
}
