//! How long things took, what came of them, and what they cost.

mod counts;
mod latency;
mod meter;
mod process;
#[cfg(test)]
mod tests;

pub(crate) use counts::EventCounts;
pub(crate) use latency::{Latency, Quantiles};
pub(crate) use meter::{Meter, RunCost};
