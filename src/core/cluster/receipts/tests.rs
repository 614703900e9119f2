use super::{Receipt, Receipts};
use crate::types::Timestamp;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_question_to_nobody_is_over_when_that_is_known() {
    let mut receipts: Receipts<u8, ()> = Receipts::default();
    let question = receipts.ask(Timestamp(5));
    assert_eq!(receipts.next_deadline(), Some(Timestamp(5)));
    let receipt = receipts.expect(question, []).unwrap();
    assert!(receipt.nodes_missing.is_empty());
    assert_eq!(receipts.next_deadline(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Ask(u64),
    Expect(u64, BTreeSet<u8>),
    Answer(u64, u8),
    GiveUp(u64),
    EndIfCut(u64),
    TakeBack(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u64..60).prop_map(Step::Ask),
        (1_u64..12, btree_set(0_u8..4, 0..4)).prop_map(|(it, nodes)| Step::Expect(it, nodes)),
        (1_u64..12, 0_u8..4).prop_map(|(it, node)| Step::Answer(it, node)),
        (1_u64..12, 0_u8..4).prop_map(|(it, node)| Step::Answer(it, node)),
        (1_u64..12).prop_map(Step::GiveUp),
        (1_u64..12).prop_map(Step::EndIfCut),
        (1_u64..12).prop_map(Step::TakeBack),
        (0_u64..20).prop_map(Step::Wait),
    ]
}

/// What is known of a question, written out.
#[derive(Debug)]
struct Model {
    expected: Option<BTreeSet<u8>>,
    answers: BTreeMap<u8, usize>,
    deadline: u64,
}

impl Model {
    fn receipt(self, question: u64, known: &[u8]) -> Receipt<u8, usize> {
        let is_heard = self.expected.is_some();
        let expected = self.expected.unwrap_or_else(|| known.iter().copied().collect());
        let mut nodes_missing = Vec::from_iter(expected);
        nodes_missing.retain(|it| !self.answers.contains_key(it));
        Receipt { question, answers: self.answers, nodes_missing, is_heard }
    }
}

proptest! {
    /// Each question ends once: when all who hear it have answered, or nobody may hear it, or its time is over; with those
    /// who have not.
    #[test]
    fn every_question_ends_once_and_names_who_is_missing(steps in vec(step(), 0..80)) {
        let known = [0_u8, 1];
        let mut receipts = Receipts::default();
        let mut model: BTreeMap<u64, Model> = BTreeMap::new();
        let (mut now, mut is_cut) = (0, false);
        for (place, step) in steps.into_iter().enumerate() {
            let mut over: Vec<u64> = Vec::new();
            let ended = match step {
                Step::Ask(time) => {
                    let deadline = now + time;
                    let question = receipts.ask(Timestamp(deadline));
                    let asked = Model { expected: None, answers: BTreeMap::new(), deadline };
                    prop_assert!(model.insert(question, asked).is_none());
                    Vec::new()
                }
                Step::Expect(question, nodes) => {
                    is_cut = false;
                    if let Some(it) = model.get_mut(&question) {
                        it.expected = Some(nodes.clone());
                    }
                    receipts.expect(question, nodes).into_iter().collect()
                }
                Step::Answer(question, node) => {
                    if let Some(it) = model.get_mut(&question) {
                        it.answers.entry(node).or_insert(place);
                    }
                    receipts.answer(question, node, place).into_iter().collect()
                }
                Step::EndIfCut(question) => {
                    over.extend((is_cut && model.contains_key(&question)).then_some(question));
                    receipts.end_if_cut(question, &known).into_iter().collect()
                }
                Step::TakeBack(question) => {
                    model.remove(&question);
                    receipts.take_back(question);
                    Vec::new()
                }
                Step::GiveUp(question) => {
                    is_cut = true;
                    over.extend(model.contains_key(&question).then_some(question));
                    receipts.give_up(question, &known).into_iter().collect()
                }
                Step::Wait(time) => {
                    now += time;
                    receipts.expire(Timestamp(now), &known)
                }
            };
            let is_whole = |it: &Model| {
                it.expected.as_ref().is_some_and(|nodes| {
                    nodes.iter().all(|node| it.answers.contains_key(node))
                })
            };
            over.extend(model.iter().filter(|(_, it)| is_whole(it)).map(|(it, _)| *it));
            let late = model.iter().filter(|(_, it)| it.deadline <= now);
            over.extend(late.map(|(it, _)| *it));
            let over: BTreeSet<u64> = over.into_iter().collect();
            prop_assert_eq!(ended.len(), over.len());
            for receipt in ended {
                prop_assert!(over.contains(&receipt.question));
                let expected = model.remove(&receipt.question).unwrap();
                prop_assert_eq!(&receipt, &expected.receipt(receipt.question, &known));
            }
            let next = model.values().map(|it| Timestamp(it.deadline)).min();
            prop_assert_eq!(receipts.next_deadline(), next);
        }
    }
}
