//! What tokens and `auth.user` have in common: a user, rooms, data.

use super::object::JsonFields;
use super::refusal::{Refusal, RoomFlaw, TokenFlaw, UserFlaw};
use crate::core::rooms::granting::{GrantFlaw, GrantRules, GrantedRooms};
use crate::types::{ClaimFlaw, UserId, WallMs};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::Duration;

/// The end of the year 9999 in seconds. A later time was written in milliseconds.
const SECONDS_MAX: u64 = 253_402_300_799;

/// The user that a claim names: a text, or an integer as its decimal digits. Not a guest: those are named by this server only.
pub(super) fn user(claim: Option<&RawValue>) -> Result<UserId, Refusal> {
    let raw = claim.ok_or(UserFlaw::Missing)?.get();
    let text = if raw.starts_with('"') {
        serde_json::from_str(raw).ok()
    } else if raw.starts_with('-') {
        serde_json::from_str(raw).ok().map(|number: i64| number.to_string())
    } else {
        serde_json::from_str(raw).ok().map(|number: u64| number.to_string())
    };
    let text: String = text.ok_or(UserFlaw::Type)?;
    let user = UserId::parse(&text).map_err(UserFlaw::Text)?;
    if user.is_guest() { Err(UserFlaw::Guest.into()) } else { Ok(user) }
}

/// What a claim lists, nothing if it is missing, and what follows from `claims`.
pub(super) fn rooms(
    listed: Option<&RawValue>,
    rules: &GrantRules,
    claims: &JsonFields<'_>,
) -> Result<GrantedRooms, Refusal> {
    let names: Option<Vec<String>> = listed
        .map(|raw| serde_json::from_str(raw.get()).map_err(|_| RoomFlaw::Type))
        .transpose()?;
    let mut used = Map::new();
    for name in rules.claims() {
        let Some(raw) = claims.get(name) else { continue };
        let value = serde_json::from_str(raw.get()).map_err(|_| GrantFlaw::from(ClaimFlaw::Value));
        used.insert(name.to_owned(), value.map_err(RoomFlaw::Grant)?);
    }
    let rooms = rules.apply(&names.unwrap_or_default(), &Value::Object(used));
    Ok(rooms.map_err(RoomFlaw::Grant)?)
}

/// The same where the claims are the fields of `data`.
pub(super) fn rooms_by_data(
    object: &JsonFields<'_>,
    rules: &GrantRules,
) -> Result<GrantedRooms, Refusal> {
    let data = object.get("data").map(RawValue::get).filter(|it| it.starts_with('{'));
    let data = data.filter(|_| rules.claims().next().is_some());
    let claims = data.map(|it| JsonFields::parse(it).ok_or(RoomFlaw::Data)).transpose()?;
    rooms(object.get("rooms"), rules, &claims.unwrap_or_default())
}

/// The value under `data`, as it was written.
pub(super) fn data(object: &JsonFields<'_>) -> Option<Box<RawValue>> {
    object.get("data").map(ToOwned::to_owned)
}

/// RFC 7519 §2, `NumericDate`: seconds since 1970, which may have a fraction.
pub(super) fn time(raw: &RawValue) -> Result<WallMs, TokenFlaw> {
    let whole = serde_json::from_str(raw.get()).ok().map(Duration::from_secs);
    let fraction = || serde_json::from_str(raw.get()).ok().map(Duration::try_from_secs_f64)?.ok();
    let since = whole.or_else(fraction).ok_or(TokenFlaw::Time)?;
    let ms = u64::try_from(since.as_millis()).map_err(|_| TokenFlaw::Time)?;
    if since.as_secs() <= SECONDS_MAX { Ok(WallMs(ms)) } else { Err(TokenFlaw::Time) }
}
