//! The stable names of errors, with the HTTP status of each.

use crate::commands::error::CommandCode;
use crate::commands::schema::{one_of, schemas};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};

/// The stable name of an error, with its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// The request makes no sense; `field` says where, if it is about one.
    InvalidArgument,
    /// No key, or none of the configured ones.
    Unauthenticated,
    /// The key lacks a scope.
    Forbidden,
    /// No such route, room, socket, namespace.
    NotFound,
    /// The route exists, with other methods.
    MethodNotAllowed,
    /// The thing is not in a state in which this can be done.
    Conflict,
    /// The `Idempotency-Key` belongs to another request.
    IdempotencyMismatch,
    /// The body did not come in time.
    RequestTimeout,
    /// The body is larger than `limits.payload`.
    PayloadTooLarge,
    /// The body is neither JSON nor what curl calls its own.
    UnsupportedMediaType,
    /// Nobody but the server, or the client library, may send this event.
    ReservedEvent,
    /// A bug.
    Internal,
    /// Not now.
    Unavailable,
}

impl Code {
    /// All of them.
    pub(super) const ALL: [Self; 13] = [
        Self::InvalidArgument,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::IdempotencyMismatch,
        Self::RequestTimeout,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::ReservedEvent,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => CommandCode::InvalidArgument.as_str(),
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => CommandCode::NotFound.as_str(),
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::RequestTimeout => "request_timeout",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::ReservedEvent => CommandCode::ReservedEvent.as_str(),
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    /// The HTTP status.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::InvalidArgument => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::IdempotencyMismatch => StatusCode::CONFLICT,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ReservedEvent => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The header that belongs to the error.
    pub(super) fn header(self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Unauthenticated => Some((WWW_AUTHENTICATE, "Bearer realm=\"userline\"")),
            Self::Unavailable => Some((RETRY_AFTER, "1")),
            // The rest of the body would be taken for the next request.
            Self::RequestTimeout | Self::PayloadTooLarge => Some((CONNECTION, "close")),
            Self::InvalidArgument
            | Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::IdempotencyMismatch
            | Self::UnsupportedMediaType
            | Self::ReservedEvent
            | Self::Internal => None,
        }
    }
}

schemas! {
    /// The stable names of errors.
    pub(super) ErrorCodeName = "ErrorCode":
        one_of("The stable name of an error; later versions may have more", Code::ALL.map(Code::as_str));
}
