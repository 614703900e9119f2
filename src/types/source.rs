//! Where emits come from besides the admin API.

use std::fmt;
use std::sync::Arc;

/// The name of a source of emits: 1 to 48 of the letters a to z and A to Z, digits, `-`, `_` and `.`.
///
/// Cheap to clone: the text is shared.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceName(Arc<str>);

impl SourceName {
    /// Longest name, in bytes: with a name of 79 bytes it still makes the id of a stored event.
    pub const BYTES_MAX: usize = 48;
    /// Where events come from that clients send to each other; no source in the configuration has this name.
    pub const CLIENTS: &str = "clients";
    /// What a text must be, for people.
    pub const RULE: &str = "must be 1 to 48 letters, digits, \"-\", \"_\", \".\"";

    /// Takes the text as it is; `None` if it breaks [`SourceName::RULE`].
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_good = (1..=Self::BYTES_MAX).contains(&text.len()) && text.chars().all(is_plain);
        is_good.then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::SourceName;

    #[test]
    fn a_name_is_plain_and_short() {
        for text in ["orders", "a.b-c_D9", &"a".repeat(48)] {
            assert_eq!(SourceName::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "a:b", "ä", &"a".repeat(49)] {
            assert_eq!(SourceName::parse(text), None, "{text}");
        }
    }
}
