//! Data of the backend's own, attached to users and sockets.

use super::context::AdminContext;
use super::error::{ApiError, BodyFailures, ErrorBody, KeyFailures, StoreFailures};
use super::error_code::Code;
use super::extract::{JsonBody, Segment};
use super::may::{ControlScope, May};
use crate::commands::schema::{SocketIdText, UserIdArgument, UserIdText, schemas};
use crate::realtime::attachments::AttachError;
use axum::Json;
use axum::extract::State;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A patch, with its members in their order.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct DataPatch(IndexMap<String, Box<RawValue>>);

schemas! {
    /// A [`DataPatch`].
    pub(super) DataPatchObject = "DataPatch": json!({
        "description": "A JSON Merge Patch (RFC 7396): members take the place of those of the same name, `null` removes one, \
            objects are merged. Nested at most 32 deep",
        "type": "object",
        "additionalProperties": {},
    });
    /// What is attached.
    pub(super) AttachedObject = "Attached": json!({
        "description": "What the backend has attached, a JSON object of at most 8192 bytes",
        "type": "object",
        "additionalProperties": {},
    });
}

/// What is attached to a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserAttached {
    /// Whose session.
    #[schema(value_type = UserIdText)]
    user: String,
    /// All of it.
    #[schema(value_type = AttachedObject)]
    attached: Box<RawValue>,
}

/// What is attached to a socket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SocketAttached {
    /// Its id.
    #[schema(value_type = SocketIdText)]
    socket: String,
    /// All of it.
    #[schema(value_type = AttachedObject)]
    attached: Box<RawValue>,
}

/// Attach data to a user
///
/// Data of your own, `attached` wherever the user is shown, and in the hook `user.offline`. No client sees it, and no rule
/// looks at it. It stays while the user's session lasts: over reconnects, restarts and crashes (what is answered is on disk, or in a cluster in Redis),
/// and is gone when the user is offline.
#[utoipa::path(
    patch, path = "/v1/users/{user}/data", tag = "users", operation_id = "attach_to_user",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    request_body(content = DataPatchObject, description = "A JSON Merge Patch"),
    responses(
        (status = 200, description = "Attached", body = UserAttached),
        (status = 404, description = "`not_found`: the user is offline", body = ErrorBody),
        BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn to_user(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    user: Segment,
    JsonBody(patch): JsonBody<DataPatch>,
) -> Result<Json<UserAttached>, ApiError> {
    let user = may.user(&user)?;
    let attached = context.attachments.to_user(&user, &patch.text()?).await?;
    let attached = attached_json(&attached)?;
    Ok(Json(UserAttached { user: user.as_str().to_owned(), attached }))
}

/// Attach data to a socket
///
/// The same for one socket, in the memory of its node: it is gone with the socket, and a client that comes back is a new one. In a
/// cluster it may be on any node; 503 if none of those that answer has it, and some do not answer.
#[utoipa::path(
    patch, path = "/v1/sockets/{id}/data", tag = "sockets", operation_id = "attach_to_socket",
    params(("id" = SocketIdText, Path, description = "The socket's id")),
    request_body(content = DataPatchObject, description = "A JSON Merge Patch"),
    responses(
        (status = 200, description = "Attached", body = SocketAttached),
        (status = 404, description = "`not_found`: no such socket", body = ErrorBody),
        BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn to_socket(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    id: Segment,
    JsonBody(patch): JsonBody<DataPatch>,
) -> Result<Json<SocketAttached>, ApiError> {
    may.socket()?;
    let id = id.parse("id", str::parse)?;
    let (socket, attached) = context.attachments.to_socket(id, &patch.text()?).await?;
    Ok(Json(SocketAttached { socket: socket.to_string(), attached: attached_json(&attached)? }))
}

impl DataPatch {
    fn text(&self) -> Result<Box<RawValue>, ApiError> {
        serde_json::value::to_raw_value(&self.0).map_err(ApiError::internal)
    }
}

/// Attached data is JSON.
fn attached_json(attached: &str) -> Result<Box<RawValue>, ApiError> {
    RawValue::from_string(attached.to_owned()).map_err(ApiError::internal)
}

impl From<AttachError> for ApiError {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::NotHere(_) => Self::new(Code::NotFound, error),
            AttachError::Patch(_) | AttachError::TooLarge { .. } => {
                Self::new(Code::InvalidArgument, error)
            }
            AttachError::Waiting | AttachError::NodesMissing | AttachError::Cluster(_) => {
                Self::new(Code::Unavailable, error)
            }
            AttachError::Bus(error) => error.into(),
            AttachError::Closed(_) => Self::stopping(),
        }
    }
}
