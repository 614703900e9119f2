//! Development: `auth: {user, rooms?, data?}` is believed.

use super::claims;
use super::object::JsonFields;
use super::refusal::Refusal;
use crate::core::rooms::granting::GrantRules;
use crate::types::{Grants, Identity, WallMs};

pub(super) fn identity(
    auth: &JsonFields<'_>,
    rules: &GrantRules,
    now: WallMs,
) -> Result<Identity, Refusal> {
    let user = claims::user(auth.get("user"))?;
    let (rooms, data) = (claims::rooms_by_data(auth, rules)?, claims::data(auth));
    let grants = Grants { rooms, data, expires_at: None, issued_at: Some(now), resume: None };
    Ok(Identity { user, grants })
}
