//! Requests that have a name: one node makes each, and what it was answered is what all of them say.

use super::parts::Random;
use super::random::number;
use super::server::{TestRedis, place};
use crate::cluster::{ClusterPlace, reply};
use crate::core::cluster::answers::{AnswerAsk, AnswerQuestion, AnswerReply};
use crate::core::cluster::command::{Command, Reply};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

const KEEP_MS: u64 = 10_000;
const REQUESTS_MAX: usize = 4;
const BYTES_MAX: usize = 40;

struct Desk {
    redis: TestRedis,
    place: ClusterPlace,
    now_ms: u64,
}

impl Desk {
    fn new() -> Self {
        Self { redis: TestRedis::start(|_, text| text), place: place(), now_ms: 1_700_000_000_000 }
    }

    fn ask(&mut self, request: &str, token: &str, what: AnswerAsk) -> AnswerReply {
        let question = AnswerQuestion { request: request.into(), token: token.into(), what };
        let command = Command::Answers(question);
        let value = self.redis.run(&self.place.call(&command), self.now_ms * 1000);
        let Reply::Answers(answer) = reply(&command, &value).unwrap() else { panic!() };
        answer
    }

    fn begin(&mut self, node: usize, request: &str, token: &str, body: &str) -> AnswerReply {
        let node = format!("n{node}").into();
        let begin = AnswerAsk::Begin { fingerprint: body.into(), node, requests_max: REQUESTS_MAX };
        self.ask(request, token, begin)
    }

    fn finish(&mut self, request: &str, token: &str, answer: &str) {
        let answer = Bytes::copy_from_slice(answer.as_bytes());
        let keep = Duration::from_millis(KEEP_MS);
        let finish = AnswerAsk::Finish { answer, keep, bytes_max: BYTES_MAX };
        assert_eq!(self.ask(request, token, finish), AnswerReply::Heard);
    }

    fn drop(&mut self, request: &str, token: &str) {
        assert_eq!(self.ask(request, token, AnswerAsk::Drop), AnswerReply::Heard);
    }

    fn comes(&mut self, node: usize) {
        let key = self.place.key("nodes");
        let _new: u64 = self.redis.ask(&["HSET", &key, &format!("n{node}.1"), "0"]);
    }

    fn goes(&mut self, node: usize) {
        let key = self.place.key("nodes");
        let _gone: u64 = self.redis.ask(&["HDEL", &key, &format!("n{node}.1")]);
    }

    /// Bytes of answers, as they are counted and as they are.
    fn bytes(&mut self) -> (u64, u64) {
        let counted: Option<u64> = self.redis.ask(&["GET", &self.place.key("answers")]);
        let keys: Vec<String> = self.redis.ask(&["KEYS", "*:answer:*"]);
        let mut found = 0;
        for key in keys {
            let length: u64 = self.redis.ask(&["HSTRLEN", &key, "a"]);
            found += length;
        }
        (counted.unwrap_or_default(), found)
    }
}

