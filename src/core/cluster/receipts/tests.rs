use super::Receipts;
use crate::types::Timestamp;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_question_to_nobody_is_answered_at_once() {
    let mut receipts: Receipts<u8, ()> = Receipts::default();
    let (_, receipt) = receipts.ask([], Timestamp(5));
    assert!(receipt.is_some_and(|it| it.nodes_missing.is_empty()));
    assert_eq!(receipts.next_deadline(), None);
}

/// Nodes that have not answered, answers, deadline.
type Asked = (BTreeSet<u8>, Vec<(u8, u64)>, u64);

proptest! {
    /// Each question ends once: when all have answered, or when its time is over, with those who have not.
    #[test]
    fn every_question_ends_once_and_names_who_is_missing(
        asked in prop::collection::vec((prop::collection::btree_set(0_u8..5, 1..4), 1_u64..100), 1..10),
        answers in prop::collection::vec((0_u64..12, 0_u8..6, 0_u64..10), 0..60),
    ) {
        let mut receipts = Receipts::default();
        let mut model: BTreeMap<u64, Asked> = BTreeMap::new();
        for (nodes, deadline) in asked {
            let (question, ended) = receipts.ask(nodes.clone(), Timestamp(deadline));
            prop_assert!(ended.is_none());
            model.insert(question, (nodes, Vec::new(), deadline));
        }
        let mut now = 0;
        for (question, node, step) in answers {
            now += step;
            let mut due: BTreeSet<u64> =
                model.iter().filter(|(_, it)| it.2 <= now).map(|(question, _)| *question).collect();
            for receipt in receipts.expire(Timestamp(now)) {
                prop_assert!(due.remove(&receipt.question));
                let (missing, answers, _) = model.remove(&receipt.question).unwrap();
                prop_assert_eq!(receipt.nodes_missing, missing.into_iter().collect::<Vec<_>>());
                prop_assert_eq!(receipt.answers, answers);
            }
            prop_assert!(due.is_empty());
            let ended = receipts.answer(question, &node, now);
            let mut is_over = false;
            if let Some((missing, answers, _)) = model.get_mut(&question)
                && missing.remove(&node)
            {
                answers.push((node, now));
                is_over = missing.is_empty();
            }
            prop_assert_eq!(ended.is_some(), is_over);
            if is_over {
                let (_, answers, _) = model.remove(&question).unwrap();
                prop_assert_eq!(ended.unwrap().answers, answers);
            }
            let next = model.values().map(|it| Timestamp(it.2)).min();
            prop_assert_eq!(receipts.next_deadline(), next);
        }
    }
}
