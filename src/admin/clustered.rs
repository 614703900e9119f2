//! What is refused on a node among many, because it would be done on this one alone.
//!
//! One table: the router refuses by it, the OpenAPI document says so of each, and `docs/cluster.md` is held to it by a test.

use super::error::ApiError;
use super::error_code::Code;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// Operations, by method and route: at the moment there are none.
pub(super) const REFUSED: [(Method, &str); 0] = [];

/// Refuses what is in the table.
pub(super) async fn refuse(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let is_it = |(method, path): &(Method, &str)| {
        method == request.method() && route.is_some_and(|it| it.as_str() == *path)
    };
    if REFUSED.iter().any(is_it) { not_yet().into_response() } else { next.run(request).await }
}

/// It would be done on this node alone.
pub(super) fn not_yet() -> ApiError {
    ApiError::new(
        Code::NotInCluster,
        "this is not built yet for several nodes: see docs/cluster.md",
    )
}

/// Says in the document of each operation of the table that it may be refused.
pub(super) fn document(paths: &mut Value) {
    let refused = json!({
        "description": "`not_in_cluster`: not built yet for several nodes.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
    });
    for (method, path) in &REFUSED {
        let method = method.as_str().to_lowercase();
        let responses =
            paths.get_mut(*path).and_then(|it| it.get_mut(method)?.get_mut("responses"));
        if let Some(responses) = responses.and_then(Value::as_object_mut) {
            responses.insert("501".to_owned(), refused.clone());
        }
    }
}
