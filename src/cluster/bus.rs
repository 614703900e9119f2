//! What nodes ask each other, and the answers: requests go to all by the log, each answer back to whoever asked alone.
//!
//! Whoever asks goes on at once and may wait for what becomes of it: at most 2 s, then the answer names the nodes that are
//! missing.

mod users;

use super::member::{Appended, ClusterMember};
use crate::clock::Clock;
use crate::core::cluster::bus::wire::{self, WireError};
use crate::core::cluster::bus::words::{BusRequest, NodeAnswer, NodeMessage, NodeQuery, NodeReply};
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::node::{AppendError, EventId, Numbering};
use crate::core::cluster::receipts::{Receipt, Receipts};
use crate::core::emit::message::Emit;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};

/// How long the answers of other nodes are waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// News of a question that wait for whoever follows it.
const NEWS_MAX: usize = 4096;

/// What this node asks others, and answers them. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Bus {
    member: ClusterMember,
    /// Locked before the state machine of the member, never behind it.
    open: Arc<Mutex<QuestionsToNodes>>,
    /// There is a question that ends sooner than all others.
    asked: Arc<Notify>,
    clock: Clock,
}

#[derive(Default)]
struct QuestionsToNodes {
    receipts: Receipts<Arc<str>, NodeAnswer>,
    /// The questions that are on their way into the log.
    events: BTreeMap<EventId, u64>,
    waiting: BTreeMap<u64, WaitingAsker>,
    /// Whoever wants to hear each answer as it comes.
    followers: BTreeMap<u64, mpsc::Sender<NodeNews>>,
    /// Whether it was said already that another version speaks.
    has_warned: bool,
}

/// Is called with what the other nodes answered, as soon as that is all. It holds up every other question.
pub type Note = Box<dyn FnOnce(&[NodeAnswer]) + Send>;

/// Whoever asked.
struct WaitingAsker {
    answers: oneshot::Sender<Answers>,
    /// Is called whether anybody waits or not.
    note: Option<Note>,
}

/// What the other nodes answered.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// One for each node that answered.
    pub answers: Vec<NodeAnswer>,
    /// Who did not.
    pub missing: MissingNodes,
}

/// What comes of a question, one after the other.
#[derive(Debug, Clone)]
pub enum NodeNews {
    /// A node answers, or has more to say.
    Answer(NodeAnswer),
    /// Nobody answers that has not yet. Some may have more to say.
    Whole {
        /// Whether all have answered.
        is_nobody_missing: bool,
    },
}

/// What is so on all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnNodes<T> {
    /// All together.
    pub done: T,
    /// The nodes of which that is not known, on which it is done a little later, or not at all.
    pub missing: MissingNodes,
}

impl<T> OnNodes<T> {
    /// With nobody else to ask.
    pub fn here(done: T) -> Self {
        Self { done, missing: MissingNodes::default() }
    }
}

/// What a node does not know of the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MissingNodes {
    /// The nodes that did not answer. What they were asked for they do once, or never.
    pub names: Box<[Arc<str>]>,
    /// Whether this node is cut off: then there may be others of which it does not know.
    pub is_degraded: bool,
}

/// A question to all other nodes. Whoever drops it does not wait.
#[derive(Debug)]
pub struct AskedNodes(oneshot::Receiver<Answers>);

/// The other nodes were certainly not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BusError {
    /// Too much waits already.
    #[error(transparent)]
    Full(#[from] AppendError),
    /// It cannot be said.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("member", &self.member).finish_non_exhaustive()
    }
}

impl AskedNodes {
    /// Waits until all have answered, or the time is over.
    pub async fn answers(self) -> Answers {
        let nobody = Answers {
            missing: MissingNodes { names: Box::default(), is_degraded: true },
            answers: Vec::new(),
        };
        self.0.await.unwrap_or(nobody)
    }
}

impl MissingNodes {
    /// Whether nothing is missing.
    pub fn is_nobody(&self) -> bool {
        self.names.is_empty() && !self.is_degraded
    }
}

impl Bus {
    /// That of a member of the cluster, which is told of all effects that are about it.
    pub fn new(member: ClusterMember, clock: Clock) -> Self {
        let (open, asked) = (Arc::default(), Arc::default());
        Self { member, open, asked, clock }
    }

