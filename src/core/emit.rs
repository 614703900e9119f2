//! What is emitted and to whom, and what its receivers answer.

pub mod acks;
pub mod allow;
pub mod audience;
pub mod message;
