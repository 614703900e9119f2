//! Events of clients that the backend answers: which is called for next, what the backend is told, what its answer means.

pub mod body;
pub mod reply;
pub mod schedule;
