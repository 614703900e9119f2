//! The shipped scripts on a real Redis, under schedules that nobody would think of.

mod agreeing;
mod answers;
mod attached;
mod books;
mod checks;
mod claims;
mod clients;
mod deliveries;
mod directed;
mod erasing;
mod faults;
mod feed;
mod guards;
mod guests;
mod hooked;
mod inboxes;
mod mutants;
mod parts;
mod places;
mod random;
mod resuming;
mod seats;
mod server;
mod sessions;
mod sockets;
mod verdicts;
mod world;

pub(super) use server::{TestRedis, cluster_config};
