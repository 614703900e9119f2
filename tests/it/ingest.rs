//! Emits by other ways than the admin API: the real program beside a real PostgreSQL, which the tests start for themselves.

mod database;
mod documentation;
mod listener;
mod postgres;
mod postgres_faults;
mod postgres_network;
mod redis_check;
mod redis_stream;
mod world;
