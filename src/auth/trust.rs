//! Development: `auth: {user, rooms?, data?}` is believed.

use super::claims;
use super::object::JsonFields;
use super::refusal::Refusal;
use crate::types::{Grants, Identity};

pub(super) fn identity(auth: &JsonFields<'_>) -> Result<Identity, Refusal> {
    let user = claims::user(auth.get("user"))?;
    let (rooms, data) = (claims::rooms(auth.get("rooms"))?, claims::data(auth));
    Ok(Identity { user, grants: Grants { rooms, data, expires_at: None } })
}
