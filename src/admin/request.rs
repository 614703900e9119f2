//! What every request goes through: it gets an id, its caller is looked up, its end is logged and counted, errors get
//! their body, and a panic becomes a 500.

use super::answered::RouteName;
use super::context::AdminContext;
use super::error::ApiError;
use super::keys::Caller;
use crate::entropy;
use crate::types::Timestamp;
use axum::Json;
use axum::extract::{MatchedPath, Request};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// The header with the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request on its way to its answer.
pub(super) struct Call<'a> {
    context: &'a AdminContext,
    began: Timestamp,
    record: RequestRecord,
}

impl<'a> Call<'a> {
    /// Names the request and looks up its caller.
    pub(super) fn begin<B>(context: &'a AdminContext, request: &http::Request<B>) -> Self {
        let began = context.clock.now();
        let caller = context.keys.caller(request.headers());
        let (id, method) = (entropy::token("req_"), request.method().clone());
        Self { context, began, record: RequestRecord { id, method, caller } }
    }

    /// Who makes it.
    pub(super) fn caller(&self) -> &Caller {
        &self.record.caller
    }

    /// Answers it by `work`, which is that of a route that was found without the router. No `async fn`, nor is what it calls: that
    /// would hold `work` once for each of them.
    pub(super) fn end_at(
        self,
        route: &'static str,
        work: impl Future<Output = Response>,
    ) -> impl Future<Output = Response> {
        caught(work).map(move |response| self.finish(Some(&RouteName::Direct(route)), response))
    }

    /// Answers it by `work` of the router, which says by [`name_route`] which route it found.
    pub(super) fn end_at_router(
        self,
        work: impl Future<Output = Response>,
    ) -> impl Future<Output = Response> {
        work.map(move |mut response| {
            let route = response.extensions_mut().remove::<RouteName>();
            self.finish(route.as_ref(), response)
        })
    }

    fn finish(self, route: Option<&RouteName>, mut response: Response) -> Response {
        let Self { context, began, record } = self;
        let cause = write_error(&mut response, &record.id);
        if let Ok(id) = HeaderValue::from_str(&record.id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let (status, took) = (response.status(), context.clock.now().since(began));
        context.answers.count(route, status);
        record.log(route, status, took, cause.as_deref());
        response
    }
}

/// Says in an answer of the router which route it is of. Only here, inside of the router, that is known.
pub(super) async fn name_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = caught(next.run(request)).await;
    if let Some(route) = route {
        response.extensions_mut().insert(RouteName::Matched(route));
    }
    response
}

/// Runs a handler; a panic is an error like any other.
fn caught(work: impl Future<Output = Response>) -> impl Future<Output = Response> {
    // Whatever a handler shares with others it changes under locks that survive a panic, or through the core.
    let answer = AssertUnwindSafe(work).catch_unwind();
    answer.map(|it| it.unwrap_or_else(|_| ApiError::internal("a panic, see above").into_response()))
}

/// Gives an error that a handler returned its body; returns what the log says of it besides.
fn write_error(response: &mut Response, request_id: &str) -> Option<String> {
    let error = response.extensions_mut().remove::<ApiError>()?;
    let (parts, body) = Json(error.body(request_id)).into_response().into_parts();
    let headers = response.headers_mut();
    // The router has measured the empty body that this one replaces.
    headers.remove(CONTENT_LENGTH);
    headers.extend(parts.headers);
    *response.body_mut() = body;
    error.cause
}

/// What the log says of a request, besides its route.
struct RequestRecord {
    id: String,
    method: Method,
    caller: Caller,
}

impl RequestRecord {
    fn log(
        &self,
        route: Option<&RouteName>,
        status: StatusCode,
        took: Duration,
        cause: Option<&str>,
    ) {
        let Self { id, method, caller } = self;
        let (path, key) = (RouteName::text(route), caller.name());
        let (status, duration_ms) = (status.as_u16(), took.as_millis());
        if status == StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
            tracing::error!(request.id = id, %method, path, duration_ms, key, cause, "request failed");
        } else {
            tracing::debug!(request.id = id, %method, path, status, duration_ms, key, "answered");
        }
    }
}
