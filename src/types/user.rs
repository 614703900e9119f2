//! Who a socket belongs to.

use super::text::{self, TextError};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The name of a user, as authentication gave it: 1 to 256 bytes of UTF-8 without control characters.
///
/// Cheap to clone: the text is shared.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UserId(Arc<str>);

/// Why a text is not a user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a user id {0}")]
pub struct UserIdError(#[from] TextError);

impl From<UserId> for String {
    fn from(user: UserId) -> Self {
        user.as_str().to_owned()
    }
}

impl TryFrom<String> for UserId {
    type Error = UserIdError;

    fn try_from(text: String) -> Result<Self, UserIdError> {
        Self::parse(&text)
    }
}

impl UserId {
    /// Longest user id, in bytes: leaves room for e-mail addresses and namespaced ids.
    pub const BYTES_MAX: usize = 256;

    /// What the ids of guests begin with, who have brought no credentials. No credentials name such a user.
    pub const GUEST_PREFIX: &str = "guest:";

    /// A guest of these random bytes: `guest:` and 32 hexadecimal digits.
    pub fn guest(bytes: [u8; 16]) -> Self {
        Self(format!("{}{:032x}", Self::GUEST_PREFIX, u128::from_be_bytes(bytes)).into())
    }

    /// Whether it is a guest: a user who has brought no credentials.
    pub fn is_guest(&self) -> bool {
        self.0.starts_with(Self::GUEST_PREFIX)
    }

    /// Takes the text as it is: no trimming, no case folding.
    pub fn parse(text: &str) -> Result<Self, UserIdError> {
        text::check(text, Self::BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::UserId;

    #[test]
    fn guests_are_told_from_users_by_their_prefix() {
        let guest = UserId::guest([0xab; 16]);
        assert_eq!(guest.as_str(), format!("guest:{}", "ab".repeat(16)));
        assert!(guest.is_guest() && UserId::parse("guest:").unwrap().is_guest());
        for user in ["guest", "Guest:1", " guest:1", "aguest:1"] {
            assert!(!UserId::parse(user).unwrap().is_guest(), "{user}");
        }
    }
}
