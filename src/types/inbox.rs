//! The words of the inbox: what names a stored event.

use super::text::{self, TextError};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The place of an item in the inbox of its user: 1, 2, 3 and so on, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ItemSeq(pub u64);

/// The name of an item, given by its sender: 1 to 128 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(Arc<str>);

/// Why a text is not the id of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an id {0}")]
pub struct ItemIdError(#[from] TextError);

impl ItemId {
    /// Longest id, in bytes.
    pub const BYTES_MAX: usize = 128;

    /// Takes the text as it is.
    pub fn parse(text: &str) -> Result<Self, ItemIdError> {
        text::check(text, Self::BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ItemId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes a newer item take the place of an older one: 1 to 128 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollapseKey(Arc<str>);

/// Why a text is not a collapse key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a collapse key {0}")]
pub struct CollapseKeyError(#[from] TextError);

impl CollapseKey {
    /// Longest key, in bytes.
    pub const BYTES_MAX: usize = 128;

    /// Takes the text as it is.
    pub fn parse(text: &str) -> Result<Self, CollapseKeyError> {
        text::check(text, Self::BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
