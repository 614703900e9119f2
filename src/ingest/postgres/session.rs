//! One session with the database: claim the source, then take rows as long as it lasts.

use super::connection::{self, Notice, Opened};
use super::database::{Database, Generation};
use super::rows::{EndedRow, RowWork};
use super::tls::DatabaseTls;
use crate::clock::Clock;
use crate::config::PostgresConfig;
use crate::core::backend::backoff;
use crate::core::ingest::batch::Order;
use crate::entropy;
use crate::ingest::intake::{Intake, Posted};
use crate::ingest::ordered::OrderedSender;
use crate::ingest::reporter::{MessageOutcome, Reporter};
use crate::ingest::trouble::{Trouble, TroubleKind};
use crate::types::Timestamp;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::Config;
use tokio_util::sync::CancellationToken;

/// How often it is tried to claim a source that another server has.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// How often what waits is counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How often a server that is not held by a lock gives a sign of life, at least.
const LIFE_EVERY: Duration = Duration::from_secs(5);
/// How long a notification from another connection may take.
const ECHO_PATIENCE: Duration = Duration::from_secs(5);
/// What the payload of such a notification begins with.
const ECHO: &str = "userline:echo:";
/// Percent of the database's queue of notifications from which on somebody should know.
const QUEUE_PERCENT_MAX: u32 = 50;

/// What a source needs for all its sessions.
pub(super) struct PostgresSource {
    pub(super) config: PostgresConfig,
    pub(super) intake: Intake,
    pub(super) reporter: Reporter,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
    /// Rows that are over and not marked yet. They outlive a session: nothing is emitted twice because it broke.
    pub(super) unmarked: Vec<EndedRow>,
    /// Failures in a row.
    pub(super) failures: u32,
}

/// How taking a batch ended.
enum BatchRound {
    /// There may be more rows.
    More,
    /// No row waits.
    Empty,
    /// This server takes nothing for the moment.
    Later(String),
    /// It stops.
    Stopped,
}

/// Why a wait ended.
enum Woken {
    Notified(Notice),
    Time,
    Stopped,
}

/// The claim on a source, as long as it lasts.
struct ClaimedSource<'a> {
    database: &'a Database,
    generation: Generation,
    /// When what waits is counted next.
    count_at: Timestamp,
    /// The log has said that the queue of notifications fills up, and it has not emptied since.
    queue_is_told: bool,
}

impl PostgresSource {
    /// Takes rows until it is stopped, or the session ends with an error; `target` is where the database is.
    pub(super) async fn session(
        &mut self,
        opened: Opened,
        target: (&Config, &DatabaseTls),
    ) -> Result<(), Trouble> {
        let Opened { client, mut notices, drive } = opened;
        let database = Database::new(client, &self.config);
        let mut work = std::pin::pin!(self.work(&database, &mut notices, target));
        tokio::select! {
            done = &mut work => done,
            broken = drive => {
                // What is being sent is sent to its end; then the next statement fails, and says less than this does.
                work.await.map_err(|_| broken)
            }
        }
    }

    async fn work(
        &mut self,
        database: &Database,
        notices: &mut mpsc::Receiver<Notice>,
        target: (&Config, &DatabaseTls),
    ) -> Result<(), Trouble> {
        database.begin_session().await?;
        if let Some(channel) = self.config.channel.clone() {
            database.listen(&channel).await?;
            match hear_another(target, &self.config, &channel, notices).await {
                // Nobody can be notified for now, and rows are found without: by the next poll.
                Err(trouble) if trouble.kind == TroubleKind::NotifyQueueFull => {
                    tracing::warn!(source = %self.config.name, code = trouble.kind.as_str(), "{trouble}");
                }
                heard => heard?,
            }
        }
        let Some(generation) = self.claim(database).await? else { return Ok(()) };
        self.reporter.active();
        self.failures = 0;
        let count_at = self.clock.now();
        let mut reading = ClaimedSource { database, generation, count_at, queue_is_told: false };
        loop {
            let pause = match self.round(&mut reading).await? {
                BatchRound::More => continue,
                BatchRound::Stopped => return database.release(generation).await,
                BatchRound::Empty => self.config.poll,
                BatchRound::Later(why) => {
                    self.failures = self.failures.saturating_add(1);
                    let kind = TroubleKind::Unavailable;
                    self.reporter.fail(kind.as_str(), why, kind.gravity());
                    backoff::delay(self.failures, entropy::number().unwrap_or(u32::MAX))
                }
            };
            match self.wait(&mut reading, notices, pause).await? {
                Woken::Stopped => return database.release(generation).await,
                Woken::Notified(notice) => self.take_notices(notice, notices).await,
                Woken::Time => {}
            }
        }
    }

