#![doc = include_str!("ARCHITECTURE.md")]

pub mod types;

pub mod core;

pub mod clock;
pub mod config;
pub mod entropy;
pub mod metrics;
pub mod tasks;

pub mod redis_server;

pub mod backend;
pub mod client;
pub mod cluster;
pub mod deadlines;
pub mod store;

pub mod auth;
pub mod connection;
pub mod hooks;
pub mod recovery;

pub mod presence;
pub mod registry;

pub mod commands;

pub mod realtime;

pub mod admin;
pub mod ingest;
pub mod socket;

pub mod app;
pub mod telemetry;

mod bench;

pub mod cli;
