//! The rules of authentication that need time: when keys are fetched, when a backend is asked who a client is, when
//! credentials end.

pub mod expiry;
pub mod hook_gate;
pub mod key_refresh;
pub mod resume_families;
pub mod resume_token;
pub mod shared_identity;
pub mod token_lives;
