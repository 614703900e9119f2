//! The rules, as pure state machines: `&mut self` and the time in, effects out. No async, no lock, no clock, no log.

pub mod auth;
pub mod backend;
pub mod cluster;
pub mod contacts;
pub mod control;
pub mod delivery;
pub mod emit;
pub mod forwarding;
pub mod inbox;
pub mod ingest;
pub mod memory;
pub mod merge_patch;
pub mod page;
pub mod permission;
pub mod presence;
pub mod protocol;
pub mod recovery;
pub mod rooms;
pub mod rounds;
pub mod throttle;
pub mod watching;
