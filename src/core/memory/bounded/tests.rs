use super::{BoundedMemory, MemoryBounds};
use crate::types::Timestamp;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::Duration;

const KEEP_MS: u64 = 100;

#[derive(Debug, Clone)]
enum Step {
    Add(u8, usize),
    Update(u8, usize),
    Revise(usize),
    Erase(u8),
    EraseOdd,
    ForgetOldest,
    Expire,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..5, 0_usize..40).prop_map(|(key, bytes)| Step::Add(key, bytes)),
        2 => (0_u8..5, 0_usize..80).prop_map(|(key, bytes)| Step::Update(key, bytes)),
        1 => (0_usize..3).prop_map(Step::Revise),
        1 => (0_u8..5).prop_map(Step::Erase),
        1 => Just(Step::EraseOdd),
        1 => Just(Step::ForgetOldest),
        1 => Just(Step::Expire),
        3 => (0_u64..60).prop_map(Step::Pass),
    ]
}

fn bounds() -> impl Strategy<Value = MemoryBounds> {
    (0_usize..8, 0_usize..4, 0_usize..120).prop_map(|(entries_max, per_key, bytes_max)| {
        let keep = Duration::from_millis(KEEP_MS);
        MemoryBounds { entries_max, entries_per_key: per_key, bytes_max, keep }
    })
}

/// One list, the oldest first.
#[derive(Debug, Default)]
struct Model(Vec<Remembered>);

#[derive(Debug, Clone)]
struct Remembered {
    key: u8,
    value: u32,
    bytes: usize,
    since: u64,
}

impl Model {
    fn shrink(&mut self, bounds: MemoryBounds) {
        let bytes = |list: &[Remembered]| list.iter().map(|it| it.bytes).sum::<usize>();
        while bounds.entries_max < self.0.len() || bounds.bytes_max < bytes(&self.0) {
            self.0.remove(0);
        }
    }

    fn expire(&mut self, now: u64) {
        self.0.retain(|it| now - it.since < KEEP_MS);
    }

    fn add(&mut self, added: Remembered, bounds: MemoryBounds) {
        let key = added.key;
        self.expire(added.since);
        self.0.push(added);
        if bounds.entries_per_key < self.0.iter().filter(|it| it.key == key).count() {
            let oldest = self.0.iter().position(|it| it.key == key).unwrap();
            self.0.remove(oldest);
        }
        self.shrink(bounds);
    }

    fn step(&mut self, step: &Step, value: u32, now: u64, bounds: MemoryBounds) {
        match *step {
            Step::Add(key, bytes) => self.add(Remembered { key, value, bytes, since: now }, bounds),
            Step::Update(key, bytes) => {
                if let Some(it) = self.0.iter_mut().rfind(|it| it.key == key) {
                    (it.value, it.bytes) = (value, bytes);
                }
                self.shrink(bounds);
            }
            Step::Revise(factor) => {
                self.0.iter_mut().for_each(|it| it.bytes = usize::from(it.key) * factor);
                self.shrink(bounds);
            }
            Step::Erase(key) => self.0.retain(|it| it.key != key),
            Step::EraseOdd => self.0.retain(|it| it.value % 2 == 0),
            Step::ForgetOldest => drop((!self.0.is_empty()).then(|| self.0.remove(0))),
            Step::Expire => self.expire(now),
            Step::Pass(_) => {}
        }
    }
}

fn run(memory: &mut BoundedMemory<u8, u32>, step: &Step, value: u32, now: u64) {
    match *step {
        Step::Add(key, bytes) => memory.add(key, value, bytes, Timestamp(now)),
        Step::Update(key, bytes) => drop(memory.update(&key, bytes, |it| *it = value)),
        Step::Revise(factor) => memory.revise(|key, _| usize::from(*key) * factor),
        Step::Erase(key) => memory.erase(&key),
        Step::EraseOdd => memory.erase_where(|value| value % 2 == 1),
        Step::ForgetOldest => drop(memory.forget_oldest()),
        Step::Expire => drop(memory.expire(Timestamp(now))),
        Step::Pass(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_agrees_with_a_model_that_walks_through_a_list(
        steps in prop::collection::vec(step(), 1..120),
        bounds in bounds(),
    ) {
        let mut memory = BoundedMemory::new(bounds);
        let mut model = Model::default();
        let mut now = 0;
        for (value, step) in (0_u32..).zip(&steps) {
            now += if let Step::Pass(ms) = step { *ms } else { 0 };
            run(&mut memory, step, value, now);
            model.step(step, value, now, bounds);

            prop_assert_eq!(memory.len(), model.0.len());
            prop_assert_eq!(memory.bytes, model.0.iter().map(|it| it.bytes).sum::<usize>());
            let all: Vec<u32> = memory.iter().copied().collect();
            let expected: Vec<u32> = model.0.iter().rev().map(|it| it.value).collect();
            prop_assert_eq!(all, expected);
            for key in 0..5 {
                let of_key: Vec<u32> = memory.of(&key, Timestamp(now)).copied().collect();
                let is_its = |it: &&Remembered| it.key == key && now - it.since < KEEP_MS;
                let expected: Vec<u32> =
                    model.0.iter().rev().filter(is_its).map(|it| it.value).collect();
                prop_assert_eq!(of_key, expected);
            }
            let indexed: usize = memory.by_key.values().map(VecDeque::len).sum();
            prop_assert_eq!(indexed, memory.len(), "both indexes hold the same");
        }
    }
}

#[test]
fn much_that_is_over_is_forgotten_in_several_calls_and_never_shown() {
    let keep = Duration::from_millis(KEEP_MS);
    let mut memory = BoundedMemory::new(MemoryBounds { keep, ..MemoryBounds::NONE });
    for n in 0..2500 {
        memory.add(n, n, 1, Timestamp(0));
    }

    let now = Timestamp(KEEP_MS);
    assert!(memory.of(&2400, now).next().is_none());
    assert_eq!([memory.expire(now), memory.expire(now)], [true, true]);
    assert_eq!(memory.len(), 500);
    assert!(!memory.expire(now));
    assert!(memory.is_empty());
}
