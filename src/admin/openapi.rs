//! The OpenAPI document, generated from the handlers that answer.

use super::context::AdminContext;
use super::error::{ArgumentFailures, Failures};
use super::extract::NoParameters;
use super::idempotency::IdempotencyKeyText;
use super::inbox::InboxPosition;
use super::schemas::{ListedStateName, SwitchText, UndeliveredName};
use crate::commands::schema::{
    GrantableRoomArgument, ItemIdArgument, NamespaceArgument, PageLimit, RoomArgument, SchemaRules,
    SocketIdText, StoreNumber, UserIdArgument,
};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// What the document says besides the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "userline admin API",
        description = "Sends events to users, says who is here, disconnects. JSON in, JSON out; errors carry a stable \
                       `code`, and every answer the header `x-request-id`.",
    ),
    modifiers(&Bearer),
    // What only parameters refer to is not found by itself.
    components(schemas(
        GrantableRoomArgument,
        IdempotencyKeyText,
        InboxPosition,
        ItemIdArgument,
        ListedStateName,
        NamespaceArgument,
        PageLimit,
        RoomArgument,
        SocketIdText,
        StoreNumber,
        SwitchText,
        UndeliveredName,
        UserIdArgument,
    )),
    tags(
        (name = "events", description = "What clients are sent"),
        (name = "users", description = "Who is here: a user has one or more sockets"),
        (name = "inbox", description = "What waits for a user"),
        (name = "sockets", description = "One client in one namespace"),
        (name = "rooms", description = "Groups of sockets"),
        (name = "hooks", description = "What the backend is told, or pulls"),
        (name = "server", description = "How the server is"),
    ),
)]
pub(super) struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let description = "One of `admin.keys`; the names beside it in each operation are the \
                           scopes of which the key needs one.";
        let scheme =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    }
}

/// The document as it is answered, with what a derived schema cannot say.
pub(super) fn render(document: &utoipa::openapi::OpenApi, rules: SchemaRules) -> Bytes {
    // A document that cannot be written fails the tests, all of which walk through it.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    if let Some(schemas) = document.pointer_mut("/components/schemas") {
        rules.merge_into(schemas);
    }
    document.to_string().into()
}

/// Get this document
///
/// OpenAPI 3.1. Needs no key.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "server", operation_id = "openapi",
    responses(
        (status = 200, description = "The document", body = Object, content_type = "application/json"),
        ArgumentFailures, Failures,
    ),
    security(()),
)]
pub(super) async fn openapi(
    _: NoParameters,
    State(context): State<AdminContext>,
) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], context.document.clone())
}
