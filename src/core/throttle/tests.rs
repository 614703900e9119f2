use super::{EventRate, HELD_MAX, Rate, SendPace, SocketRates, Throttle};
use crate::types::{EventPattern, Timestamp};
use proptest::prelude::*;
use std::num::NonZeroU32;
use std::time::Duration;

fn rate(per_s: u32, burst: u32) -> Rate {
    let number = |it| NonZeroU32::new(it).unwrap();
    Rate { per_s: number(per_s), burst: number(burst) }
}

fn rates(events: Option<Rate>, bytes: Option<Rate>) -> SocketRates {
    SocketRates { events, bytes, single: Vec::new() }
}

#[test]
fn a_burst_comes_at_once_and_then_one_after_the_other() {
    let rates = rates(Some(rate(10, 3)), None);
    let mut throttle = Throttle::new(&rates);
    let at = Timestamp(5000);
    for _ in 0..3 {
        assert_eq!(throttle.pace(&rates, at), SendPace::Go);
        throttle.take(&rates, "x", 1, at);
    }
    assert_eq!(throttle.pace(&rates, at), SendPace::HoldUntil(Timestamp(5100)));
    assert_eq!(throttle.pace(&rates, Timestamp(5099)), SendPace::HoldUntil(Timestamp(5100)));
    assert_eq!(throttle.pace(&rates, Timestamp(5100)), SendPace::Go);
    throttle.take(&rates, "x", 1, Timestamp(5100));
    assert_eq!(throttle.pace(&rates, Timestamp(5100)), SendPace::HoldUntil(Timestamp(5200)));
}

#[test]
fn a_single_event_has_a_rate_of_its_own() {
    let event = EventPattern::parse("typing*").unwrap();
    let single = vec![EventRate { event, rate: rate(1, 1) }];
    let rates = SocketRates { events: None, bytes: None, single };
    assert!(!rates.is_unlimited());
    let mut throttle = Throttle::new(&rates);
    for _ in 0..100 {
        throttle.take(&rates, "chat", 1000, Timestamp(0));
    }
    assert_eq!(throttle.pace(&rates, Timestamp(0)), SendPace::Go);
    throttle.take(&rates, "typing:on", 1, Timestamp(0));
    assert_eq!(throttle.pace(&rates, Timestamp(0)), SendPace::HoldUntil(Timestamp(1000)));
}

#[test]
fn so_has_one_that_a_client_sends_to_others_and_none_counts_twice() {
    let single = |pattern: &str| EventRate {
        event: EventPattern::parse(pattern).unwrap(),
        rate: rate(1, 2),
    };
    let emit = "userline:emit";
    for (pattern, pace) in [
        ("typing", SendPace::HoldUntil(Timestamp(1000))),
        ("*", SendPace::HoldUntil(Timestamp(1000))),
        ("chat", SendPace::Go),
    ] {
        let rates = SocketRates { events: None, bytes: None, single: vec![single(pattern)] };
        let mut throttle = Throttle::new(&rates);
        for told in [SendPace::Go, pace] {
            throttle.take(&rates, emit, 1, Timestamp(0));
            throttle.take_sent(&rates, (emit, "typing"), Timestamp(0));
            assert_eq!(throttle.pace(&rates, Timestamp(0)), told, "{pattern}");
        }
    }
}

#[test]
fn who_is_held_back_for_too_much_of_a_minute_has_to_go() {
    let rates = rates(None, Some(rate(1000, 1000)));
    let mut throttle = Throttle::new(&rates);
    // Six seconds for this, and five for the next: eleven in a minute.
    throttle.take(&rates, "x", 7000, Timestamp(0));
    assert_eq!(throttle.pace(&rates, Timestamp(0)), SendPace::HoldUntil(Timestamp(6001)));
    assert_eq!(throttle.pace(&rates, Timestamp(6001)), SendPace::Go);
    throttle.take(&rates, "x", 5000, Timestamp(30_000));
    throttle.take(&rates, "x", 1000, Timestamp(30_000));
    let SendPace::HoldUntil(until) = throttle.pace(&rates, Timestamp(30_000)) else {
        panic!("held")
    };
    assert_eq!(until, Timestamp(33_999), "asked again when it is too much");
    assert_eq!(throttle.pace(&rates, until), SendPace::TooFast);
}

#[test]
fn what_was_held_back_a_minute_ago_is_forgotten() {
    let rates = rates(None, Some(rate(1000, 1000)));
    let mut throttle = Throttle::new(&rates);
    let mut now = 0;
    for _ in 0..10 {
        throttle.take(&rates, "x", 9000, Timestamp(now));
        assert!(matches!(throttle.pace(&rates, Timestamp(now)), SendPace::HoldUntil(_)), "{now}");
        assert_eq!(throttle.pace(&rates, Timestamp(now + 8001)), SendPace::Go);
        now += 70_000;
    }
}

proptest! {
    /// Against a bucket of tokens in whole nanoseconds, and a list of every millisecond that was held back.
    #[test]
    fn it_paces_like_a_bucket(
        per_s in 1..50_u32,
        burst in 1..20_u32,
        steps in prop::collection::vec((0..700_u64, 1..4_usize), 1..120),
    ) {
        let rates = rates(Some(rate(per_s, burst)), None);
        let mut throttle = Throttle::new(&rates);
        let cost = 1_000_000_000 / u128::from(per_s);
        let full = cost * u128::from(burst);
        let (mut now, mut paid_until) = (0, 0_u128);
        let mut held: Vec<u64> = Vec::new();
        let mut is_held = false;
        for (pause, events) in steps {
            for ms in now..now + pause {
                if is_held {
                    held.push(ms);
                }
            }
            now += pause;
            let nanos = u128::from(now) * 1_000_000;
            let owed = paid_until.saturating_sub(nanos);
            let has_room = owed + cost <= full;
            let recent = held.iter().filter(|ms| now < **ms + 60_000).count();
            match throttle.pace(&rates, Timestamp(now)) {
                SendPace::Go => {
                    prop_assert!(has_room);
                    is_held = false;
                    for _ in 0..events {
                        throttle.take(&rates, "x", 1, Timestamp(now));
                        paid_until = paid_until.max(nanos) + cost;
                    }
                }
                SendPace::HoldUntil(until) => {
                    prop_assert!(!has_room && now < until.0);
                    is_held = true;
                    // A second is looked at as a whole.
                    prop_assert!(recent < 10_000);
                }
                SendPace::TooFast => {
                    prop_assert!(!has_room);
                    prop_assert!(HELD_MAX <= Duration::from_millis(recent.try_into().unwrap()) + Duration::from_secs(1));
                    break;
                }
            }
        }
    }
}
