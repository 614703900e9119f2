//! Socket.IO namespaces.

use super::text::{self, TextError};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// A namespace: `/` or `/name`, at most 128 bytes, without `,` and `?` (they end a namespace on the wire).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

/// Why a text is not a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NamespaceError {
    /// Empty, too long or with control characters.
    #[error("a namespace {0}")]
    Text(#[from] TextError),
    /// Does not begin with `/`.
    #[error("a namespace must begin with `/`")]
    NoSlash,
    /// Holds a character that ends a namespace on the wire.
    #[error("a namespace must not contain `,` or `?`")]
    Separator,
}

impl Namespace {
    /// Longest namespace, in bytes.
    pub const BYTES_MAX: usize = 128;

    /// The default namespace, `/`.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Takes the text as it is.
    pub fn parse(text: &str) -> Result<Self, NamespaceError> {
        text::check(text, Self::BYTES_MAX)?;
        if !text.starts_with('/') {
            return Err(NamespaceError::NoSlash);
        }
        if text.contains([',', '?']) {
            return Err(NamespaceError::Separator);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `/`, which the wire leaves out.
    pub fn is_root(&self) -> bool {
        &*self.0 == "/"
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({})", self.0)
    }
}
