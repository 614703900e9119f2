//! What every request goes through: it gets an id, its caller is looked up, its end is logged and counted, errors get
//! their body, and a panic becomes a 500.

use super::Api;
use super::error::ApiError;
use super::keys::Caller;
use crate::entropy;
use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// The header with the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request by means of `next`.
pub(super) async fn answer(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let began = api.clock.now();
    let caller = api.keys.caller(request.headers());
    let told = Told {
        id: request_id(),
        method: request.method().clone(),
        path: request.extensions().get::<MatchedPath>().cloned(),
        caller: caller.clone(),
    };
    request.extensions_mut().insert(caller);
    // Whatever a handler shares with others it changes under locks that survive a panic, or through the core.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response =
        answer.unwrap_or_else(|_| ApiError::internal("a panic, see above").into_response());
    let cause = write_error(&mut response, &told.id);
    if let Ok(id) = HeaderValue::from_str(&told.id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    told.log(response.status(), api.clock.now().since(began), cause.as_deref());
    response
}

fn request_id() -> String {
    entropy::token("req_")
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
    path: Option<MatchedPath>,
    caller: Caller,
}

impl Told {
    fn log(&self, status: StatusCode, took: Duration, cause: Option<&str>) {
        let Self { id, method, path, caller } = self;
        let path = path.as_ref().map_or("(none)", MatchedPath::as_str);
        let (status, key) = (status.as_u16(), caller.name());
        let duration_ms = took.as_millis();
        let labels = [("route", path.to_owned()), ("status", status.to_string())];
        metrics::counter!("userline_admin_requests_total", &labels).increment(1);
        if status == StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
            tracing::error!(request.id = id, %method, path, duration_ms, key, cause, "request failed");
        } else {
            tracing::debug!(request.id = id, %method, path, status, duration_ms, key, "answered");
        }
    }
}
