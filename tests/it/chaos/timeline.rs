//! From what is known of single clients to what is known of their users.

use crate::rig::truth::{Mark, State};
use std::collections::BTreeMap;

/// A time during which the same was known of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) state: State,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// It ended at `to`; else it may have ended a while before.
    pub(crate) ends_exactly: bool,
}

/// The stretches of every user, from the first mark to `end`, in order.
pub(crate) fn timeline(marks: &[Mark], end: u64) -> BTreeMap<String, Vec<Stretch>> {
    let mut users: BTreeMap<String, (BTreeMap<usize, State>, Vec<Stretch>)> = BTreeMap::new();
    for mark in marks {
        let (tabs, stretches) = users.entry(mark.user.clone()).or_default();
        tabs.insert(mark.tab, mark.state);
        let state = together(tabs);
        if let Some(last) = stretches.last_mut() {
            if last.state == state {
                continue;
            }
            (last.to, last.ends_exactly) = (mark.at, mark.is_exact);
        }
        stretches.push(Stretch { state, from: mark.at, to: end, ends_exactly: true });
    }
    users.into_iter().map(|(user, (_, stretches))| (user, stretches)).collect()
}

/// One living connection is enough; only when all are gone the user is.
fn together(tabs: &BTreeMap<usize, State>) -> State {
    if tabs.values().any(|it| *it == State::Up) {
        State::Up
    } else if tabs.values().all(|it| *it == State::Down) {
        State::Down
    } else {
        State::Murky
    }
}
