//! The whole suite in one binary: rules of the house, and the real program on free ports.

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod agreed;
mod attached;
mod bus;
mod chaos;
mod cli;
mod cluster;
mod config;
mod erase;
mod erasing;
mod faults;
mod hostile;
mod inbox_cut;
mod inboxes;
mod ingest;
mod power_cut;
mod resuming;
mod returning;
mod rig;
mod seats;
mod tidy;
mod views;
mod watching;
