//! When a user is online, and when "gone" is final.

pub mod lifecycle;
pub mod session;
pub mod standstill;
