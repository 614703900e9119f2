//! The only source of randomness.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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

/// A name nobody can guess: 120 bits as 20 characters of URL-safe base64.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<15>())
}
