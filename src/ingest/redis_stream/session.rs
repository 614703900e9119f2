//! One connection to Redis: wait for the turn, then take entries as long as it lasts.

use super::entry::{EndedEntry, EntryWork};
use super::stream::{EmitStream, LEASE};
use crate::clock::Clock;
use crate::config::RedisStreamConfig;
use crate::core::backend::backoff;
use crate::core::ingest::batch::Order;
use crate::entropy;
use crate::ingest::intake::Intake;
use crate::ingest::ordered::OrderedSender;
use crate::ingest::reporter::Reporter;
use crate::ingest::trouble::{Trouble, TroubleKind};
use crate::types::Timestamp;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is tried to take the turn that another server has.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// How often what waits is counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How often the turn is kept while a batch takes long.
const KEEP_EVERY: Duration = Duration::from_secs(2);

/// What a stream needs for all its connections.
pub(super) struct StreamSource {
    pub(super) config: RedisStreamConfig,
    pub(super) intake: Intake,
    pub(super) reporter: Reporter,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
    /// Entries that are over and not acknowledged yet. They outlive a connection: nothing is emitted twice because it broke.
    pub(super) unmarked: Vec<EndedEntry>,
    /// Failures in a row.
    pub(super) failures: u32,
}

/// The turn, as long as it lasts.
struct StreamTurn {
    stream: EmitStream,
    /// Until when it lasts at least.
    until: Timestamp,
    /// From where on entries may have been read that are not acknowledged; `None`: there are none.
    unfinished: Option<String>,
    count_at: Timestamp,
}

/// How far a batch was sent.
#[derive(Debug, PartialEq, Eq)]
enum BatchSent {
    All,
    /// Not all of it, because this server stops, or because it may have lost its turn.
    Ended,
    /// Not all of it, because this server could not take more, and why.
    Later(String),
}

impl StreamSource {
    /// Takes entries until it is stopped, or something fails.
    pub(super) async fn session(&mut self, mut stream: EmitStream) -> Result<(), Trouble> {
        stream.prepare().await?;
        let now = loop {
            let now = self.clock.now();
            if stream.claim().await? {
                break now;
            }
            // Whoever has the turn sends again what this server could not acknowledge.
            self.unmarked.clear();
            self.reporter.standby();
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(CLAIM_EVERY) => {}
            }
        };
        self.reporter.active();
        let unfinished = Some(EmitStream::FIRST.to_owned());
        let mut turn = StreamTurn { stream, until: now + LEASE, unfinished, count_at: now };
        while !self.stop.is_cancelled() {
            match self.round(&mut turn).await? {
                None => self.failures = 0,
                Some(why) => {
                    self.failures = self.failures.saturating_add(1);
                    let kind = TroubleKind::Unavailable;
                    self.reporter.fail(kind.as_str(), why, kind.gravity());
                    self.pause(&mut turn).await?;
                    self.reporter.active();
                }
            }
        }
        turn.stream.release().await
    }

    /// Takes one batch. Answers why this server could not take all of it.
    async fn round(&mut self, turn: &mut StreamTurn) -> Result<Option<String>, Trouble> {
        self.settle(turn).await?;
        if turn.count_at <= self.clock.now() {
            self.reporter.waiting(turn.stream.waiting().await?);
            turn.count_at = self.clock.now() + COUNT_EVERY;
        }
        let entries = match turn.unfinished.take() {
            Some(after) => {
                let (entries, next) = turn.stream.take_over(&after).await?;
                turn.unfinished = next;
                entries
            }
            None => turn.stream.read().await?,
        };
        if entries.is_empty() {
            return Ok(None);
        }
        let now_ms = turn.stream.now_ms().await?;
        if turn.until <= self.clock.now() {
            // This process stood still, and another server may have taken over.
            return Err(superseded());
        }
        let max_age = self.config.max_age;
        let (orders, work): (Vec<_>, Vec<_>) =
            entries.into_iter().map(|it| it.work(&self.intake, max_age, now_ms)).unzip();
        let sent = self.send(turn, &orders, work).await;
        if sent != BatchSent::All {
            turn.unfinished = Some(EmitStream::FIRST.to_owned());
        }
        self.settle(turn).await?;
        Ok(match sent {
            BatchSent::All | BatchSent::Ended => None,
            BatchSent::Later(why) => Some(why),
        })
    }

    /// Sends a batch, and keeps the turn meanwhile.
    async fn send(
        &mut self,
        turn: &mut StreamTurn,
        orders: &[Order],
        work: Vec<EntryWork>,
    ) -> BatchSent {
        let ends = self.stop.child_token();
        let Self { intake, reporter, unmarked, clock, .. } = self;
        let sender = OrderedSender { intake, reporter, stop: &ends, noun: "entry" };
        let mut sending = std::pin::pin!(sender.send(orders, work, unmarked));
        loop {
            tokio::select! {
                later = &mut sending => return match later {
                    Some(why) => BatchSent::Later(why),
                    None if ends.is_cancelled() => BatchSent::Ended,
                    None => BatchSent::All,
                },
                () = tokio::time::sleep(KEEP_EVERY) => {
                    let asked = clock.now();
                    match turn.stream.claim().await {
                        Ok(true) => turn.until = asked + LEASE,
                        // What is being sent is sent to its end; the statement after it says what is wrong.
                        Ok(false) | Err(_) => ends.cancel(),
                    }
                }
            }
        }
    }

    /// Acknowledges what is over, and keeps the turn.
    async fn settle(&mut self, turn: &mut StreamTurn) -> Result<(), Trouble> {
        let asked = self.clock.now();
        let is_mine = turn.stream.settle(&self.unmarked).await?;
        self.unmarked.clear();
        if !is_mine {
            return Err(superseded());
        }
        turn.until = asked + LEASE;
        Ok(())
    }

    /// Waits before the next try, and keeps the turn.
    async fn pause(&self, turn: &mut StreamTurn) -> Result<(), Trouble> {
        let delay = backoff::delay(self.failures, entropy::number().unwrap_or(u32::MAX));
        let until = self.clock.now() + delay;
        while self.clock.now() < until {
            let next = until.min(self.clock.now() + KEEP_EVERY);
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = self.clock.sleep_until(next) => {}
            }
            if !turn.stream.claim().await? {
                return Err(superseded());
            }
        }
        Ok(())
    }
}

fn superseded() -> Trouble {
    Trouble::new(TroubleKind::Superseded, "another server reads this stream by now")
}
