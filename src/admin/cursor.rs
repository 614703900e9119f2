//! Where the next page of a list begins: the last key of this one, as text that nobody needs to understand.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

/// The text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a cursor; take `next` of the answer before, unchanged")]
pub(super) struct CursorError;

/// Writes a cursor after `key`.
pub(super) fn after(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

/// Reads a cursor back into its key.
pub(super) fn key(cursor: &str) -> Result<String, CursorError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| CursorError)?;
    String::from_utf8(bytes).map_err(|_| CursorError)
}
