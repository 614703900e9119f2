//! Who has answered what was asked of other nodes, and whom the answer is missing.

use crate::types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Questions that wait for the answers of other nodes. `N` names a node, `R` is what it answers.
#[derive(Debug)]
pub struct Receipts<N, R> {
    open: BTreeMap<u64, OpenReceipt<N, R>>,
    due: BTreeSet<(Timestamp, u64)>,
    next: u64,
}

#[derive(Debug)]
struct OpenReceipt<N, R> {
    missing: BTreeSet<N>,
    answers: Vec<(N, R)>,
    deadline: Timestamp,
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt<N, R> {
    /// Which one.
    pub question: u64,
    /// The answers, in the order in which they came.
    pub answers: Vec<(N, R)>,
    /// The nodes that did not answer in time, or have gone.
    pub nodes_missing: Vec<N>,
}

impl<N, R> Default for Receipts<N, R> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), due: BTreeSet::new(), next: 1 }
    }
}

impl<N: Ord + Clone, R> Receipts<N, R> {
    /// Asks `nodes`. Returns the number of the question, and at once what becomes of it if there is nobody to ask.
    pub fn ask(
        &mut self,
        nodes: impl IntoIterator<Item = N>,
        deadline: Timestamp,
    ) -> (u64, Option<Receipt<N, R>>) {
        let question = self.next;
        self.next += 1;
        let missing: BTreeSet<N> = nodes.into_iter().collect();
        if missing.is_empty() {
            let receipt = Receipt { question, answers: Vec::new(), nodes_missing: Vec::new() };
            return (question, Some(receipt));
        }
        self.due.insert((deadline, question));
        self.open.insert(question, OpenReceipt { missing, answers: Vec::new(), deadline });
        (question, None)
    }

    /// `node` answers. What was not asked of it, or was answered before, changes nothing.
    pub fn answer(&mut self, question: u64, node: &N, answer: R) -> Option<Receipt<N, R>> {
        let open = self.open.get_mut(&question)?;
        if !open.missing.remove(node) {
            return None;
        }
        open.answers.push((node.clone(), answer));
        if open.missing.is_empty() { self.close(question) } else { None }
    }

    /// Ends what nobody can answer any more: its time is over.
    pub fn expire(&mut self, now: Timestamp) -> Vec<Receipt<N, R>> {
        let mut ended = Vec::new();
        while let Some((deadline, question)) = self.due.first().copied()
            && deadline <= now
        {
            ended.extend(self.close(question));
        }
        ended
    }

    /// When [`Receipts::expire`] is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.due.first().map(|(deadline, _)| *deadline)
    }

    fn close(&mut self, question: u64) -> Option<Receipt<N, R>> {
        let open = self.open.remove(&question)?;
        self.due.remove(&(open.deadline, question));
        let nodes_missing = open.missing.into_iter().collect();
        Some(Receipt { question, answers: open.answers, nodes_missing })
    }
}

#[cfg(test)]
mod tests;
