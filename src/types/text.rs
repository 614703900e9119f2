//! The one rule for names that travel: short, not empty, printable.

use thiserror::Error;

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    /// The text has no characters.
    #[error("must not be empty")]
    Empty,
    /// The text has more than `max` bytes of UTF-8.
    #[error("must be at most {max} bytes, has {len}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The text has a control character (U+0000 to U+001F, U+007F to U+009F).
    #[error("must not contain control characters")]
    Control,
}

/// Checks `text` against the rule for names of at most `max` bytes.
pub(crate) fn check(text: &str, max: usize) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > max {
        return Err(TextError::TooLong { len: text.len(), max });
    }
    if text.chars().any(char::is_control) {
        return Err(TextError::Control);
    }
    Ok(())
}
