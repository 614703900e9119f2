//! Development: `auth: {user, rooms?, data?}` is believed.

use super::claims;
use super::object::JsonFields;
use super::refusal::Refusal;
use crate::core::rooms::granting::{GrantRules, GrantedRooms};
use crate::types::{Grants, Identity, WallMs};

pub(super) fn identity(
    auth: &JsonFields<'_>,
    rules: &GrantRules,
    now: WallMs,
) -> Result<Identity, Refusal> {
    let user = claims::user(auth.get("user"))?;
    let GrantedRooms { rooms, joinable } = claims::rooms_by_data(auth, rules)?;
    let (data, issued_at) = (claims::data(auth), Some(now));
    let grants = Grants { rooms, joinable, data, expires_at: None, issued_at, resume: None };
    Ok(Identity { user, grants })
}
