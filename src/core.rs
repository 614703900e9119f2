//! The rules, as pure state machines: `&mut self` and the time in, effects out. No async, no lock, no clock, no log.
