//! `/healthz` and `/readyz` for load balancers, who see the public listener only: nothing but a status.

use crate::admin::Ready;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

/// The routes of the public listener beside those of Socket.IO.
pub(super) fn routes(ready: Ready) -> Router {
    let readyz = async move || match ready.check() {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Router::new().route("/healthz", get(async || StatusCode::OK)).route("/readyz", get(readyz))
}
