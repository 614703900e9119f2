//! What a run found, for people and for programs.

#[cfg(test)]
mod tests;

use super::fleet::Arrivals;
use super::measure::{EventCounts, Quantiles, RunCost};
use crate::types::saturating_u64;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// What a run found: the keys of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct BenchReport {
    command: &'static str,
    /// Sockets that were asked for.
    sockets: usize,
    /// Sockets that were connected at the end (`connect` and `churn`: connections made).
    connected: usize,
    refused: usize,
    disconnected: usize,
    sent: u64,
    delivered: u64,
    lost: u64,
    duplicates: u64,
    reordered: u64,
    misdirected: u64,
    failed: u64,
    seconds: f64,
    per_second: f64,
    latency_us: Option<Quantiles>,
    server_cpu_seconds: Option<f64>,
    /// Of `delivered`.
    cpu_seconds_per_million: Option<f64>,
    rss_kib: Option<u64>,
    rss_kib_per_connection: Option<f64>,
    generator_cpu_seconds: f64,
    #[serde(flatten)]
    storm: Option<StormFindings>,
    /// The first words about a socket that was refused or disconnected.
    trouble: Option<String>,
}

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BenchFindings<'a> {
    pub(crate) command: &'static str,
    pub(crate) sockets: usize,
    pub(crate) connected: usize,
    pub(crate) arrivals: &'a Arrivals,
    pub(crate) counts: EventCounts,
    /// From the first event to the last delivery.
    pub(crate) took: Duration,
    pub(crate) latency: Option<Quantiles>,
    pub(crate) cost: RunCost,
    pub(crate) storm: Option<StormFindings>,
}

/// What those saw who were cut off together, and who was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct StormFindings {
    /// The longest round trip of a ping meanwhile; `None` if the server acks none.
    pub(crate) longest_stall_us: Option<u64>,
    /// All of them.
    pub(crate) bystander_us: Option<Quantiles>,
    /// Sockets whose user had another session afterwards, and so was offline in between.
    pub(crate) new_sessions: usize,
}

impl BenchReport {
    pub(crate) fn new(findings: &BenchFindings<'_>) -> Self {
        let &BenchFindings {
            command,
            sockets,
            connected,
            arrivals,
            counts,
            took,
            latency,
            cost,
            storm,
        } = findings;
        let delivered = float(counts.delivered);
        let seconds = took.as_secs_f64();
        let server_cpu_seconds = cost.server_cpu.map(|cpu| cpu.as_secs_f64());
        let connections = float(saturating_u64(connected));
        let ratio = |part: f64, of: f64| if of == 0.0 { 0.0 } else { round(part / of) };
        Self {
            command,
            sockets,
            connected,
            refused: arrivals.refused,
            disconnected: arrivals.disconnected,
            sent: counts.sent,
            delivered: counts.delivered,
            lost: counts.lost,
            duplicates: counts.duplicates,
            reordered: counts.reordered,
            misdirected: counts.misdirected,
            failed: counts.failed,
            seconds: round(seconds),
            per_second: ratio(delivered, seconds),
            latency_us: latency,
            server_cpu_seconds,
            cpu_seconds_per_million: server_cpu_seconds
                .filter(|_| 0 < counts.delivered)
                .map(|cpu| ratio(cpu * 1e6, delivered)),
            rss_kib: cost.rss_kib,
            rss_kib_per_connection: cost
                .rss_grown_kib
                .filter(|_| 0 < connected)
                .map(|grown| ratio(float(grown), connections)),
            generator_cpu_seconds: cost.own_cpu.as_secs_f64(),
            storm,
            trouble: arrivals.trouble.clone(),
        }
    }

    /// Nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        let events = [self.lost, self.duplicates, self.reordered, self.misdirected, self.failed];
        let new_sessions = self.storm.map_or(0, |it| it.new_sessions);
        let sockets = [self.refused, self.disconnected, new_sessions];
        events.iter().all(|it| *it == 0) && sockets.iter().all(|it| *it == 0)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{}: {} of {} sockets connected, {} refused, {} disconnected\n\
             sent {}, delivered {} in {} s: {} per second\n\
             lost {}, duplicates {}, reordered {}, misdirected {}, failed {}",
            self.command,
            self.connected,
            self.sockets,
            self.refused,
            self.disconnected,
            self.sent,
            self.delivered,
            self.seconds,
            self.per_second.round(),
            self.lost,
            self.duplicates,
            self.reordered,
            self.misdirected,
            self.failed,
        );
        let mut line = |words: String| {
            // Writing to memory does not fail.
            write!(text, "\n{words}").ok();
        };
        if let Some(Quantiles { p50, p99, p999, max }) = self.latency_us {
            line(format!("latency in µs: p50 {p50}, p99 {p99}, p99.9 {p999}, max {max}"));
        }
        if let (Some(cpu), per_million) = (self.server_cpu_seconds, self.cpu_seconds_per_million) {
            let per_million = per_million.map(|it| format!(", {it} s per million"));
            line(format!("server: {cpu:.2} s of CPU{}", per_million.unwrap_or_default()));
        }
        if let Some(rss) = self.rss_kib {
            let each = self.rss_kib_per_connection.map(|it| format!(", {it} per connection"));
            line(format!("server: {rss} KiB resident{}", each.unwrap_or_default()));
        }
        if let Some(StormFindings { longest_stall_us, bystander_us, new_sessions }) = self.storm {
            if let Some(Quantiles { p50, p99, p999, max }) = bystander_us {
                line(format!("bystander in µs: p50 {p50}, p99 {p99}, p99.9 {p999}, max {max}"));
            }
            let stall = longest_stall_us.map_or("unknown".to_owned(), |it| format!("{it} µs"));
            line(format!("longest stall {stall}, {new_sessions} sockets with a new session"));
        }
        line(format!("generator: {:.2} s of CPU", self.generator_cpu_seconds));
        if let Some(trouble) = &self.trouble {
            line(format!("trouble: {trouble}"));
        }
        text
    }
}

/// To three digits behind the point: more is noise.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Exact up to 2⁵³.
fn float(count: u64) -> f64 {
    let half = |bits: u64| f64::from(u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX));
    half(count >> 32) * 4_294_967_296.0 + half(count)
}
