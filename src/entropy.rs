//! The only source of randomness.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::cell::RefCell;

/// Bytes that one question to the operating system is enough for: each connection takes a few.
const AT_ONCE: usize = 512;

thread_local! {
    /// Randomness that was not used yet.
    static UNUSED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// `N` bytes from the operating system, never given to anybody else.
pub fn bytes<const N: usize>() -> [u8; N] {
    UNUSED.with_borrow_mut(|unused| {
        loop {
            if let Some(bytes) = unused.last_chunk().copied() {
                unused.truncate(unused.len().saturating_sub(N));
                return bytes;
            }
            unused.resize(AT_ONCE.max(N), 0);
            fill(unused);
        }
    })
}

#[expect(
    clippy::expect_used,
    reason = "without randomness no id is safe: ending the process is all that is left"
)]
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives randomness");
}

/// Any number, for what is no secret; `None` if the operating system gives none.
pub fn number() -> Option<u32> {
    getrandom::u32().ok()
}

/// A name that is told to others, and that nobody can guess: `prefix`, and 120 bits as 20 characters of URL-safe
/// base64.
pub fn token(prefix: &str) -> String {
    let mut token = String::with_capacity(prefix.len() + 20);
    token.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(bytes::<15>(), &mut token);
    token
}

/// A name that is a secret: whoever knows it speaks for a client. 144 bits as 24 characters of URL-safe base64.
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<18>())
}

#[cfg(test)]
mod tests {
    use super::{bytes, secret, token};
    use std::collections::BTreeSet;

    #[test]
    fn every_byte_is_given_once() {
        let mixed = (0..300).flat_map(|_| [bytes::<18>().to_vec(), bytes::<15>().to_vec()]);
        let (all, mut seen) = (mixed.collect::<Vec<_>>(), BTreeSet::new());
        // Eight in a row come again by chance once in many millions of years.
        assert!(all.iter().flat_map(|it| it.windows(8)).all(|it| seen.insert(it.to_vec())));
        assert!(bytes::<2000>().iter().any(|it| *it != 0));
    }

    #[test]
    fn names_are_long_enough_safe_in_a_url_and_never_the_same() {
        let (tokens, secrets) =
            (BTreeSet::from([token("a_"), token("a_")]), BTreeSet::from([secret(), secret()]));
        assert_eq!((tokens.len(), secrets.len()), (2, 2));
        // More than one question to the system is enough for.
        assert_eq!((0..1000).map(|_| token("")).collect::<BTreeSet<_>>().len(), 1000);
        assert!(tokens.iter().all(|it| it.len() == 22 && it.starts_with("a_")));
        // Six bits each: at least 128.
        assert!(secrets.iter().all(|it| it.len() == 24));
        let is_safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(tokens.iter().chain(&secrets).all(|it| it.chars().all(is_safe)));
    }
}
