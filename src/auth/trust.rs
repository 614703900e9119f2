//! Development: `auth: {user, rooms?, data?}` is believed.

use super::claims;
use super::object::Object;
use super::refusal::Refusal;
use crate::types::Identity;

pub(super) fn identity(auth: &Object<'_>) -> Result<Identity, Refusal> {
    Ok(Identity {
        user: claims::user(auth, "user")?,
        rooms: claims::rooms(auth, "rooms")?,
        data: claims::data(auth),
        expires_at: None,
    })
}
