//! The one thread that writes: takes what waits, commits it together, answers.

use super::fresh::FreshNews;
use super::inbox::{Ask, Done, Expiry};
use super::orphans::Orphans;
use super::prune::Prune;
use super::record::{self, Rules};
use super::replay::{self, DeadRange, Replayed};
use super::schema::set_meta;
use super::settle::{self, Next, Settlement};
use super::shared::{EndpointId, Shared};
use super::{ReplayError, file};
use crate::core::delivery::clock_step::ClockStepGuard;
use crate::core::delivery::decision::DeliveryId;
use crate::types::{Change, Timestamp, Undelivered, WallMs};
use rusqlite::{Connection, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Commands in one transaction: the gain of more is small (36,000 changes a second), the wait grows.
const BATCH_MAX: usize = 512;
/// Rest after a commit, unless somebody waits for an answer: what comes meanwhile is committed together, and one commit
/// costs as much as recording ten changes.
const REST: Duration = Duration::from_millis(10);
/// Pause after a failed commit, and its bound as it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Failed commits, once the store is to be closed, after which the rest is given up.
const LAST_TRIES: u32 = 2;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Record(Change),
    Undelivered { news: Vec<Undelivered>, reply: oneshot::Sender<()> },
    Settle { endpoint: EndpointId, settlements: Vec<Settlement>, reply: oneshot::Sender<Vec<Next>> },
    Replay { id: DeliveryId, at: WallMs, reply: oneshot::Sender<Result<(), ReplayError>> },
    ReplayDead { range: DeadRange, at: WallMs, reply: oneshot::Sender<Replayed> },
    Inbox(Ask),
    Alive(WallMs, Timestamp),
    Flush(oneshot::Sender<()>),
    Close,
}

/// What a command is answered with, once it is committed.
enum Answer {
    None,
    Next(Vec<Next>),
    Replay(Result<(), ReplayError>),
    ReplayDead(Replayed),
    Inbox(Done),
}

/// What one transaction changes beside the file; takes effect when it is committed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: u64,
    pub(super) last_seq: u64,
    /// Endpoints whose backlog was found at its bound.
    pub(super) overflowed: BTreeSet<EndpointId>,
    pub(super) rewinds: BTreeMap<EndpointId, DeliveryId>,
    /// In the order in which it happened.
    fresh: Vec<(EndpointId, FreshNews)>,
    pending: BTreeMap<EndpointId, i64>,
    coalesced: BTreeMap<EndpointId, u64>,
}

impl Batch {
    pub(super) fn pending_of(&self, endpoint: EndpointId) -> i64 {
        self.pending.get(&endpoint).copied().unwrap_or(0)
    }

    pub(super) fn add_pending(&mut self, endpoint: EndpointId, count: i64) {
        *self.pending.entry(endpoint).or_default() += count;
    }

    pub(super) fn add_fresh(&mut self, endpoint: EndpointId, news: FreshNews) {
        self.fresh.push((endpoint, news));
    }

    pub(super) fn add_coalesced(&mut self, endpoint: EndpointId) {
        *self.coalesced.entry(endpoint).or_default() += 1;
    }
}

pub(super) struct Writer {
    db: Connection,
    lock: File,
    rules: Rules,
    shared: Arc<Shared>,
    tidying: Tidying,
    /// Endpoints whose full backlog was logged.
    full: BTreeSet<EndpointId>,
}

impl Writer {
    pub(super) fn new(
        db: Connection,
        lock: File,
        rules: Rules,
        shared: Arc<Shared>,
        tidying: Tidying,
    ) -> Self {
        Self { db, lock, rules, shared, tidying, full: BTreeSet::new() }
    }

