use super::{LogCursor, LogEntry};
use crate::core::cluster::incarnation::Incarnation;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn entry(previous: u64, id: u64, batch: u64) -> LogEntry {
    let incarnation = Incarnation::new("n", 1);
    LogEntry { id, previous, incarnation, batch, first: id, events: vec![Bytes::from_static(b"x")] }
}

#[test]
fn another_log_in_the_place_of_the_first_is_seen_and_not_taken() {
    let mut cursor = LogCursor::at(10);
    assert_eq!(cursor.take(vec![entry(10, 20, 1), entry(20, 30, 2)]).entries.len(), 2);

    let new = cursor.take(vec![entry(20, 40, 2)]);
    assert!(new.is_another && new.entries.is_empty() && cursor.read_to() == 30);

    cursor.confirm();
    cursor.rewind(20);
    let new = cursor.take(vec![entry(20, 40, 2), entry(40, 50, 3)]);
    let repeats: Vec<bool> = new.entries.iter().map(|(_, is_repeat)| *is_repeat).collect();
    assert_eq!(repeats, [true, false], "the batch was read before, and lost, and said again");
    assert!(!new.is_missing_some);
}

proptest! {
    /// However the reads overlap: each entry once, in order, and a hole is seen where one was cut off, and nowhere else.
    #[test]
    fn every_entry_is_read_once_and_every_hole_is_seen(
        gaps in prop::collection::vec(1_u64..5, 1..40),
        reads in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..4), 1..40),
    ) {
        let mut log = Vec::new();
        let mut last = 0;
        for (batch, gap) in (1..).zip(&gaps) {
            log.push(entry(last, last + gap, batch));
            last += gap;
        }
        let mut cursor = LogCursor::default();
        let (mut trimmed, mut cut, mut read) = (0, false, Vec::new());
        let (mut known, mut holes, mut seen) = (0, BTreeSet::new(), 0);
        for (from, len, trim) in reads {
            // From before what was read, as answers of two reads may overlap.
            trimmed = (trimmed + trim).min(log.len() - 1);
            let start = from.index(known + 1).max(trimmed);
            cut |= known < start;
            let end = (start + len.index(8)).min(log.len());
            let entries = log.get(start..end).unwrap_or_default().to_vec();
            if entries.iter().any(|it| cursor.read_to() < it.id) && known < start {
                holes.insert(start);
            }
            let new = cursor.take(entries);
            prop_assert!(!new.is_another);
            seen += usize::from(new.is_missing_some);
            read.extend(new.entries.iter().map(|(it, _)| it.id));
            known = log.iter().filter(|it| it.id <= cursor.read_to()).count();
        }
        prop_assert!(read.is_sorted_by(|a, b| a < b), "{read:?}");
        prop_assert_eq!(seen, holes.len());
        prop_assert!(cut || 0 == seen);
    }
}
