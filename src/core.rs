//! The rules, as pure state machines: `&mut self` and the time in, effects out. No async, no lock, no clock, no log.

pub mod frame;
pub mod lane;
pub mod lifecycle;
pub mod packet;
pub mod polling;
pub mod presence;
