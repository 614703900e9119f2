//! Messages that wait in a list elsewhere, such as a table: in which order they are taken, which come too late, and how that
//! goes.

pub mod batch;
pub mod freshness;
pub mod report;
