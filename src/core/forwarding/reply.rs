//! What the status of an answer means for the event, and for the backend as a whole.

use crate::core::backend::circuit::Failure;
use std::time::Duration;

/// What the status of an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// The backend has handled the event: the body is for the client.
    Answered,
    /// It does not want the event; it is well.
    Refused,
    /// It is not well: another try may be answered.
    Failed(Failure),
}

impl ReplyKind {
    /// What an HTTP status means; `retry_after` is what came with it.
    pub fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            200..=299 => Self::Answered,
            // Too slow, too early, too many: of the backend, not of the event.
            408 | 425 | 429 => Self::Failed(Failure::Answer { retry_after }),
            400..=499 => Self::Refused,
            _ => Self::Failed(Failure::Answer { retry_after }),
        }
    }
}

/// What is usually behind a refusal, of a backend that was not meant; `None` if it may mean what it says.
pub fn likely_cause(status: u16) -> Option<&'static str> {
    match status {
        401 | 403 => {
            Some("it asks for credentials: requests are signed, verify the signature instead")
        }
        404 | 405 => Some("nothing takes a POST there: is it the right path?"),
        419 => Some("its CSRF protection must not cover this URL"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::ReplyKind;
    use crate::core::backend::circuit::Failure;
    use std::time::Duration;

    #[test]
    fn a_status_is_about_the_event_or_about_the_backend() {
        let patience = Some(Duration::from_secs(7));
        let failed = ReplyKind::Failed(Failure::Answer { retry_after: patience });
        for (statuses, expected) in [
            ([200, 204, 299].as_slice(), ReplyKind::Answered),
            (&[400, 401, 403, 404, 409, 410, 413, 422], ReplyKind::Refused),
            (&[301, 302, 408, 425, 429, 500, 502, 503, 504], failed),
        ] {
            for status in statuses {
                assert_eq!(ReplyKind::of_status(*status, patience), expected, "{status}");
            }
        }
    }
}
