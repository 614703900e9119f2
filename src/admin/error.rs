//! What can go wrong with a request, and how it is said: one place for codes, statuses and the shape of the body.
//!
//! A handler returns an [`ApiError`]; [`super::request`] writes its body, because only that knows the request's id.

use super::error_code::{Code, ErrorCodeName};
use crate::cluster::{BusError, Unattached};
use crate::commands::error::{CommandCode, CommandError};
use crate::core::cluster::bus::wire::WireError;
use crate::hooks::{NotReplayed, WaitingError};
use crate::realtime::directory::DirectoryError;
use crate::realtime::everywhere::EverywhereError;
use crate::realtime::feed::FeedError;
use crate::realtime::reports::ReportError;
use crate::store::{ReadError, ReplayError};
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt::Display;
use utoipa::{IntoResponses, ToSchema};

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    /// What went wrong.
    pub(super) code: Code,
    /// The same for people.
    pub(super) message: String,
    /// The path of the field that is wrong, such as `to.users[3]`.
    pub(super) field: Option<String>,
    /// What the log says of an internal error and the answer does not.
    pub(super) cause: Option<String>,
}

impl ApiError {
    /// An error that is about no field.
    pub(super) fn new(code: Code, message: impl Display) -> Self {
        Self { code, message: message.to_string(), field: None, cause: None }
    }

    /// A field that is wrong.
    pub(super) fn field(field: impl Into<String>, why: impl Display) -> Self {
        let field = field.into();
        let message = format!("{field}: {why}");
        Self { code: Code::InvalidArgument, message, field: Some(field), cause: None }
    }

    /// An error that must not happen. What it is stands in the log only.
    pub(super) fn internal(cause: impl Display) -> Self {
        let message = "the server failed; its log says more";
        Self { cause: Some(cause.to_string()), ..Self::new(Code::Internal, message) }
    }

    /// The store takes no more questions.
    pub(super) fn stopping() -> Self {
        Self::new(Code::Unavailable, "the server is stopping")
    }

    /// The body.
    pub(super) fn body(&self, request_id: &str) -> ErrorBody {
        let Self { code, message, field, cause: _ } = self.clone();
        let request_id = request_id.to_owned();
        let code = code.as_str().to_owned();
        ErrorBody { error: ErrorDetail { code, message, field, request_id } }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        let CommandError { code, message, field } = error;
        let code = match code {
            CommandCode::InvalidArgument => Code::InvalidArgument,
            CommandCode::NotFound => Code::NotFound,
            CommandCode::ReservedEvent => Code::ReservedEvent,
        };
        Self { code, message, field, cause: None }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Closed => Self::stopping(),
            ReadError::Database(source) => {
                Self::internal(format_args!("cannot read the database: {source}"))
            }
        }
    }
}

impl From<WaitingError> for ApiError {
    fn from(error: WaitingError) -> Self {
        match error {
            WaitingError::Ended => Self::stopping(),
            WaitingError::Database(source) => ReadError::Database(source).into(),
            WaitingError::Unattached(error) => error.into(),
        }
    }
}

impl From<EverywhereError> for ApiError {
    fn from(error: EverywhereError) -> Self {
        match error {
            EverywhereError::Here(error) => error.into(),
            EverywhereError::Bus(error) => error.into(),
        }
    }
}

impl From<DirectoryError> for ApiError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Unattached(error) => error.into(),
            DirectoryError::Bus(error) => error.into(),
            DirectoryError::TooManyLinger(_) => Self::new(Code::Unavailable, error),
        }
    }
}

impl From<NotReplayed> for ApiError {
    fn from(error: NotReplayed) -> Self {
        match error {
            NotReplayed::Refused(error @ ReplayError::Unknown) => Self::new(Code::NotFound, error),
            NotReplayed::Refused(
                error @ (ReplayError::Pending | ReplayError::Replaced | ReplayError::Endpoint),
            ) => Self::new(Code::Conflict, error),
            NotReplayed::Refused(ReplayError::Closed) => Self::stopping(),
            NotReplayed::Unattached(error) => error.into(),
        }
    }
}

impl From<FeedError> for ApiError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Read(error) => error.into(),
            FeedError::Unattached(error) => error.into(),
        }
    }
}

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Inbox(error) => error.into(),
            ReportError::Bus(error) => error.into(),
        }
    }
}

impl From<BusError> for ApiError {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Wire(WireError::TooLarge) => Self::new(Code::PayloadTooLarge, error),
            BusError::Wire(_) => Self::internal(error),
            BusError::Full(_) => Self::new(Code::Unavailable, error),
        }
    }
}

impl From<Unattached> for ApiError {
    fn from(error: Unattached) -> Self {
        Self::new(Code::Unavailable, error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        if let Some((name, value)) = self.code.header() {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// What went wrong.
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorDetail {
    /// The stable name of the error: branch on this.
    #[schema(value_type = ErrorCodeName)]
    code: String,
    /// The same for people; the words may change.
    #[schema(example = "to.users[3]: a user id must not be empty")]
    message: String,
    /// The path of the field that is wrong, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "to.users[3]")]
    field: Option<String>,
    /// Also in the header `x-request-id`, and in the server's log.
    #[schema(example = "req_5CRuc0V5Zd2iUXpNQvHk")]
    request_id: String,
}

/// What every request may be answered with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) enum Failures {
    /// `internal`: a bug; the server's log says more under the request's id.
    #[response(status = 500)]
    Internal(ErrorBody),
}

/// What every request that needs a key may be answered with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) enum KeyFailures {
    /// `unauthenticated`: no key, or none of the configured ones.
    #[response(status = 401)]
    Unauthenticated(ErrorBody),
    /// `forbidden`: the key lacks the scope, or its allow-list what the request names or is about.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// `internal`: a bug; the server's log says more under the request's id.
    #[response(status = 500)]
    Internal(ErrorBody),
}

/// What every request that reads the store may be answered with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) enum StoreFailures {
    /// `unavailable`: the server is stopping, its disk takes nothing for the moment, or it cannot reach its cluster.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// What every request with parameters may be answered with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) enum ArgumentFailures {
    /// `invalid_argument`: a field or parameter is wrong; `field` says which.
    #[response(status = 400)]
    InvalidArgument(ErrorBody),
}

/// What every request with a body may be answered with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) enum BodyFailures {
    /// `invalid_argument`: malformed JSON, or a field is wrong; `field` says which.
    #[response(status = 400)]
    InvalidArgument(ErrorBody),
    /// `request_timeout`: the body did not come within `limits.body_timeout`.
    #[response(status = 408)]
    RequestTimeout(ErrorBody),
    /// `payload_too_large`: the body is larger than `limits.payload`.
    #[response(status = 413)]
    PayloadTooLarge(ErrorBody),
    /// `unsupported_media_type`: the body says it is something other than JSON.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
}

/// Answers requests for which there is no route.
pub(super) async fn no_route(uri: Uri) -> ApiError {
    let path = uri.path();
    ApiError::new(Code::NotFound, format_args!("no route `{path}`; see /v1/openapi.json"))
}

/// Answers requests whose route has other methods.
pub(super) async fn no_method(method: Method, uri: Uri) -> ApiError {
    let path = uri.path();
    let message =
        format!("`{path}` does not take {method}; the header `{ALLOW}` says what it takes");
    ApiError::new(Code::MethodNotAllowed, message)
}
