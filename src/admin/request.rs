//! What every request goes through: it gets an id, its caller is looked up, its end is logged and counted, errors get
//! their body, and a panic becomes a 500.

use super::error::ApiError;
use super::keys::Caller;
use super::{Api, emit};
use crate::entropy;
use crate::types::Timestamp;
use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use metrics::Counter;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::time::Duration;

/// The header with the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request by means of `next`.
pub(super) async fn answer(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned().map(Route::Matched);
    let call = Call::begin(&api, &request, route);
    request.extensions_mut().insert(call.caller().clone());
    call.end(next.run(request)).await
}

/// A request on its way to its answer.
pub(super) struct Call<'a> {
    api: &'a Api,
    began: Timestamp,
    told: Told,
}

/// What a request is for, as the documentation writes it.
pub(super) enum Route {
    /// `POST /v1/emit`, which did not pass the router.
    Emit,
    /// What the router found.
    Matched(MatchedPath),
}

impl Route {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Emit => emit::PATH,
            Self::Matched(path) => path.as_str(),
        }
    }
}

impl<'a> Call<'a> {
    /// Names the request and looks up its caller.
    pub(super) fn begin<B>(api: &'a Api, request: &http::Request<B>, route: Option<Route>) -> Self {
        let began = api.clock.now();
        let caller = api.keys.caller(request.headers());
        let (id, method) = (entropy::token("req_"), request.method().clone());
        let told = Told { id, method, route, caller };
        Self { api, began, told }
    }

    /// Who makes it.
    pub(super) fn caller(&self) -> &Caller {
        &self.told.caller
    }

    /// Answers it by `work`.
    pub(super) async fn end(self, work: impl Future<Output = Response>) -> Response {
        let Self { api, began, told } = self;
        // Whatever a handler shares with others it changes under locks that survive a panic, or through the core.
        let answer = AssertUnwindSafe(work).catch_unwind().await;
        let mut response =
            answer.unwrap_or_else(|_| ApiError::internal("a panic, see above").into_response());
        let cause = write_error(&mut response, &told.id);
        if let Ok(id) = HeaderValue::from_str(&told.id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        told.end(api, response.status(), api.clock.now().since(began), cause.as_deref());
        response
    }
}

/// Gives an error that a handler returned its body; returns what the log says of it besides.
fn write_error(response: &mut Response, request_id: &str) -> Option<String> {
    let error = response.extensions_mut().remove::<ApiError>()?;
    let (parts, body) = Json(error.body(request_id)).into_response().into_parts();
    response.headers_mut().extend(parts.headers);
    *response.body_mut() = body;
    error.cause
}

/// What the log says of a request: never the path as it was sent, which names users.
struct Told {
    id: String,
    method: Method,
    route: Option<Route>,
    caller: Caller,
}

impl Told {
    /// Logs and counts the answer.
    fn end(&self, api: &Api, status: StatusCode, took: Duration, cause: Option<&str>) {
        let Self { id, method, route, caller } = self;
        api.answered.count(route.as_ref(), status);
        let path = path(route.as_ref());
        let (status, key) = (status.as_u16(), caller.name());
        let duration_ms = took.as_millis();
        if status == StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
            tracing::error!(request.id = id, %method, path, duration_ms, key, cause, "request failed");
        } else {
            tracing::debug!(request.id = id, %method, path, status, duration_ms, key, "answered");
        }
    }
}

/// Counts answers.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Emits with status 200, the most frequent by far: to look up a counter by its labels costs more than an emit.
    emits: OnceLock<Counter>,
}

impl Answered {
    fn count(&self, route: Option<&Route>, status: StatusCode) {
        let counter = || {
            let labels =
                [("route", path(route).to_owned()), ("status", status.as_str().to_owned())];
            metrics::counter!("userline_admin_requests_total", &labels)
        };
        if matches!(route, Some(Route::Emit)) && status == StatusCode::OK {
            self.emits.get_or_init(counter).increment(1);
        } else {
            counter().increment(1);
        }
    }
}

fn path(route: Option<&Route>) -> &str {
    route.map_or("(none)", Route::as_str)
}
