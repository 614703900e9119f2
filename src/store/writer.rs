//! The one thread that writes: takes what waits, commits it together, answers.

use super::after_commit::AfterCommit;
use super::command::{WriteAnswer, WriteCommand};
use super::outbox::{replay, settle};
use super::queue::QueueEnd;
use super::record::{self, Rules};
use super::rows::{meta, set_meta};
use super::state::StoreState;
use super::tidying::Tidying;
use super::{erase, file, memberships, restrictions};
use crate::core::delivery::outbox::EndpointId;
use crate::types::UserNews;
use rusqlite::{Connection, ErrorCode, Transaction};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Commands in one transaction: the gain of more is small (36,000 changes a second), the wait grows.
const BATCH_MAX: usize = 512;
/// Where the number of the last transaction stands in `meta`.
const LAST_COMMIT: &str = "last_commit";
/// Rest after a commit, unless somebody waits for an answer: what comes meanwhile is committed together, and one commit
/// costs as much as recording ten changes.
const REST: Duration = Duration::from_millis(10);
/// Pause after a failed commit, and its bound as it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Failed commits, once the store is to be closed, after which the rest is given up.
const LAST_TRIES: u32 = 2;

pub(super) struct Writer {
    db: Connection,
    lock: File,
    rules: Rules,
    state: Arc<StoreState>,
    tidying: Tidying,
    /// Endpoints whose full backlog was logged.
    full: BTreeSet<EndpointId>,
    /// The number of the last transaction, which the transaction itself has written into the file.
    last_commit: u64,
    /// The transaction whose COMMIT has failed: it may have taken effect all the same.
    uncertain: Option<Committed>,
}

/// What a transaction has done.
struct Committed {
    effects: AfterCommit,
    /// What each command is answered with.
    answers: Vec<WriteAnswer>,
}

impl Writer {
    pub(super) fn new(
        db: Connection,
        lock: File,
        rules: Rules,
        state: Arc<StoreState>,
        tidying: Tidying,
    ) -> rusqlite::Result<Self> {
        let last_commit = meta(&db, LAST_COMMIT)?.unwrap_or(0);
        let (full, uncertain) = (BTreeSet::new(), None);
        Ok(Self { db, lock, rules, state, tidying, full, last_commit, uncertain })
    }

