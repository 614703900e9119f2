//! What clients and this server say to each other: frames, packets, polling bodies, and what is due when.

pub mod ack_reader;
pub mod binary;
pub mod close_frame;
pub mod frame;
pub mod heartbeat;
pub mod inbound_rewrite;
pub mod msgpack;
pub mod outbound;
pub mod packet;
pub mod polling;
pub mod upgrades;
