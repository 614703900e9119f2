//! What a backend answered.

use super::no_answer::NoAnswer;
use crate::core::backend::backoff;
use crate::types::WallMs;
use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use std::time::Duration;
use thiserror::Error;

/// Bytes of a body of no interest that are read, so that its connection can be used again.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;
/// How long to read them: the backend has answered, its place is for the next call.
const DISCARDING_TIME: Duration = Duration::from_millis(500);

/// The head of an answer, whose body is still to come.
#[derive(Debug)]
pub struct BackendAnswer {
    response: Response,
    received_at: WallMs,
}

/// Why the body of an answer is not there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoBody {
    /// It has more bytes than the caller takes.
    #[error("the answer has more than {max} bytes")]
    TooLong {
        /// Bytes taken.
        max: usize,
    },
    /// It did not come in whole, or not in time.
    #[error(transparent)]
    Cut(NoAnswer),
}

impl BackendAnswer {
    pub(super) fn new(response: Response, received_at: WallMs) -> Self {
        Self { response, received_at }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The value of a header; `None` if there is none, or if it is no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// How long the backend asks to be left alone (`Retry-After`), if it does; not bounded.
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.response.headers().get(RETRY_AFTER)?.to_str().ok()?;
        backoff::parse_retry_after(value, self.received_at)
    }

    /// What to tell people about a status that is not 2xx.
    pub fn complaint(&self) -> Option<String> {
        let status = self.response.status();
        if status.is_success() {
            None
        } else if status.is_redirection() {
            Some(format!("status {}: redirects are not followed", status.as_u16()))
        } else {
            Some(format!("status {}", status.as_u16()))
        }
    }

    /// Reads the body, of at most `max` bytes, within the time of the call. A longer one costs its connection.
    pub async fn body(self, max: usize) -> Result<Vec<u8>, NoBody> {
        let mut response = self.response;
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| NoBody::Cut(NoAnswer::new(error)))?
        {
            if max.saturating_sub(body.len()) < chunk.len() {
                return Err(NoBody::TooLong { max });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Reads the body away, so that its connection can be used again. One that is long or slow costs a connection.
    pub async fn discard_body(self) {
        let mut response = self.response;
        let read = async {
            let mut bytes = 0;
            while let Ok(Some(chunk)) = response.chunk().await {
                bytes += chunk.len();
                if DISCARDED_BYTES_MAX < bytes {
                    break;
                }
            }
        };
        let _late = tokio::time::timeout(DISCARDING_TIME, read).await;
    }
}