    /// Starts the thread, which ends when the queue is closed.
    pub(super) fn start(self, queue: QueueEnd) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("userline-store".to_owned());
        // It is not joined: `StoreState::closed` tells when it has ended.
        drop(thread.spawn(move || self.run(queue))?);
        Ok(())
    }

    fn run(mut self, mut queue: QueueEnd) {
        let end = SaysClosed(Arc::clone(&self.state));
        loop {
            if self.tidying.is_busy() {
                self.tidying.slice(&mut self.db, &self.state);
                if queue.is_empty() && !queue.is_closed() && self.tidying.is_busy() {
                    continue;
                }
            }
            let commands = queue.take(BATCH_MAX);
            if commands.is_empty() {
                break;
            }
            if commands.iter().any(|command| matches!(command, WriteCommand::Close)) {
                queue.close();
            }
            if !self.commit(commands) {
                break;
            }
            if queue.len() < BATCH_MAX && !self.tidying.is_busy() {
                self.state.rest(REST);
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
    ///
    /// If one of them can never be written, each is committed by itself and that one is left out: all others would wait
    /// behind it for ever.
    fn commit(&mut self, commands: Vec<WriteCommand>) -> bool {
        let mut pause = PAUSE_FIRST;
        let mut last_tries = 0;
        let Committed { effects, answers } = loop {
            match self.try_commit(&commands) {
                Ok(done) => break done,
                Err(error) if is_due_to_command(&error) => {
                    if let [command] = commands.as_slice() {
                        refuse(command, &error);
                        return true;
                    }
                    return commands.into_iter().all(|it| self.commit(vec![it]));
                }
                Err(error) => self.note_failure(&error),
            }
            if self.state.wait_for_closing(pause) {
                last_tries += 1;
            }
            if LAST_TRIES < last_tries {
                let lost: usize = commands.iter().map(WriteCommand::changes).sum();
                tracing::error!(count = lost, "{lost} presence changes are lost: the disk fails");
                return false;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        };
        if !self.state.healthy.swap(true, Ordering::Relaxed) {
            tracing::info!("the database takes writes again, nothing is lost");
        }
        self.publish(effects);
        for (command, answer) in commands.into_iter().zip(answers) {
            if let WriteCommand::Alive(at, now) = &command {
                self.tidying.tick(*at, *now, &self.state);
            }
            command.reply(answer);
        }
        true
    }

    fn note_failure(&self, error: &rusqlite::Error) {
        if self.state.healthy.swap(false, Ordering::Relaxed) {
            tracing::error!(%error, "the database takes no writes; changes wait until it does");
        }
    }

    /// Does the commands in one transaction.
    ///
    /// A COMMIT may fail after it has taken effect. To do the commands once more would then be wrong: what they record
    /// is there already, and an item would be in its inbox twice. The number in the file tells.
    fn try_commit(&mut self, commands: &[WriteCommand]) -> rusqlite::Result<Committed> {
        let number = self.last_commit + 1;
        if self.uncertain.is_some() {
            let has_taken_effect = meta(&self.db, LAST_COMMIT)? == Some(number);
            if let Some(committed) = self.uncertain.take().filter(|_| has_taken_effect) {
                self.last_commit = number;
                return Ok(committed);
            }
        }
        let tx = self.db.transaction()?;
        let mut effects = AfterCommit::default();
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(apply(&tx, command, &self.rules, &self.state, &mut effects)?);
        }
        record::note_seq(&tx, &effects)?;
        set_meta(&tx, LAST_COMMIT, number)?;
        let committed = Committed { effects, answers };
        if let Err(error) = tx.commit() {
            self.uncertain = Some(committed);
            return Err(error);
        }
        self.last_commit = number;
        Ok(committed)
    }

    /// Lets the rest of the program see what was committed.
    fn publish(&mut self, effects: AfterCommit) {
        #[cfg(test)]
        self.state.commits.fetch_add(1, Ordering::Relaxed);
        for endpoint in &self.state.endpoints {
            let change = effects.pending_of(endpoint.id);
            let before = endpoint.pending.load(Ordering::Relaxed);
            endpoint.pending.store(before.saturating_add_signed(change), Ordering::Relaxed);
            if let Some(count) = effects.coalesced.get(&endpoint.id) {
                let name = endpoint.name.clone();
                metrics::counter!("userline_hooks_coalesced_total", "endpoint" => name)
                    .increment(*count);
            }
        }
        self.note_overflow(&effects.overflowed);
        for (endpoint, news) in effects.fresh {
            if let Some(endpoint) = self.state.endpoint(endpoint) {
                endpoint.fresh.lock().apply(news);
            }
        }
        for user in &effects.erased {
            self.state.expired.erase(user);
        }
        let has_news = 0 < effects.events || !effects.rewinds.is_empty();
        if !effects.rewinds.is_empty() {
            let mut rewinds = self.state.rewinds.lock();
            for (endpoint, id) in effects.rewinds {
                let lowest = rewinds.entry(endpoint).or_insert(id);
                *lowest = id.min(*lowest);
            }
        }
        if has_news {
            self.state.committed.send_modify(|count| *count += effects.events);
        }
    }

    /// Says once that a backlog is full, until it was below its bound for a while.
    fn note_overflow(&mut self, overflowed: &BTreeSet<EndpointId>) {
        for endpoint in &self.state.endpoints {
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
}

/// Whether the same command would fail again on a healthy disk: what it writes breaks a rule of the schema, or it met a
/// row that this program never writes.
fn is_due_to_command(error: &rusqlite::Error) -> bool {
    use ErrorCode::{ConstraintViolation, ParameterOutOfRange, TooBig, TypeMismatch};
    error.sqlite_error_code().is_none_or(|code| {
        matches!(code, ConstraintViolation | ParameterOutOfRange | TooBig | TypeMismatch)
    })
}

/// Leaves a command out. Whoever waits for its answer learns that there is none.
fn refuse(command: &WriteCommand, error: &rusqlite::Error) {
    let name = command.name();
    metrics::counter!("userline_store_refused_total", "command" => name).increment(1);
    tracing::error!(command = name, %error, "the store cannot write `{name}`, which is left out: this is a bug, please report it");
}

/// Tells, however the thread ends, that it has ended.
struct SaysClosed(Arc<StoreState>);

impl Drop for SaysClosed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.healthy.store(false, Ordering::Relaxed);
        }
        self.0.closed.send_replace(true);
    }
}

fn apply(
    tx: &Transaction<'_>,
    command: &WriteCommand,
    rules: &Rules,
    state: &StoreState,
    effects: &mut AfterCommit,
) -> rusqlite::Result<WriteAnswer> {
    match command {
        WriteCommand::Record(change) => rules.record(tx, change, state, effects)?,
        WriteCommand::RecordAll(news) => {
            for it in news {
                match it {
                    UserNews::User(change) => rules.record(tx, change, state, effects)?,
                    UserNews::Socket(change) => rules.record_socket(tx, change, state, effects)?,
                }
            }
        }
        WriteCommand::EndLostSockets { at, ended, .. } => {
            let is_more = rules.end_lost_sockets(tx, (*at, *ended), state, effects)?;
            return Ok(WriteAnswer::LostSockets(is_more));
        }
        WriteCommand::Attach { to, .. } => record::attach(tx, to)?,
        WriteCommand::Undelivered { news, .. } => {
            for it in news {
                rules.record_undelivered(tx, it, effects)?;
            }
        }
        WriteCommand::Restrict { user, restriction, .. } => {
            restrictions::put(tx, user, restriction)?;
        }
        WriteCommand::Membership { change, .. } => memberships::put(tx, change)?,
        WriteCommand::Resume { what, .. } => what.apply(tx)?,
        WriteCommand::Alive(at, _) => set_meta(tx, "alive_at", at.0)?,
        WriteCommand::Settle { endpoint, settlements, .. } => {
            let next = settlements.iter().map(|it| settle::settle(tx, *endpoint, it, effects));
            let next = next.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?;
            return Ok(WriteAnswer::Next(next));
        }
        WriteCommand::Replay { id, at, .. } => {
            return Ok(WriteAnswer::Replay(replay::one(tx, *id, *at, state, effects)?));
        }
        WriteCommand::ReplayDead { range, at, .. } => {
            return Ok(WriteAnswer::ReplayDead(replay::dead(tx, *range, *at, effects)?));
        }
        WriteCommand::Erase { user, kept, .. } => {
            return Ok(WriteAnswer::Erase(erase::erase(tx, user, kept.as_ref(), effects)?));
        }
        WriteCommand::EraseIfTold { user, kept, .. } => {
            let told = erase::erase_if_told(tx, user, kept.as_ref(), effects)?;
            return Ok(WriteAnswer::EraseIfTold(told));
        }
        WriteCommand::Inbox(ask) => return Ok(WriteAnswer::Inbox(ask.apply(tx)?)),
        WriteCommand::Flush(_) | WriteCommand::Close => {}
    }
    Ok(WriteAnswer::None)
}