    /// Starts the thread, which ends when the queue is closed.
    pub(super) fn start(self, queue: mpsc::Receiver<Command>) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("userline-store".to_owned());
        // It is not joined: `Shared::closed` tells when it has ended.
        drop(thread.spawn(move || self.run(queue))?);
        Ok(())
    }

    fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let end = End(Arc::clone(&self.shared));
        let mut commands = Vec::with_capacity(BATCH_MAX);
        loop {
            if self.tidying.is_busy() {
                self.tidying.slice(&mut self.db, &self.shared);
                if queue.is_empty() && !queue.is_closed() && self.tidying.is_busy() {
                    continue;
                }
            }
            if queue.blocking_recv_many(&mut commands, BATCH_MAX) == 0 {
                break;
            }
            if commands.iter().any(|command| matches!(command, Command::Close)) {
                queue.close();
            }
            if !self.commit(std::mem::take(&mut commands)) {
                break;
            }
            if queue.len() < BATCH_MAX && !self.tidying.is_busy() {
                self.shared.rest(REST);
            }
        }
        queue.close();
        if let Err(error) = file::close(self.db) {
            tracing::warn!(%error, "closing the database failed; nothing is lost, opening it again mends it");
        }
        drop(self.lock);
        drop(end);
    }

    /// Commits the commands together, however long the disk fails; `false` if it has to give up because the store is
    /// to be closed.
    fn commit(&mut self, commands: Vec<Command>) -> bool {
        let mut pause = PAUSE_FIRST;
        let mut last_tries = 0;
        let (batch, answers) = loop {
            match self.try_commit(&commands) {
                Ok(done) => break done,
                Err(error) => self.note_failure(&error),
            }
            if self.shared.wait_for_closing(pause) {
                last_tries += 1;
            }
            if LAST_TRIES < last_tries {
                let lost = commands.iter().filter(|it| matches!(it, Command::Record(_))).count();
                tracing::error!(count = lost, "{lost} presence changes are lost: the disk fails");
                return false;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        };
        if !self.shared.healthy.swap(true, Ordering::Relaxed) {
            tracing::info!("the database takes writes again, nothing is lost");
        }
        self.publish(batch);
        for (command, answer) in commands.into_iter().zip(answers) {
            self.reply(command, answer);
        }
        true
    }

    fn note_failure(&self, error: &rusqlite::Error) {
        if self.shared.healthy.swap(false, Ordering::Relaxed) {
            tracing::error!(%error, "the database takes no writes; changes wait until it does");
        }
    }

    fn try_commit(&mut self, commands: &[Command]) -> rusqlite::Result<(Batch, Vec<Answer>)> {
        let tx = self.db.transaction()?;
        let mut batch = Batch::default();
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(apply(&tx, command, &self.rules, &self.shared, &mut batch)?);
        }
        record::note_seq(&tx, &batch)?;
        tx.commit()?;
        Ok((batch, answers))
    }

    /// Lets the rest of the program see what was committed.
    fn publish(&mut self, batch: Batch) {
        #[cfg(test)]
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        for endpoint in &self.shared.endpoints {
            let change = batch.pending_of(endpoint.id);
            let before = endpoint.pending.load(Ordering::Relaxed);
            endpoint.pending.store(before.saturating_add_signed(change), Ordering::Relaxed);
            if let Some(count) = batch.coalesced.get(&endpoint.id) {
                let name = endpoint.name.clone();
                metrics::counter!("userline_hooks_coalesced_total", "endpoint" => name)
                    .increment(*count);
            }
        }
        self.note_overflow(&batch.overflowed);
        for (endpoint, news) in batch.fresh {
            if let Some(endpoint) = self.shared.endpoint(endpoint) {
                endpoint.fresh.lock().apply(news);
            }
        }
        let has_news = 0 < batch.events || !batch.rewinds.is_empty();
        if !batch.rewinds.is_empty() {
            let mut rewinds = self.shared.rewinds.lock();
            for (endpoint, id) in batch.rewinds {
                let lowest = rewinds.entry(endpoint).or_insert(id);
                *lowest = id.min(*lowest);
            }
        }
        if has_news {
            self.shared.committed.send_modify(|count| *count += batch.events);
        }
    }

    /// Says once that a backlog is full, until it was below its bound for a while.
    fn note_overflow(&mut self, overflowed: &BTreeSet<EndpointId>) {
        for endpoint in &self.shared.endpoints {
            let (name, backlog) = (&endpoint.name, endpoint.pending.load(Ordering::Relaxed));
            if overflowed.contains(&endpoint.id) && self.full.insert(endpoint.id) {
                tracing::warn!(
                    endpoint = %name, backlog,
                    "{backlog} hooks wait for `{name}`: from here on only the newest of each user is kept"
                );
            }
            if self.full.contains(&endpoint.id) && self.rules.is_well_below(backlog) {
                self.full.remove(&endpoint.id);
                tracing::info!(endpoint = %name, backlog, "the backlog of `{name}` is below its bound");
            }
        }
    }

    /// Whoever asked may have stopped waiting: what was asked for is done all the same.
    fn reply(&mut self, command: Command, answer: Answer) {
        match (command, answer) {
            (Command::Settle { reply, .. }, Answer::Next(next)) => drop(reply.send(next)),
            (Command::Replay { reply, .. }, Answer::Replay(done)) => drop(reply.send(done)),
            (Command::ReplayDead { reply, .. }, Answer::ReplayDead(done)) => drop(reply.send(done)),
            (Command::Flush(reply) | Command::Undelivered { reply, .. }, Answer::None) => {
                let _gone = reply.send(());
            }
            (Command::Inbox(ask), Answer::Inbox(done)) => ask.reply(done),
            (Command::Alive(at, now), Answer::None) => self.tidying.tick(at, now, &self.shared),
            (
                _,
                Answer::None
                | Answer::Next(_)
                | Answer::Replay(_)
                | Answer::ReplayDead(_)
                | Answer::Inbox(_),
            ) => {}
        }
    }
}