    /// Has all other nodes send an event.
    pub fn ask_emit(&self, id: &str, emit: &Emit, note: Note) -> Result<AskedNodes, BusError> {
        self.ask_with(|question| wire::emit(Some(question), id, emit, None), (None, Some(note)))
    }

    /// The same, and has them wait for acks for so long: what these say comes by the receiver.
    pub fn ask_emit_with_acks(
        &self,
        id: &str,
        emit: &Emit,
        timeout: Duration,
        note: Note,
    ) -> Result<(AskedNodes, mpsc::Receiver<NodeNews>), BusError> {
        let (follower, news) = mpsc::channel(NEWS_MAX);
        let write = |question| wire::emit(Some(question), id, emit, Some(timeout));
        Ok((self.ask_with(write, (Some(follower), Some(note)))?, news))
    }

    /// Has all nodes send an event, this one too, as soon as it has its number: for clients that recover it. `begun` is told its
    /// name before anything can become of it. The event goes out without a number at once if that is what `false` says.
    pub fn ask_numbered(
        &self,
        id: &str,
        emit: &Emit,
        begun: impl FnOnce(EventId),
        note: Note,
    ) -> Result<(AskedNodes, bool), BusError> {
        let mut event = EventId::default();
        let (mut is_on_its_way, mut begun) = (true, Some(begun));
        let append = |message| {
            let appended = self.member.append(message, Numbering::Numbered, |id| {
                event = id;
                if let Some(begun) = begun.take() {
                    begun(id);
                }
            })?;
            is_on_its_way = appended == Appended::Waits;
            Ok(event)
        };
        let write = |question| wire::emit(Some(question), id, emit, None);
        let asked = self.ask_by(write, append, (None, Some(note)))?;
        if !is_on_its_way {
            self.not_taken(event);
        }
        Ok((asked, is_on_its_way))
    }

    /// Tells all other nodes something that nobody answers.
    pub fn announce(&self, request: BusRequest) -> Result<(), BusError> {
        let message = wire::message(&NodeMessage { question: None, request })?;
        self.member.append(message, Numbering::Plain, |_| {})?;
        Ok(())
    }

    /// Asks all other nodes.
    pub fn ask(&self, request: BusRequest) -> Result<AskedNodes, BusError> {
        let write = |question| wire::message(&NodeMessage { question: Some(question), request });
        self.ask_with(write, (None, None))
    }

    /// Asks all other nodes what there is.
    pub fn look(&self, query: NodeQuery) -> Result<AskedNodes, BusError> {
        self.ask(BusRequest::Look(query))
    }

    /// The names of the other nodes, as they were known last.
    pub fn others(&self) -> Arc<[Arc<str>]> {
        self.member.others()
    }

    fn ask_with(
        &self,
        write: impl FnOnce(u64) -> Result<Bytes, WireError>,
        told: (Option<mpsc::Sender<NodeNews>>, Option<Note>),
    ) -> Result<AskedNodes, BusError> {
        let append = |message| {
            let mut event = EventId::default();
            self.member.append(message, Numbering::Plain, |id| event = id)?;
            Ok(event)
        };
        self.ask_by(write, append, told)
    }

    fn ask_by(
        &self,
        write: impl FnOnce(u64) -> Result<Bytes, WireError>,
        append: impl FnOnce(Bytes) -> Result<EventId, AppendError>,
        (follower, note): (Option<mpsc::Sender<NodeNews>>, Option<Note>),
    ) -> Result<AskedNodes, BusError> {
        let (sender, answers) = oneshot::channel();
        let mut open = self.open.lock();
        let is_first = open.receipts.next_deadline().is_none();
        let question = open.receipts.ask(self.clock.now() + PATIENCE);
        let written = write(question).map_err(BusError::from);
        let event = match written.and_then(|message| Ok(append(message)?)) {
            Ok(event) => event,
            Err(error) => {
                open.receipts.take_back(question);
                return Err(error);
            }
        };
        open.events.insert(event, question);
        open.waiting.insert(question, WaitingAsker { answers: sender, note });
        if let Some(follower) = follower {
            open.followers.retain(|_, it| !it.is_closed());
            open.followers.insert(question, follower);
        }
        // What goes wrong here does not go right for each single question.
        let ended = open.receipts.end_if_cut(question, &self.member.others());
        open.end(ended);
        drop(open);
        if is_first {
            self.asked.notify_one();
        }
        Ok(AskedNodes(answers))
    }