fn answered(text: &str) -> AnswerReply {
    AnswerReply::Answered(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn whoever_is_first_makes_it_and_the_others_hear_what_it_was_answered() {
    let mut desk = Desk::new();
    (0..2).for_each(|it| desk.comes(it));
    assert_eq!(desk.begin(0, "r", "t0", "body"), AnswerReply::First);
    assert_eq!(desk.begin(0, "r", "t0", "body"), AnswerReply::First, "asked again, not heard");
    assert_eq!(desk.begin(1, "r", "t1", "body"), AnswerReply::UnderWay);
    assert_eq!(desk.begin(1, "r", "t1", "other"), AnswerReply::Mismatch);
    desk.finish("r", "t1", "not its turn");
    desk.finish("r", "t0", "done");
    desk.finish("r", "t0", "said again");
    desk.drop("r", "t0");
    assert_eq!(desk.begin(1, "r", "t1", "body"), answered("done"));
    assert_eq!(desk.begin(1, "r", "t1", "other"), AnswerReply::Mismatch);
    desk.now_ms += KEEP_MS;
    assert_eq!(desk.begin(1, "r", "t2", "other"), AnswerReply::First, "its time is over");
    desk.drop("r", "t2");
    assert_eq!(desk.begin(0, "r", "t3", "body"), AnswerReply::First, "it came to nothing");
}

#[test]
fn the_turn_of_a_node_that_is_gone_is_anothers_and_what_it_still_says_is_not_heard() {
    let mut desk = Desk::new();
    (0..2).for_each(|it| desk.comes(it));
    assert_eq!(desk.begin(0, "r", "t0", "body"), AnswerReply::First);
    desk.goes(0);
    assert_eq!(desk.begin(1, "r", "t1", "body"), AnswerReply::First);
    desk.comes(0);
    desk.finish("r", "t0", "too late");
    desk.drop("r", "t0");
    assert_eq!(desk.begin(0, "r", "t2", "body"), AnswerReply::UnderWay);
    desk.finish("r", "t1", "done");
    desk.goes(1);
    assert_eq!(desk.begin(0, "r", "t2", "body"), answered("done"), "whoever gave it");
}

/// Against a model that knows who has the turn, and which answers were given.
#[test]
fn under_any_schedule_each_is_made_by_one_at_a_time_and_what_is_remembered_is_bounded() {
    let first = number("USERLINE_TEST_SEED", 1);
    for seed in first..first + number("USERLINE_TEST_SEEDS", 10) {
        let (mut desk, mut random) = (Desk::new(), Random::new(seed));
        let mut living = [true; 3];
        (0..3).for_each(|it| desk.comes(it));
        // Who has the turn: node and token, and whether the node was gone meanwhile; what was answered, and when that ends.
        let mut turns: BTreeMap<String, (usize, String, bool)> = BTreeMap::new();
        let mut answers: BTreeMap<String, (String, u64)> = BTreeMap::new();
        for step in 0..400 {
            let (node, request) = (random.below(3), format!("r{}", random.below(7)));
            desk.now_ms += u64::try_from(random.below(300)).unwrap();
            match random.below(10) {
                0 => {
                    living[node] = !living[node];
                    if living[node] {
                        desk.comes(node);
                    } else {
                        desk.goes(node);
                    }
                    turns.values_mut().filter(|it| it.0 == node).for_each(|it| it.2 = true);
                }
                1..4 => {
                    let Some((_, token, _)) = turns.remove(&request) else { continue };
                    if random.chance(30) {
                        desk.drop(&request, &token);
                        continue;
                    }
                    let answer = format!("{step}{}", "x".repeat(random.below(20)));
                    desk.finish(&request, &token, &answer);
                    answers.insert(request, (answer, desk.now_ms + KEEP_MS));
                }
                _ => {
                    let token = format!("t{step}");
                    match desk.begin(node, &request, &token, "body") {
                        AnswerReply::First => {
                            let is_free = turns.get(&request).is_none_or(|it| it.2);
                            assert!(is_free, "seed {seed}: it is being made");
                            turns.insert(request.clone(), (node, token, !living[node]));
                            answers.remove(&request);
                        }
                        AnswerReply::UnderWay => {
                            let (owner, ..) = &turns[&request];
                            assert!(living[*owner], "seed {seed}: nobody makes it");
                        }
                        AnswerReply::Answered(answer) => {
                            let (given, until) = &answers[&request];
                            assert_eq!(answer, given.as_bytes(), "seed {seed}");
                            assert!(desk.now_ms < *until, "seed {seed}");
                        }
                        AnswerReply::Full => assert!(REQUESTS_MAX <= turns.len(), "seed {seed}"),
                        AnswerReply::Mismatch | AnswerReply::Heard => panic!("seed {seed}"),
                    }
                }
            }
            let (counted, found) = desk.bytes();
            assert_eq!(counted, found, "seed {seed}");
            assert!(found <= u64::try_from(BYTES_MAX).unwrap(), "seed {seed}: {found}");
            let kept: Vec<String> = desk.redis.ask(&["KEYS", "*:answer:*"]);
            assert!(kept.len() <= REQUESTS_MAX, "seed {seed}: {kept:?}");
        }
    }
}
