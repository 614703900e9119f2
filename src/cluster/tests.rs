//! The shipped scripts on a real Redis, under schedules that nobody would think of.

mod agreeing;
mod answers;
mod books;
mod checks;
mod clients;
mod deliveries;
mod directed;
mod inboxes;
mod mutants;
mod parts;
mod random;
mod server;
mod world;

pub(super) use server::{TestRedis, cluster_config};
