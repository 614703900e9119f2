//! userline: a ready Socket.IO server that addresses users, not sockets.

pub mod admin;
pub mod auth;
pub mod clock;
pub mod config;
pub mod core;
pub mod entropy;
pub mod hooks;
pub mod metrics;
pub mod realtime;
pub mod recovery;
pub mod registry;
pub mod socket;
pub mod store;
pub mod tasks;
pub mod types;
pub mod wire;
