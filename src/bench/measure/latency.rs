//! How long things took: quantiles in constant memory.

use crate::bench::error::BenchError;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::io;
use std::time::Duration;

/// Longest time that is told apart from longer ones.
const MICROS_MAX: u64 = 600_000_000;
/// Digits that are exact.
const DIGITS: u8 = 3;

/// Times between a microsecond and ten minutes, to three digits.
#[derive(Debug)]
pub(crate) struct Latency {
    times: Histogram<u64>,
}

/// Quantiles in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Latency {
    /// Nothing measured yet.
    pub(crate) fn try_new() -> Result<Self, BenchError> {
        let times = Histogram::new_with_bounds(1, MICROS_MAX, DIGITS).map_err(|error| {
            BenchError::system("making room for latencies")(io::Error::other(error))
        })?;
        Ok(Self { times })
    }

    /// Takes down one time.
    pub(crate) fn record(&mut self, time: Duration) {
        self.times.saturating_record(u64::try_from(time.as_micros()).unwrap_or(MICROS_MAX));
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.times.clear();
    }

    /// The quantiles; `None` if nothing was measured.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        if self.times.is_empty() {
            return None;
        }
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|it| self.times.value_at_quantile(it));
        Some(Quantiles { p50, p99, p999, max: self.times.max() })
    }
}
