//! What clients and this server say to each other: frames, packets, polling bodies, CONNECTs, and what is due when.

pub mod binary;
pub mod frame;
pub mod heartbeat;
pub mod inbound;
pub mod loan;
pub mod messages;
pub mod msgpack;
pub mod outbound;
pub mod packet;
pub mod polling;
pub mod turns;
pub mod upgrades;
