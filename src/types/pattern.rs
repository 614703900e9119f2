//! Names, one or many, as lists of what is allowed name them.

use super::text::{self, TextError};
use std::fmt;
use thiserror::Error;

/// A name, or with `*` at its end all names that begin so: `org:7`, `org:*`, `*`. 1 to 257 bytes of UTF-8 without control
/// characters.
#[derive(Clone, PartialEq, Eq)]
pub struct NamePattern(Box<str>);

/// Why a text is not a pattern of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NamePatternError {
    /// Empty, too long or with control characters.
    #[error("a pattern {0}")]
    Text(#[from] TextError),
    /// A `*` stands somewhere else than at the end.
    #[error("a pattern has `*` at its end only")]
    Star,
}

impl NamePattern {
    /// Longest pattern, in bytes: the longest name of a room, and the `*`.
    pub const BYTES_MAX: usize = 257;
    /// What a text must be, for people.
    pub const RULE: &str =
        "must be a name, or the beginning of names and `*`, such as \"order:*\": at most 257 bytes";

    /// Takes the text as it is.
    pub fn parse(text: &str) -> Result<Self, NamePatternError> {
        text::check(text, Self::BYTES_MAX)?;
        if text.strip_suffix('*').unwrap_or(text).contains('*') {
            return Err(NamePatternError::Star);
        }
        Ok(Self(text.into()))
    }

    /// The pattern of all names.
    pub fn any() -> Self {
        Self("*".into())
    }

    /// Whether all names have it.
    pub fn is_any(&self) -> bool {
        &*self.0 == "*"
    }

    /// Whether there is a name that has both.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.0.strip_suffix('*'), other.0.strip_suffix('*')) {
            (Some(one), Some(two)) => one.starts_with(two) || two.starts_with(one),
            (Some(_), None) => self.matches(&other.0),
            (None, _) => other.matches(&self.0),
        }
    }

    /// What all its names begin with, if it may be more than one.
    pub fn beginning(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    /// Whether `name` has it.
    pub fn matches(&self, name: &str) -> bool {
        match self.beginning() {
            Some(beginning) => name.starts_with(beginning),
            None => name == &*self.0,
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamePattern({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{NamePattern, NamePatternError};
    use crate::types::TextError;

    #[test]
    fn a_pattern_is_a_name_or_a_beginning() {
        for (text, name, expected) in [
            ("order:paid", "order:paid", true),
            ("order:paid", "order:paid2", false),
            ("order:*", "order:paid", true),
            ("order:*", "order:", true),
            ("order:*", "orders", false),
            ("*", "anything", true),
        ] {
            let pattern = NamePattern::parse(text).unwrap();
            assert_eq!(pattern.matches(name), expected, "{text} {name}");
            assert_eq!(pattern.is_any(), text == "*");
        }
        assert_eq!(NamePattern::any(), NamePattern::parse("*").unwrap());
    }

    #[test]
    fn a_star_stands_at_the_end_only() {
        for text in ["*a", "a*b", "**", "a*b*"] {
            assert_eq!(NamePattern::parse(text), Err(NamePatternError::Star), "{text}");
        }
        for text in ["", "a\n", &"a".repeat(258)] {
            let refused = NamePattern::parse(text).unwrap_err();
            assert!(matches!(
                refused,
                NamePatternError::Text(
                    TextError::Empty | TextError::Control | TextError::TooLong { .. }
                )
            ));
        }
        assert!(NamePattern::parse(&"a".repeat(257)).is_ok());
    }
}
