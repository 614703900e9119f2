//! `POST /v1/users/{user}/logout`: the user's clients need credentials to come back.

use super::blocks::DisconnectedReply;
use super::context::AdminContext;
use super::error::{ApiError, BodyFailures, KeyFailures, StoreFailures};
use super::extract::{OptionalJsonBody, Segment};
use super::may::{ControlScope, May};
use super::missing_nodes;
use crate::commands::logout::{Logout, LogoutRequest};
use crate::commands::schema::UserIdArgument;
use axum::extract::State;
use axum::response::Response;

/// Log a user out
///
/// The resume tokens of the user do not count any more, or those of one `family`. The clients that came with them get an event
/// `userline:kicked {reason, code: "logged_out"}`, are disconnected, and do not come back by themselves; a user without any other
/// is offline at once. Whoever has good credentials may come again. Nobody being there is no error. What is answered holds over
/// a restart and a crash.
#[utoipa::path(
    post, path = "/v1/users/{user}/logout", tag = "users", operation_id = "log_out_user",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    request_body(content = Option<LogoutRequest>, description = "No body means `{}`: everywhere"),
    responses(
        (status = 200, description = "Logged out; the number says how many sockets were disconnected", body = DisconnectedReply),
        (status = 202, description = "In a cluster: done, but for the nodes in `nodes_missing`, which do it a little later or not at all", body = DisconnectedReply),
        BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn log_out(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    user: Segment,
    OptionalJsonBody(request): OptionalJsonBody<LogoutRequest>,
) -> Result<Response, ApiError> {
    let user = may.user(&user)?;
    let Logout { family, reason } = request.parse()?;
    let disconnected = context.everywhere.log_out(&user, family, reason.as_deref()).await?;
    Ok(missing_nodes::answer(disconnected, |sockets, nodes| {
        DisconnectedReply::new(&user, &sockets, nodes)
    }))
}
