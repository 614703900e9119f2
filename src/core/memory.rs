//! What is remembered for a while, within bounds: answers, messages, sockets that are gone.

pub mod history;
pub mod idempotency;
pub mod message_status;
pub mod recent;
