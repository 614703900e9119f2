//! The rules of authentication that need time: when keys are fetched.

pub mod key_refresh;
