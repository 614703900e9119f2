//! The `auth` of a CONNECT packet.

use super::object::JsonFields;
use super::{HIDDEN, Refusal};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::fmt;

/// Fields that say nothing of who the client is; `pid` is a secret of its own.
const OPTIONS: [&str; 4] = ["device", "inbox_after", "offset", "pid"];
/// The field of a resume token, which is this server's own.
const RESUME: &str = "resume";

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

    /// The fields that may say who the client is, by name: all but those that say what else it wants of the connection.
    pub fn credentials(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().filter(|(key, _)| !OPTIONS.contains(key))
    }

    /// The resume token, if there is one.
    pub fn resume(&self) -> Result<Option<String>, Refusal> {
        self.field(RESUME).map_err(|_| Refusal::AuthInvalid)
    }

    /// The same without the fields that are this server's own: what a backend is told.
    pub fn of_backend(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.credentials().filter(|(key, _)| *key != RESUME)
    }

    /// The value of a field; `None` if it is absent or `null`.
    pub fn field<T: DeserializeOwned>(&self, key: &str) -> serde_json::Result<Option<T>> {
        self.0.get(key).map(|raw| serde_json::from_str(raw.get())).transpose()
    }
}
