//! What the metrics know of all emits.

use super::fanout::{DroppedCounts, SentCounts};
use crate::types::saturating_u64;
use metrics::Counter;

/// What the metrics know of all emits.
#[derive(Debug)]
pub(super) struct EmitCounters {
    emits: Counter,
    matched: Counter,
    sent: Counter,
}

impl EmitCounters {
    /// Looked up once: by name each costs as much as it takes to send.
    pub(super) fn new() -> Self {
        Self {
            emits: metrics::counter!("userline_emits_total"),
            matched: metrics::counter!("userline_events_matched_total"),
            sent: metrics::counter!("userline_events_sent_total"),
        }
    }

    /// Counts one emit.
    pub(super) fn count(&self, counts: &SentCounts) {
        self.emits.increment(1);
        self.count_sockets(counts);
    }

    /// Counts the sockets of an emit that is counted elsewhere.
    pub(super) fn count_sockets(&self, counts: &SentCounts) {
        let SentCounts { matched, sent, users: _, dropped } = counts;
        self.matched.increment(saturating_u64(*matched));
        self.sent.increment(saturating_u64(*sent));
        let DroppedCounts { volatile, closed, too_many_acks } = *dropped;
        let causes = [("volatile", volatile), ("closed", closed), ("too_many_acks", too_many_acks)];
        for (cause, n) in causes.into_iter().filter(|(_, n)| 0 < *n) {
            metrics::counter!("userline_events_dropped_total", "cause" => cause)
                .increment(saturating_u64(n));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DroppedCounts, EmitCounters, SentCounts};
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn what_was_not_sent_is_counted_by_cause() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let dropped = DroppedCounts { volatile: 2, closed: 3, too_many_acks: 4 };
        let counts = SentCounts { matched: 10, sent: 1, dropped, ..SentCounts::default() };
        metrics::with_local_recorder(&recorder, || {
            let counters = EmitCounters::new();
            counters.count(&counts);
            counters.count(&SentCounts::default());
        });

        let text = recorder.handle().render();
        for line in [
            "userline_emits_total 2",
            "userline_events_matched_total 10",
            "userline_events_sent_total 1",
            "userline_events_dropped_total{cause=\"volatile\"} 2",
            "userline_events_dropped_total{cause=\"closed\"} 3",
            "userline_events_dropped_total{cause=\"too_many_acks\"} 4",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}
