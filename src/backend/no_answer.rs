//! No answer came, and why.

use super::public_only::NotPublic;
use std::error::Error as _;
use thiserror::Error;

/// Longest text about an error, in characters.
const CHARS_MAX: usize = 300;

/// No answer came: refused, reset, timed out, not resolved, or an address that must not be called.
///
/// The text is for people. It holds neither the URL, whose query may be secret, nor anything that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct NoAnswer {
    text: String,
    is_timeout: bool,
}

impl NoAnswer {
    /// The error and its causes, without the URL, which may hold a password.
    pub(super) fn new(error: reqwest::Error) -> Self {
        let is_timeout = error.is_timeout();
        let error = error.without_url();
        let mut text = if is_timeout { "no answer in time".to_owned() } else { error.to_string() };
        let mut cause = error.source();
        while let Some(one) = cause {
            let one_text = one.to_string();
            if !text.contains(&one_text) {
                text.push_str(": ");
                text.push_str(&one_text);
            }
            cause = one.source();
        }
        Self { text: text.chars().take(CHARS_MAX).collect(), is_timeout }
    }

    /// Whether the time of the call has passed.
    pub fn is_timeout(&self) -> bool {
        self.is_timeout
    }
}

impl From<NotPublic> for NoAnswer {
    fn from(refused: NotPublic) -> Self {
        Self { text: refused.to_string(), is_timeout: false }
    }
}
