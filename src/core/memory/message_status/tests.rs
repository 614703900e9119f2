use super::{MessageStatusLimits, MessageStatuses};
use crate::types::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const LIMITS: MessageStatusLimits =
    MessageStatusLimits { keep: Duration::from_secs(10), entries_max: 3, bytes_max: 100 };

#[derive(Debug, Clone)]
enum Step {
    Begin(u8, usize),
    Update(u8, usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..6, 0_usize..60).prop_map(|(id, len)| Step::Begin(id, len)),
        (0_u8..6, 0_usize..120).prop_map(|(id, len)| Step::Update(id, len)),
        (0_u64..6000).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn what_is_remembered_is_the_newest_that_fits(steps in prop::collection::vec(step(), 1..60)) {
        let mut statuses = MessageStatuses::new(LIMITS);
        // Oldest first: id, bytes with the id, when it began.
        let mut model: Vec<(u8, usize, u64)> = Vec::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Begin(id, len) => {
                    statuses.begin(&id.to_string(), len, len, Timestamp(now));
                    model.retain(|(.., began)| now - began < 10_000);
                    if model.iter().all(|(it, ..)| *it != id) {
                        model.push((id, len + 1, now));
                        if 3 < model.len() {
                            model.remove(0);
                        }
                    }
                }
                Step::Update(id, len) => {
                    statuses.update(&id.to_string(), len, |value| *value = len);
                    if let Some(it) = model.iter_mut().find(|(it, ..)| *it == id) {
                        it.1 = len + 1;
                    }
                }
                Step::Pass(ms) => now += ms,
            }
            while 100 < model.iter().map(|(_, bytes, _)| bytes).sum::<usize>() {
                model.remove(0);
            }
            for id in 0..6 {
                let known = model.iter().find(|(it, _, began)| *it == id && now - began < 10_000);
                let known = known.map(|(_, bytes, _)| bytes - 1);
                prop_assert_eq!(statuses.get(&id.to_string(), Timestamp(now)).copied(), known);
            }
            model.retain(|(.., began)| now - began < 10_000);
            prop_assert_eq!(statuses.len(), model.len());
        }
    }
}

#[test]
fn zero_remembers_nothing() {
    let mut statuses = MessageStatuses::new(MessageStatusLimits { entries_max: 0, ..LIMITS });
    statuses.begin("a", (), 1, Timestamp(0));
    assert!(statuses.is_empty());
}

#[test]
fn a_user_is_taken_out_of_each_message() {
    let mut statuses = MessageStatuses::new(LIMITS);
    statuses.begin("a", vec!["ann", "bob"], 60, Timestamp(0));
    statuses.begin("b", vec!["bob"], 30, Timestamp(0));

    statuses.erase(|users| {
        users.retain(|it| *it != "ann");
        users.len()
    });

    assert_eq!(statuses.get("a", Timestamp(0)), Some(&vec!["bob"]));
    statuses.begin("c", Vec::new(), 94, Timestamp(0));
    assert_eq!(statuses.len(), 3, "what they take is counted anew");
}
