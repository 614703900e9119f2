//! The only source of randomness.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::cell::RefCell;

/// `N` bytes from the operating system.
#[expect(
    clippy::expect_used,
    reason = "without randomness no id is safe: ending the process is all that is left"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// Any number, for what is no secret; `None` if the operating system gives none.
pub fn number() -> Option<u32> {
    getrandom::u32().ok()
}

/// Bytes of a [`token`], one for each character.
const TOKEN_BYTES: usize = 20;
/// What these are: those of URL-safe base64.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Tokens that one question to the operating system is enough for: each request and each emit takes one.
const TOKENS_AT_ONCE: usize = 32;

thread_local! {
    /// Randomness for tokens that was not used yet.
    static UNUSED: RefCell<Vec<[u8; TOKEN_BYTES]>> = const { RefCell::new(Vec::new()) };
}

/// A name that is told to others, and that nobody can guess: `prefix`, and 120 bits as 20 characters of URL-safe
/// base64.
pub fn token(prefix: &str) -> String {
    let name = UNUSED.with_borrow_mut(|unused| {
        unused.pop().unwrap_or_else(|| {
            let fresh = bytes::<{ TOKEN_BYTES * TOKENS_AT_ONCE }>();
            let (names, _) = fresh.as_chunks();
            unused.extend_from_slice(names);
            unused.pop().unwrap_or_else(bytes)
        })
    });
    // Six bits of each byte.
    let chars = name.map(|byte| ALPHABET.get(usize::from(byte % 64)).copied().unwrap_or_default());
    let mut token = String::with_capacity(prefix.len() + TOKEN_BYTES);
    token.push_str(prefix);
    token.push_str(&String::from_utf8_lossy(&chars));
    token
}

/// A name that is a secret: whoever knows it speaks for a client. 144 bits as 24 characters of URL-safe base64.
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<18>())
}

#[cfg(test)]
mod tests {
    use super::{secret, token};
    use std::collections::BTreeSet;

    #[test]
    fn names_are_long_enough_safe_in_a_url_and_never_the_same() {
        let (tokens, secrets) =
            (BTreeSet::from([token("a_"), token("a_")]), BTreeSet::from([secret(), secret()]));
        assert_eq!((tokens.len(), secrets.len()), (2, 2));
        // More than are made at once.
        assert_eq!((0..1000).map(|_| token("")).collect::<BTreeSet<_>>().len(), 1000);
        assert!(tokens.iter().all(|it| it.len() == 22 && it.starts_with("a_")));
        // Six bits each: at least 128.
        assert!(secrets.iter().all(|it| it.len() == 24));
        let is_safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(tokens.iter().chain(&secrets).all(|it| it.chars().all(is_safe)));
    }
}
