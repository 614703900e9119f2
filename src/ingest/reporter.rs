//! How a source is doing: for the API, for Prometheus, and for the log where somebody should know.

use super::intake::MessageRefusal;
use crate::clock::Clock;
use crate::core::delivery::hook_body::rfc3339;
use crate::realtime::sources::{SourceReport, SourceState, SourceTrouble};
use crate::types::{SourceName, WallMs};
use std::time::Duration;
use tokio::sync::watch;

/// Reports of one source.
#[derive(Debug)]
pub(super) struct Reporter {
    name: SourceName,
    clock: Clock,
    reports: watch::Sender<SourceReport>,
    /// Since when it fails, and why.
    failing: Option<(WallMs, &'static str)>,
}

/// What becomes of a message, in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageOutcome {
    Emitted,
    Repeated,
    Unmatched,
    Changed,
    Refused,
    Expired,
    Lost,
}

/// Whether a person must do something before it works again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gravity {
    /// It ends by itself.
    Passing,
    /// A person must act.
    Lasting,
}

/// What waits where the messages of a source come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WaitingMessages {
    pub(super) backlog: u64,
    pub(super) failed: u64,
    pub(super) lag: Duration,
}

impl MessageOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Emitted => "emitted",
            Self::Repeated => "repeated",
            Self::Unmatched => "unmatched",
            Self::Changed => "changed",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Lost => "lost",
        }
    }
}

impl Reporter {
    pub(super) fn new(
        name: SourceName,
        clock: Clock,
        reports: watch::Sender<SourceReport>,
    ) -> Self {
        let it = Self { name, clock, reports, failing: None };
        it.set_active(false);
        it
    }

    /// Something became of a message.
    pub(super) fn count(&self, outcome: MessageOutcome) {
        self.count_many(outcome, 1);
    }

    /// The same became of several.
    pub(super) fn count_many(&self, outcome: MessageOutcome, count: u64) {
        self.meter(outcome, count);
        self.reports.send_modify(|report| {
            let counts = &mut report.counts;
            *match outcome {
                MessageOutcome::Emitted => &mut counts.emitted,
                MessageOutcome::Repeated => &mut counts.repeated,
                MessageOutcome::Unmatched => &mut counts.unmatched,
                MessageOutcome::Changed => &mut counts.changed,
                MessageOutcome::Refused => &mut counts.refused,
                MessageOutcome::Expired => &mut counts.expired,
                MessageOutcome::Lost => &mut counts.lost,
            } += count;
        });
    }

    /// A message was refused; `what` says which.
    pub(super) fn refuse(&self, what: &str, refusal: &MessageRefusal) {
        let MessageRefusal { code, message } = refusal;
        self.meter(MessageOutcome::Refused, 1);
        tracing::debug!(source = %self.name, code, "{what} of `{}` was refused: {message}", self.name);
        let message = format!("{what}: {message}");
        let at = self.clock.wall();
        let refused = Some(SourceTrouble { at, code: (*code).into(), message });
        // In one step: whoever sees it counted sees what it was.
        self.reports.send_modify(|report| {
            report.counts.refused += 1;
            report.refused = refused;
        });
    }

    fn meter(&self, outcome: MessageOutcome, count: u64) {
        let (source, label) = (self.name.to_string(), outcome.as_str());
        metrics::counter!("userline_ingest_messages_total", "source" => source, "outcome" => label)
            .increment(count);
    }

    /// It takes messages now.
    pub(super) fn active(&mut self) {
        let name = &self.name;
        if let Some((since, code)) = self.failing.take() {
            let seconds = self.clock.wall().0.saturating_sub(since.0) / 1000;
            tracing::info!(source = %name, after = code, seconds, "`{name}` takes messages again");
        } else {
            tracing::info!(source = %name, "`{name}` takes messages");
        }
        self.set_active(true);
        self.reports.send_modify(|report| report.state = SourceState::Active);
    }

    /// Another server takes them.
    pub(super) fn standby(&mut self) {
        let name = &self.name;
        if self.reports.borrow().state != SourceState::Standby {
            tracing::info!(source = %name, "`{name}` is read by another server; this one waits for its turn");
        }
        self.failing = None;
        self.set_active(false);
        self.reports.send_modify(|report| report.state = SourceState::Standby);
    }

    /// It cannot take messages. Said in the log when it begins, and when it becomes another trouble.
    pub(super) fn fail(&mut self, code: &'static str, message: String, gravity: Gravity) {
        let (name, at) = (&self.name, self.clock.wall());
        if self.failing.is_none_or(|(_, before)| before != code) {
            match gravity {
                Gravity::Passing => {
                    tracing::warn!(source = %name, code, "`{name}` cannot take messages, will try again: {message}");
                }
                Gravity::Lasting => {
                    tracing::error!(source = %name, code, "`{name}` cannot take messages: {message}");
                }
            }
        }
        let since = self.failing.map_or(at, |(since, _)| since);
        self.failing = Some((since, code));
        self.set_active(false);
        let trouble = Some(SourceTrouble { at, code: code.into(), message });
        self.reports.send_modify(|report| {
            report.state = SourceState::Failing;
            report.trouble = trouble;
        });
    }

    /// What was published in this time may not have been heard.
    pub(super) fn missed(&self, from: WallMs, to: WallMs) {
        let (name, seconds) = (&self.name, to.0.saturating_sub(from.0) / 1000);
        let (from_text, to_text) = (rfc3339(from), rfc3339(to));
        tracing::warn!(
            source = %name, from = from_text, to = to_text, seconds,
            "messages for `{name}` that were published between {from_text} and {to_text} may have been missed"
        );
        self.reports.send_modify(|report| report.missed = Some((from, to)));
    }

    /// What waits.
    pub(super) fn waiting(&self, waiting: WaitingMessages) {
        let WaitingMessages { backlog, failed, lag } = waiting;
        let source = || self.name.to_string();
        let number = |it: u64| u32::try_from(it).unwrap_or(u32::MAX);
        metrics::gauge!("userline_ingest_backlog", "source" => source()).set(number(backlog));
        metrics::gauge!("userline_ingest_failed", "source" => source()).set(number(failed));
        metrics::gauge!("userline_ingest_lag_seconds", "source" => source()).set(lag.as_secs_f64());
        self.reports.send_modify(|report| {
            report.backlog = Some(backlog);
            report.failed = Some(failed);
            report.lag = Some(lag);
        });
    }

    fn set_active(&self, is_active: bool) {
        let source = self.name.to_string();
        metrics::gauge!("userline_ingest_active", "source" => source).set(u32::from(is_active));
    }
}
