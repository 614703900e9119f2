//! Who an emit is for, and what its receivers answer.

pub mod acks;
pub mod audience;