    /// Waits until this server is the one that reads the source; `None`: it stops.
    async fn claim(&mut self, database: &Database) -> Result<Option<Generation>, Trouble> {
        loop {
            if let Some(generation) = database.take_over().await? {
                return Ok(Some(generation));
            }
            self.reporter.standby();
            tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(CLAIM_EVERY) => {}
            }
        }
    }

    /// Takes one batch of rows.
    async fn round(&mut self, reading: &mut ClaimedSource<'_>) -> Result<BatchRound, Trouble> {
        self.mark(reading).await?;
        let payload_max = self.intake.parts.payload_max;
        let rows = reading.database.fetch(self.config.batch, payload_max).await?;
        if rows.is_empty() {
            return Ok(if self.stop.is_cancelled() {
                BatchRound::Stopped
            } else {
                BatchRound::Empty
            });
        }
        let max_age = self.config.max_age;
        let (orders, work): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|row| row.work(&self.intake, max_age)).unzip();
        let later = self.send(&orders, work).await;
        self.mark(reading).await?;
        Ok(match later {
            _ if self.stop.is_cancelled() => BatchRound::Stopped,
            Some(why) => BatchRound::Later(why),
            None => BatchRound::More,
        })
    }

    /// Sends a batch; what is over is in `unmarked` afterwards. Answers why it did not send all, if the server could not.
    async fn send(&mut self, orders: &[Order], work: Vec<RowWork>) -> Option<String> {
        let Self { intake, reporter, unmarked, stop, .. } = self;
        OrderedSender { intake, reporter, stop, noun: "row" }.send(orders, work, unmarked).await
    }

    /// Marks what is over.
    async fn mark(&mut self, reading: &mut ClaimedSource<'_>) -> Result<(), Trouble> {
        if self.unmarked.is_empty() {
            return Ok(());
        }
        let is_mine = reading.database.settle(reading.generation, &self.unmarked).await?;
        self.unmarked.clear();
        is_mine.then_some(()).ok_or_else(superseded)
    }

    /// Waits for a notification, at most `pause`; counts what waits when it is time.
    async fn wait(
        &mut self,
        reading: &mut ClaimedSource<'_>,
        notices: &mut mpsc::Receiver<Notice>,
        pause: Duration,
    ) -> Result<Woken, Trouble> {
        let until = self.clock.now() + pause;
        loop {
            let now = self.clock.now();
            if reading.count_at <= now {
                self.count(reading).await?;
            }
            let next = until.min(now + LIFE_EVERY);
            tokio::select! {
                () = self.stop.cancelled() => return Ok(Woken::Stopped),
                notice = notices.recv() => {
                    let closed = || Trouble::new(TroubleKind::Unreachable, "the connection was closed");
                    return notice.map(Woken::Notified).ok_or_else(closed);
                }
                () = self.clock.sleep_until(next) => {}
            }
            if until <= self.clock.now() {
                return Ok(Woken::Time);
            }
        }
    }

    /// Counts what waits, and gives a sign of life.
    async fn count(&mut self, reading: &mut ClaimedSource<'_>) -> Result<(), Trouble> {
        if !reading.database.settle(reading.generation, &[]).await? {
            return Err(superseded());
        }
        let (waiting, queue_percent) = reading.database.waiting().await?;
        self.reporter.waiting(waiting);
        metrics::gauge!("userline_ingest_notify_queue_percent", "source" => self.config.name.to_string())
            .set(queue_percent);
        let is_filling = QUEUE_PERCENT_MAX <= queue_percent;
        if is_filling && !reading.queue_is_told {
            tracing::warn!(
                source = %self.config.name, percent = queue_percent,
                "the database's queue of notifications fills up: some session listens and does not read, or stays in a \
                 transaction; when it is full, NOTIFY fails for everybody"
            );
        }
        reading.queue_is_told = is_filling;
        reading.count_at = self.clock.now() + COUNT_EVERY;
        Ok(())
    }

    /// Looks at all notifications that are there.
    async fn take_notices(&mut self, first: Notice, notices: &mut mpsc::Receiver<Notice>) {
        let mut next = Some(first);
        while let Some(notice) = next {
            match notice {
                Notice::Payload(payload) if self.config.payload_emits => {
                    self.take_payload(&payload).await;
                }
                Notice::Overrun if self.config.payload_emits => {
                    self.reporter.count(MessageOutcome::Lost);
                    let source = &self.config.name;
                    tracing::warn!(%source, "notifications of `{source}` came faster than they were emitted, and some are lost");
                }
                // Only a sign that there are new rows.
                Notice::Payload(_) | Notice::Overrun => {}
            }
            next = notices.try_recv().ok();
        }
    }

    /// An emit that nobody keeps: what cannot be sent now is lost, and said.
    async fn take_payload(&mut self, payload: &str) {
        if payload.is_empty() || payload.starts_with(ECHO) {
            return;
        }
        let posted = match self.intake.read(payload.as_bytes(), None) {
            Ok(message) => self.intake.post(message).await,
            Err(refusal) => Posted::Refused(refusal),
        };
        match posted {
            Posted::Refused(refusal) => self.reporter.refuse("a notification", &refusal),
            Posted::Later(_) => self.reporter.count(MessageOutcome::Lost),
            Posted::Emitted => self.reporter.count(MessageOutcome::Emitted),
            Posted::Repeated => self.reporter.count(MessageOutcome::Repeated),
            Posted::Unmatched => self.reporter.count(MessageOutcome::Unmatched),
            Posted::Changed => self.reporter.count(MessageOutcome::Changed),
        }
    }
}

