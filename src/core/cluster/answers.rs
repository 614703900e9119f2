//! The words between a node and the place where all nodes keep the answers to requests that have a name.
//!
//! One node makes a request. It has a token; whoever made it before, and was taken for gone, has another, and is not heard.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// What is asked about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerQuestion {
    /// Its name, as a digest.
    pub request: Arc<str>,
    /// Names whoever asks.
    pub token: Arc<str>,
    /// What is asked.
    pub what: AnswerAsk,
}

/// What is asked, or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerAsk {
    /// To make the request.
    Begin {
        /// A digest of what it asks for.
        fingerprint: Arc<str>,
        /// The node that would make it.
        node: Arc<str>,
        /// Requests that are remembered, at most.
        requests_max: usize,
    },
    /// It was made.
    Finish {
        /// What it was answered.
        answer: Bytes,
        /// How long that is remembered.
        keep: Duration,
        /// Bytes of answers that are remembered, at most.
        bytes_max: usize,
    },
    /// It came to nothing: the next one is the first.
    Drop,
}

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerReply {
    /// To [`AnswerAsk::Begin`]: nobody has made it, and the asker makes it.
    First,
    /// Another node makes it.
    UnderWay,
    /// It was made.
    Answered(Bytes),
    /// It asked for something else then.
    Mismatch,
    /// So many are under way that no more can be remembered.
    Full,
    /// To the others: done, or another has the turn by now.
    Heard,
}