/// What is done about old things between commits, a slice at a time.
#[derive(Debug)]
pub(super) struct Tidying {
    clock_steps: ClockStepGuard,
    prune: Prune,
    orphans: Orphans,
    expiry: Expiry,
}

impl Tidying {
    pub(super) fn new(keep_events: Duration, retry_for: Duration, shared: &Shared) -> Self {
        Self {
            clock_steps: ClockStepGuard::new(keep_events.max(retry_for)),
            prune: Prune::new(keep_events),
            orphans: Orphans::new(retry_for, shared.orphans.clone()),
            expiry: Expiry::default(),
        }
    }

    /// Begins what it is time for.
    fn tick(&mut self, wall: WallMs, now: Timestamp, shared: &Shared) {
        let believed = self.clock_steps.tell(wall, now);
        if let Some(step) = believed.step {
            let by = humantime::format_duration(Duration::from_secs(step.as_secs()));
            tracing::warn!(
                "the wall clock is {by} ahead all at once: it was set, or the machine slept; that makes no event and no \
                 inbox item old, so old ones are deleted later"
            );
        }
        self.prune.tick(believed.at);
        self.orphans.tick(believed.at);
        self.expiry.tick(shared.inbox_time.lock().tell(wall, now).at);
    }

    /// Whether something old is still to be dealt with.
    fn is_busy(&self) -> bool {
        self.prune.is_busy() || self.orphans.is_busy() || self.expiry.is_busy()
    }

    fn slice(&mut self, db: &mut Connection, shared: &Shared) {
        self.prune.slice(db);
        self.orphans.slice(db);
        self.expiry.slice(db, shared);
    }
}

/// Tells, however the thread ends, that it has ended.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.healthy.store(false, Ordering::Relaxed);
        }
        self.0.closed.send_replace(true);
    }
}

fn apply(
    tx: &Transaction<'_>,
    command: &Command,
    rules: &Rules,
    shared: &Shared,
    batch: &mut Batch,
) -> rusqlite::Result<Answer> {
    match command {
        Command::Record(change) => rules.record(tx, change, shared, batch)?,
        Command::Undelivered { news, .. } => {
            for it in news {
                rules.record_undelivered(tx, it, batch)?;
            }
        }
        Command::Alive(at, _) => set_meta(tx, "alive_at", at.0)?,
        Command::Settle { endpoint, settlements, .. } => {
            let next = settlements.iter().map(|it| settle::settle(tx, *endpoint, it, batch));
            let next = next.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?;
            return Ok(Answer::Next(next));
        }
        Command::Replay { id, at, .. } => {
            return Ok(Answer::Replay(replay::one(tx, *id, *at, shared, batch)?));
        }
        Command::ReplayDead { range, at, .. } => {
            return Ok(Answer::ReplayDead(replay::dead(tx, *range, *at, batch)?));
        }
        Command::Inbox(ask) => return Ok(Answer::Inbox(ask.apply(tx)?)),
        Command::Flush(_) | Command::Close => {}
    }
    Ok(Answer::None)
}
