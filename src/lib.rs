//! userline: a ready Socket.IO server that addresses users, not sockets.

pub mod types;

pub mod core;

pub mod clock;
pub mod config;
pub mod entropy;
pub mod tasks;

pub mod wire;
