//! Who a socket belongs to.

use super::text::{self, TextError};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The name of a user, as authentication gave it: 1 to 256 bytes of UTF-8 without control characters.
///
/// Cheap to clone: the text is shared.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

/// Why a text is not a user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a user id {0}")]
pub struct UserIdError(#[from] TextError);

impl UserId {
    /// Longest user id, in bytes: leaves room for e-mail addresses and namespaced ids.
    pub const BYTES_MAX: usize = 256;

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
