//! What is remembered for a while, within bounds: answers, messages, sockets that are gone.
//!
//! [`bounded`] is the one structure that forgets: the oldest first, beyond so many entries or bytes, or after so long. The
//! others say what is remembered in it, and what a question finds.

pub mod bounded;
pub mod history;
pub mod idempotency;
pub mod message_status;
pub mod recent;
