//! Messages that wait in a list elsewhere, such as a table: in which order they are taken, and which come too late.

pub mod batch;
pub mod freshness;