    /// A question is in the log; these nodes hear it.
    pub fn taken(&self, event: EventId, others: &[Arc<str>]) {
        let mut open = self.open.lock();
        if let Some(question) = open.events.remove(&event) {
            let ended = open.receipts.expect(question, others.iter().cloned());
            open.end(ended);
        }
    }

    /// It is not known whether a question is in the log.
    pub fn not_taken(&self, event: EventId) {
        let mut open = self.open.lock();
        if let Some(question) = open.events.remove(&event) {
            let ended = open.receipts.give_up(question, &self.member.others());
            open.end(ended);
        }
    }

    /// Another node answers.
    pub fn told(&self, from: &Incarnation, message: &[u8]) {
        match wire::read_reply(message) {
            Ok(NodeReply { question, answer }) => {
                let mut open = self.open.lock();
                open.follow(question, || NodeNews::Answer(answer.clone()));
                if matches!(answer, NodeAnswer::Acked(_)) {
                    return;
                }
                let ended = open.receipts.answer(question, from.node().into(), answer);
                open.end(ended);
            }
            Err(error) => self.unread(from, error),
        }
    }

    /// Whether it was this node itself that asked.
    pub fn is_own(&self, from: &Incarnation) -> bool {
        *from.node() == *self.member.name()
    }

    /// What a node asks; `None` if that cannot be read.
    pub fn heard(&self, from: &Incarnation, message: &[u8]) -> Option<NodeMessage> {
        wire::read_message(message).inspect_err(|error| self.unread(from, *error)).ok()
    }

    /// Answers a node that asked, if it waits for that.
    pub fn answer(&self, to: &Incarnation, question: Option<u64>, answer: NodeAnswer) {
        let Some(question) = question else { return };
        let is_told = wire::reply(&NodeReply { question, answer })
            .is_ok_and(|reply| self.member.tell(to, reply));
        if !is_told {
            metrics::counter!("userline_cluster_answers_dropped_total").increment(1);
        }
    }

    /// Ends questions whose time is over, again and again.
    pub async fn run(self) {
        loop {
            let deadline = self.open.lock().receipts.next_deadline();
            match deadline {
                Some(deadline) => self.clock.sleep_until(deadline).await,
                None => self.asked.notified().await,
            }
            let others = self.member.others();
            let mut open = self.open.lock();
            let ended = open.receipts.expire(self.clock.now(), &others);
            open.end(ended);
        }
    }

    fn unread(&self, from: &Incarnation, error: WireError) {
        let cause = match error {
            WireError::Version(_) => "version",
            WireError::Garbage | WireError::TooLarge => "garbage",
        };
        metrics::counter!("userline_cluster_unread_total", "cause" => cause).increment(1);
        if !std::mem::replace(&mut self.open.lock().has_warned, true) {
            tracing::warn!(node = from.node(), %error, "something another node said is skipped");
        }
    }
}

impl QuestionsToNodes {
    /// Tells whoever follows the question. If nobody takes what comes, what clients said is not known.
    fn follow(&self, question: u64, news: impl FnOnce() -> NodeNews) {
        if let Some(Err(TrySendError::Full(_))) =
            self.followers.get(&question).map(|it| it.try_send(news()))
        {
            metrics::counter!("userline_cluster_answers_dropped_total").increment(1);
        }
    }

    fn end(&mut self, ended: impl IntoIterator<Item = Receipt<Arc<str>, NodeAnswer>>) {
        for Receipt { question, answers, nodes_missing, is_heard } in ended {
            // One that could not do it is as good as one that has not heard of it.
            let failed = answers.iter().filter(|(_, it)| matches!(it, NodeAnswer::Failed));
            let failed = failed.map(|(node, _)| Arc::clone(node));
            let names = nodes_missing.into_iter().chain(failed).collect();
            let missing = MissingNodes { names, is_degraded: !is_heard };
            let is_nobody_missing = missing.is_nobody();
            self.follow(question, || NodeNews::Whole { is_nobody_missing });
            let answers = Answers { answers: answers.into_values().collect(), missing };
            let Some(WaitingAsker { answers: waiting, note }) = self.waiting.remove(&question)
            else {
                continue;
            };
            if let Some(note) = note {
                note(&answers.answers);
            }
            // Fails if nobody waits any more, which is fine.
            drop(waiting.send(answers));
        }
    }
}

#[cfg(test)]
mod tests;
