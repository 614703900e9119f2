//! The rules, as pure state machines: `&mut self` and the time in, effects out. No async, no lock, no clock, no log.

pub mod ack_reader;
pub mod acks;
pub mod address;
pub mod backoff;
pub mod binary;
pub mod circuit;
pub mod delivery;
pub mod dispatch;
pub mod frame;
pub mod goodbye;
pub mod history;
pub mod hook_body;
pub mod idempotency;
pub mod inbox;
pub mod lane;
pub mod lifecycle;
pub mod mend;
pub mod msgpack;
pub mod packet;
pub mod polling;
pub mod presence;
pub mod pulse;
pub mod recovery;
pub mod signature;
pub mod steady;
pub mod upgrades;
