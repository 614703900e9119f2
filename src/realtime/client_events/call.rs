//! One call of the backend for one event, from its first attempt to the client's ack.

use super::answering::{ANSWER_HEADER, BadAnswer, RawAnswer};
use super::pending::PendingEvent;
use super::{EventFailure, Forwarding};
use crate::backend::NoBody;
use crate::core::backend::backoff;
use crate::core::backend::circuit::Failure;
use crate::core::forwarding::reply::ReplyKind;
use crate::core::forwarding::schedule::{CallPlace, StartedCall};
use crate::entropy;
use std::sync::Arc;

/// Further attempts for an event that may be sent again.
const RETRIES_MAX: u32 = 2;

/// A call under way. Its place is free again when it is dropped, however it ends.
pub(super) struct CallUnderWay {
    forwarding: Arc<Forwarding>,
    place: CallPlace,
    event: PendingEvent,
}

/// How an attempt ended.
enum Attempt {
    /// The backend has answered, with this status.
    Answered(u16, RawAnswer),
    /// The backend has answered, but not so that it could be read.
    Unreadable(BadAnswer),
    /// It has not, or says that it is not well.
    Failed { failure: Failure, told: EventFailure, why: String },
}

impl CallUnderWay {
    pub(super) fn new(forwarding: Arc<Forwarding>, started: StartedCall<PendingEvent>) -> Self {
        let StartedCall { place, call: event } = started;
        Self { forwarding, place, event }
    }

    /// Calls, and acks.
    pub(super) async fn run(self) {
        let mut failures = 0;
        let outcome = loop {
            let (failure, told, why) = match self.attempt().await {
                Attempt::Answered(status, answer) => {
                    self.forwarding.note_answer(&self.place);
                    break self.finish(status, &answer).await;
                }
                Attempt::Unreadable(bad) => {
                    self.forwarding.note_answer(&self.place);
                    break self.fail_bad(&bad);
                }
                Attempt::Failed { failure, told, why } => (failure, told, why),
            };
            tracing::debug!(why, "a forwarded event got no answer");
            failures += 1;
            let may_retry = self.forwarding.note_failure(&self.place, failure, &why);
            if !(may_retry && self.event.is_retry_safe && failures <= RETRIES_MAX) {
                self.event.fail(&told);
                break "failed";
            }
            let pause = backoff::delay(failures, entropy::number().unwrap_or(u32::MAX));
            self.forwarding.clock.sleep_until(self.forwarding.clock.now() + pause).await;
        };
        metrics::counter!("userline_client_events_forwarded_total", "outcome" => outcome)
            .increment(1);
    }

    async fn attempt(&self) -> Attempt {
        let Forwarding { caller, clock, answering, .. } = &*self.forwarding;
        let PendingEvent { id, body, .. } = &self.event;
        let answer = match caller.post(id, body.clone(), clock.wall()).await {
            Ok(answer) => answer,
            Err(error) => return silence(error.is_timeout(), error.to_string()),
        };
        let (status, retry_after) = (answer.status(), answer.retry_after());
        if let ReplyKind::Failed(failure) = ReplyKind::of_status(status, retry_after) {
            let why = answer.complaint().unwrap_or_default();
            answer.discard_body().await;
            return Attempt::Failed { failure, told: EventFailure::Unavailable, why };
        }
        let header = answer.header(ANSWER_HEADER).map(str::to_owned);
        match answer.body(answering.bytes_max).await {
            Ok(body) => Attempt::Answered(status, RawAnswer { header, body }),
            Err(NoBody::Cut(error)) => silence(error.is_timeout(), error.to_string()),
            Err(error @ NoBody::TooLong { .. }) => {
                Attempt::Unreadable(BadAnswer(error.to_string()))
            }
        }
    }

    /// Does what an answer says; returns what is counted.
    async fn finish(&self, status: u16, answer: &RawAnswer) -> &'static str {
        let answering = &self.forwarding.answering;
        let is_refused = ReplyKind::of_status(status, None) == ReplyKind::Refused;
        let read = match (is_refused, answer.is_envelope()) {
            (true, false) => {
                self.forwarding.note_refusal(status);
                self.event.fail(&EventFailure::Refused(status));
                return "refused";
            }
            (true, true) => answering.read_envelope(&self.event, &answer.body),
            (false, _) => answering.read(&self.event, answer),
        };
        match read {
            Ok(read) => {
                let outcome = if read.reply.is_ok() { "answered" } else { "refused" };
                answering.perform(&self.event, read).await;
                outcome
            }
            Err(bad) => self.fail_bad(&bad),
        }
    }

    fn fail_bad(&self, BadAnswer(why): &BadAnswer) -> &'static str {
        tracing::warn!(why, "the answer to a forwarded event cannot be used");
        self.event.fail(&EventFailure::BadAnswer);
        "invalid"
    }
}

impl Drop for CallUnderWay {
    fn drop(&mut self) {
        self.forwarding.end_call(&self.place);
    }
}

fn silence(is_timeout: bool, why: String) -> Attempt {
    let told = if is_timeout { EventFailure::Timeout } else { EventFailure::Unavailable };
    Attempt::Failed { failure: Failure::Silence, told, why }
}
