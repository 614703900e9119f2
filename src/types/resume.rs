//! What lets a client come back without credentials.

use super::WallMs;
use std::fmt;

/// Names the resume tokens of one client: each but the first came in exchange for the one before. No secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId(u128);

/// The place of a socket among the resume tokens of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeTicket {
    /// The client's resume tokens.
    pub family: FamilyId,
    /// How often one of them was exchanged so far, counted from 1.
    pub generation: u32,
    /// When it came with credentials, or with one of them.
    pub since: WallMs,
}

impl FamilyId {
    /// What a text must be, for people.
    pub const RULE: &str = "must be the `family` of a socket: 32 hexadecimal digits";

    /// A family of these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Its bytes.
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads what [`fmt::Display`] writes; `None` if it breaks [`FamilyId::RULE`].
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit());
        is_plain.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::FamilyId;

    #[test]
    fn what_is_written_is_read() {
        let family = FamilyId::from_bytes([7; 16]);
        assert_eq!(FamilyId::parse(&family.to_string()), Some(family));
        for wrong in ["", "7", &"g".repeat(32), &"+7".repeat(16), &"0".repeat(33)] {
            assert_eq!(FamilyId::parse(wrong), None, "{wrong}");
        }
    }
}
