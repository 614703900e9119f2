//! Messages that wait where they came from, sent in their order, many at once: rows of a table, entries of a stream.

use super::intake::{Intake, MessageRefusal, Posted};
use super::reporter::{MessageOutcome, Reporter};
use crate::core::emit::message::Message;
use crate::core::ingest::batch::{BatchStep, Order, OrderedBatch};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::fmt::Display;
use tokio_util::sync::CancellationToken;

/// Messages that are being sent at once: those that are stored wait for the disk together.
const SENDING_MAX: usize = 64;
/// Most characters of an error that is written where the message came from.
const ERROR_CHARS_MAX: usize = 1000;

/// What is to be done with a message; `I` is what it is called where it waits.
pub(super) enum MessageWork<I> {
    /// It is sent.
    Send(I, Box<Message>),
    /// It is over.
    End(EndedMessage<I>, Option<MessageRefusal>),
}

/// A message that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndedMessage<I> {
    pub(super) id: I,
    pub(super) verdict: MessageVerdict,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MessageVerdict {
    /// It was emitted.
    Done,
    /// It came too late.
    Expired,
    /// It cannot be emitted; why, for people, with the code before it.
    Failed(String),
}

/// Sends the messages of one source.
pub(super) struct OrderedSender<'a> {
    pub(super) intake: &'a Intake,
    pub(super) reporter: &'a Reporter,
    /// Nothing more is begun when it is cancelled.
    pub(super) stop: &'a CancellationToken,
    /// What a message is called in front of its name, such as "row".
    pub(super) noun: &'static str,
}

impl<I> MessageWork<I> {
    /// What is to be done with a message that was read, or not, and behind which others.
    pub(super) fn of(
        id: I,
        order_key: Option<String>,
        read: Result<Box<Message>, MessageRefusal>,
    ) -> (Order, Self) {
        match read {
            Ok(message) => (order(order_key, &message), Self::Send(id, message)),
            Err(refusal) => {
                let ended = EndedMessage::failed(id, &refusal);
                (Order::Nobody, Self::End(ended, Some(refusal)))
            }
        }
    }

    /// A message that came too late.
    pub(super) fn expired(id: I) -> (Order, Self) {
        let ended = EndedMessage { id, verdict: MessageVerdict::Expired };
        (Order::Nobody, Self::End(ended, None))
    }
}

impl<I> EndedMessage<I> {
    /// A message that cannot be emitted.
    fn failed(id: I, refusal: &MessageRefusal) -> Self {
        let MessageRefusal { code, message } = refusal;
        // A text of PostgreSQL's has no NUL.
        let text = format!("{code}: {message}").replace('\0', "");
        let verdict = MessageVerdict::Failed(text.chars().take(ERROR_CHARS_MAX).collect());
        Self { id, verdict }
    }
}

impl OrderedSender<'_> {
    /// Sends a batch; what is over is put into `ended`. Answers why it did not send all, if the server could not.
    pub(super) async fn send<I: Display>(
        &self,
        orders: &[Order],
        work: Vec<MessageWork<I>>,
        ended: &mut Vec<EndedMessage<I>>,
    ) -> Option<String> {
        let mut batch = OrderedBatch::new(orders);
        let mut work: Vec<Option<MessageWork<I>>> = work.into_iter().map(Some).collect();
        let mut sending = FuturesUnordered::new();
        let mut later = None;
        loop {
            if self.stop.is_cancelled() {
                batch.stop();
            }
            while batch.under_way() < SENDING_MAX
                && let Some(index) = batch.take()
            {
                match work.get_mut(index).and_then(Option::take) {
                    Some(MessageWork::Send(id, message)) => {
                        sending.push(self.post(index, id, message));
                        continue;
                    }
                    Some(MessageWork::End(message, refusal)) => {
                        self.count_end(&message, refusal.as_ref());
                        ended.push(message);
                    }
                    None => {}
                }
                batch.end(index, BatchStep::Settled);
            }
            let Some((index, id, posted)) = sending.next().await else { return later };
            let step = match self.posted_end(id, posted) {
                Ok(message) => {
                    ended.push(message);
                    BatchStep::Settled
                }
                Err(why) => {
                    later = Some(why);
                    BatchStep::Later
                }
            };
            batch.end(index, step);
        }
    }

    /// Its place in the batch, and what became of it.
    async fn post<I>(&self, index: usize, id: I, message: Box<Message>) -> (usize, I, Posted) {
        (index, id, self.intake.post(message).await)
    }

    /// A message that was sent: it is over, or the server could not take it, and why.
    fn posted_end<I: Display>(&self, id: I, posted: Posted) -> Result<EndedMessage<I>, String> {
        let outcome = match posted {
            Posted::Later(why) => return Err(why),
            Posted::Refused(refusal) => {
                let ended = EndedMessage::failed(id, &refusal);
                self.count_end(&ended, Some(&refusal));
                return Ok(ended);
            }
            Posted::Emitted => MessageOutcome::Emitted,
            Posted::Repeated => MessageOutcome::Repeated,
            Posted::Unmatched => MessageOutcome::Unmatched,
            Posted::Changed => MessageOutcome::Changed,
        };
        self.reporter.count(outcome);
        Ok(EndedMessage { id, verdict: MessageVerdict::Done })
    }

    fn count_end<I: Display>(&self, ended: &EndedMessage<I>, refusal: Option<&MessageRefusal>) {
        match refusal {
            Some(refusal) => self.reporter.refuse(&format!("{} {}", self.noun, ended.id), refusal),
            None => self.reporter.count(MessageOutcome::Expired),
        }
    }
}

fn order(order_key: Option<String>, message: &Message) -> Order {
    let target = &message.emit.audience.target;
    match order_key {
        Some(key) => Order::Key(key),
        None if target.rooms.is_empty() && target.sockets.is_empty() && !target.all => {
            Order::Users(target.users.clone())
        }
        None => Order::Everybody,
    }
}
