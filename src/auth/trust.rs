//! Development: `auth: {user, rooms?, data?}` is believed.

use super::claims;
use super::object::JsonFields;
use super::refusal::Refusal;
use crate::types::{Grants, Identity, WallMs};

pub(super) fn identity(auth: &JsonFields<'_>, now: WallMs) -> Result<Identity, Refusal> {
    let user = claims::user(auth.get("user"))?;
    let (rooms, data) = (claims::rooms(auth.get("rooms"))?, claims::data(auth));
    let grants = Grants { rooms, data, expires_at: None, issued_at: Some(now), resume: None };
    Ok(Identity { user, grants })
}
