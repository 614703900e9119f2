//! A batch of messages from a list: several are on their way at once, and yet nobody gets two in the wrong order.
//!
//! Of two messages for the same user, or with the same order key, the second is taken when the first is done. One that is for
//! others than named users is taken alone: nobody knows beforehand who is in a room.

use crate::types::UserId;
use std::collections::{BTreeSet, HashMap};

/// Behind which messages one has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Those with the same order key.
    Key(String),
    /// Those for one of these users.
    Users(Vec<UserId>),
    /// All before it; and all behind it wait for it.
    Everybody,
    /// None: it does nothing that could be seen.
    Nobody,
}

/// What became of a message that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchStep {
    /// It is done, or never will be.
    Settled,
    /// Not yet: the server cannot take it for the moment. Nothing more of the batch is taken, and it comes again.
    Later,
}

/// A batch under way. Messages are named by their place in it.
#[derive(Debug)]
pub struct OrderedBatch {
    messages: Vec<BatchMessage>,
    ready: BTreeSet<usize>,
    under_way: usize,
    is_stopped: bool,
}

#[derive(Debug, Default)]
struct BatchMessage {
    /// Those that it waits for.
    ahead: usize,
    /// Those that wait for it.
    behind: Vec<usize>,
}

/// Whom a message waits behind.
#[derive(Debug, PartialEq, Eq, Hash)]
enum BehindWhom<'a> {
    Key(&'a str),
    User(&'a UserId),
}

impl OrderedBatch {
    /// Messages in the order in which they were written.
    pub fn new(orders: &[Order]) -> Self {
        let mut messages: Vec<BatchMessage> = Vec::new();
        messages.resize_with(orders.len(), BatchMessage::default);
        let mut last: HashMap<BehindWhom<'_>, usize> = HashMap::new();
        // The last one for everybody, and those behind it.
        let (mut wall, mut since): (Option<usize>, Vec<usize>) = (None, Vec::new());
        let mut wait = |index: usize, ahead: BTreeSet<usize>| {
            for earlier in &ahead {
                if let Some(it) = messages.get_mut(*earlier) {
                    it.behind.push(index);
                }
            }
            if let Some(it) = messages.get_mut(index) {
                it.ahead = ahead.len();
            }
        };
        for (index, order) in orders.iter().enumerate() {
            let lines: Vec<BehindWhom<'_>> = match order {
                Order::Nobody => continue,
                Order::Everybody => {
                    wait(index, since.drain(..).chain(wall).collect());
                    last.clear();
                    wall = Some(index);
                    continue;
                }
                Order::Key(key) => vec![BehindWhom::Key(key)],
                Order::Users(users) => users.iter().map(BehindWhom::User).collect(),
            };
            let earlier = lines.into_iter().filter_map(|line| last.insert(line, index));
            let ahead: BTreeSet<usize> = earlier.filter(|it| *it != index).chain(wall).collect();
            wait(index, ahead);
            since.push(index);
        }
        let is_free = |(index, it): (usize, &BatchMessage)| (it.ahead == 0).then_some(index);
        let ready = messages.iter().enumerate().filter_map(is_free).collect();
        Self { messages, ready, under_way: 0, is_stopped: false }
    }

    /// The first message that waits for no other, if there is one; it is under way from now on.
    pub fn take(&mut self) -> Option<usize> {
        if self.is_stopped {
            return None;
        }
        let index = self.ready.pop_first()?;
        self.under_way += 1;
        Some(index)
    }

    /// One that was taken has ended.
    pub fn end(&mut self, index: usize, step: BatchStep) {
        self.under_way = self.under_way.saturating_sub(1);
        if step == BatchStep::Later {
            self.is_stopped = true;
            return;
        }
        let behind = self.messages.get_mut(index).map(|it| std::mem::take(&mut it.behind));
        for later in behind.unwrap_or_default() {
            let Some(it) = self.messages.get_mut(later) else { continue };
            it.ahead = it.ahead.saturating_sub(1);
            if it.ahead == 0 {
                self.ready.insert(later);
            }
        }
    }

    /// Nothing more is taken; what is under way goes on.
    pub fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Messages under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether the batch was ended before its end.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }
}

#[cfg(test)]
mod tests;
