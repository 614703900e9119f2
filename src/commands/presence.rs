//! Asking for many users at once.

use super::names::NameList;
use super::schema::UserNames;
use crate::types::UserId;
use serde::Deserialize;
use utoipa::ToSchema;

/// Who to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"users": ["42", "43"]}))]
pub struct PresenceRequest {
    /// Their ids.
    #[schema(value_type = UserNames)]
    pub users: NameList<UserId>,
}
