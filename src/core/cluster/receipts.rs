//! Who has answered what was asked of other nodes, and whom the answer is missing.
//!
//! ```text
//!   ask ──► told whom to expect ──► each answers ──► over
//!      └────────────┴── not heard, or time over ──► over, with those who are missing
//! ```
//!
//! Whom to expect is known when the question is in the log: those who were there then.

use crate::types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Questions that wait for the answers of other nodes. `N` names a node, `R` is what it answers.
#[derive(Debug)]
pub struct Receipts<N, R> {
    open: BTreeMap<u64, OpenReceipt<N, R>>,
    due: BTreeSet<(Timestamp, u64)>,
    next: u64,
    /// Whether it is not known of the last question that anybody heard it.
    is_cut: bool,
}

#[derive(Debug)]
struct OpenReceipt<N, R> {
    /// `None` until that is known.
    expected: Option<BTreeSet<N>>,
    answers: BTreeMap<N, R>,
    deadline: Timestamp,
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt<N, R> {
    /// Which one.
    pub question: u64,
    /// The answers, by node.
    pub answers: BTreeMap<N, R>,
    /// The nodes that did not answer in time, or have gone.
    pub nodes_missing: Vec<N>,
    /// Whether it is known who heard it: else there may be more.
    pub is_heard: bool,
}

impl<N, R> Default for Receipts<N, R> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), due: BTreeSet::new(), next: 1, is_cut: false }
    }
}

impl<N: Ord + Clone, R> Receipts<N, R> {
    /// A question is asked, which is over at `deadline`. Returns its number.
    pub fn ask(&mut self, deadline: Timestamp) -> u64 {
        let question = self.next;
        self.next += 1;
        self.due.insert((deadline, question));
        let open = OpenReceipt { expected: None, answers: BTreeMap::new(), deadline };
        self.open.insert(question, open);
        question
    }

    /// These nodes, and no others, hear the question.
    pub fn expect(
        &mut self,
        question: u64,
        nodes: impl IntoIterator<Item = N>,
    ) -> Option<Receipt<N, R>> {
        self.is_cut = false;
        self.open.get_mut(&question)?.expected = Some(nodes.into_iter().collect());
        self.close_if_whole(question)
    }

    /// `node` answers. What it says a second time, or when the question is over, changes nothing.
    pub fn answer(&mut self, question: u64, node: N, answer: R) -> Option<Receipt<N, R>> {
        self.open.get_mut(&question)?.answers.entry(node).or_insert(answer);
        self.close_if_whole(question)
    }

    /// It is not known whether anybody hears the question: it is over, and missing are those of `nodes` that have not
    /// answered.
    pub fn give_up(&mut self, question: u64, nodes: &[N]) -> Option<Receipt<N, R>> {
        self.is_cut = true;
        self.close(question, nodes)
    }

    /// If nobody is known to have heard the last question, this one is over at once: what goes wrong here shall not hold up
    /// every single one. It may be heard all the same.
    pub fn end_if_cut(&mut self, question: u64, nodes: &[N]) -> Option<Receipt<N, R>> {
        if self.is_cut { self.close(question, nodes) } else { None }
    }

    /// It was not asked after all.
    pub fn take_back(&mut self, question: u64) {
        self.close(question, &[]);
    }

    /// Ends what nobody can answer any more: its time is over. Whoever was not told of by then is one of `nodes`.
    pub fn expire(&mut self, now: Timestamp, nodes: &[N]) -> Vec<Receipt<N, R>> {
        let mut ended = Vec::new();
        while let Some((deadline, question)) = self.due.first().copied()
            && deadline <= now
        {
            ended.extend(self.close(question, nodes));
        }
        ended
    }

    /// When [`Receipts::expire`] is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.due.first().map(|(deadline, _)| *deadline)
    }

    fn close_if_whole(&mut self, question: u64) -> Option<Receipt<N, R>> {
        let open = self.open.get(&question)?;
        let is_missing = |node: &N| !open.answers.contains_key(node);
        if open.expected.as_ref()?.iter().any(is_missing) {
            None
        } else {
            self.close(question, &[])
        }
    }

    fn close(&mut self, question: u64, nodes: &[N]) -> Option<Receipt<N, R>> {
        let OpenReceipt { expected, answers, deadline } = self.open.remove(&question)?;
        self.due.remove(&(deadline, question));
        let is_heard = expected.is_some();
        let expected = expected.unwrap_or_else(|| nodes.iter().cloned().collect());
        let is_missing = |node: &N| !answers.contains_key(node);
        let nodes_missing = expected.into_iter().filter(is_missing).collect();
        Some(Receipt { question, answers, nodes_missing, is_heard })
    }
}

#[cfg(test)]
mod tests;
