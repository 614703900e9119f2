//! The `auth` of a CONNECT packet.

use super::object::JsonFields;
use super::{HIDDEN, Refusal};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::fmt;

/// What a client sent as `auth` of its CONNECT packet, split into its fields once. They hold credentials, and options
/// such as `device`.
#[derive(Default)]
pub struct AuthPayload<'a>(pub(super) JsonFields<'a>);

/// Shows nothing, because it may hold credentials.
impl fmt::Debug for AuthPayload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthPayload").field(&HIDDEN).finish()
    }
}

impl<'a> AuthPayload<'a> {
    /// Absent or `null` is a payload without fields. The caller bounds the size.
    pub fn parse(auth: Option<&'a RawValue>) -> Result<Self, Refusal> {
        match auth {
            Some(raw) if raw.get() != "null" => {
                JsonFields::parse(raw.get()).map(Self).ok_or(Refusal::AuthInvalid)
            }
            Some(_) | None => Ok(Self::default()),
        }
    }

    /// The value of a field; `None` if it is absent or `null`.
    pub fn field<T: DeserializeOwned>(&self, key: &str) -> serde_json::Result<Option<T>> {
        self.0.get(key).map(|raw| serde_json::from_str(raw.get())).transpose()
    }
}