fn superseded() -> Trouble {
    Trouble::new(TroubleKind::Superseded, "another server reads this source by now")
}

/// Behind a pooler that hands out connections per transaction LISTEN succeeds, and nothing is ever heard but what the same
/// client says: so it is said on another connection.
pub(super) async fn hear_another(
    (url, tls): (&Config, &DatabaseTls),
    config: &PostgresConfig,
    channel: &str,
    notices: &mut mpsc::Receiver<Notice>,
) -> Result<(), Trouble> {
    let echo = entropy::token(ECHO);
    let Opened { client, drive, .. } = connection::open(url, tls).await?;
    let database = Database::new(client, config);
    tokio::select! {
        notified = database.notify(channel, &echo) => notified?,
        broken = drive => return Err(broken),
    }
    let heard = async {
        while let Some(notice) = notices.recv().await {
            if notice == Notice::Payload(echo.clone()) {
                return true;
            }
        }
        false
    };
    match tokio::time::timeout(ECHO_PATIENCE, heard).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Trouble::new(TroubleKind::Unreachable, "the connection was closed")),
        Err(_) => Err(Trouble::new(
            TroubleKind::NoNotifications,
            "notifications do not arrive on this connection: it goes through a pooler in transaction mode, such as \
             PgBouncer; connect to the database itself, or set `listen = false`",
        )),
    }
}
