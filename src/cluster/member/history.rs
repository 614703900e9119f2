//! What was in the log before this node came.

use super::{ClusterMember, MemberStatus, Unattached};
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::log::LogEntry;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Entries that are read at once.
const ENTRIES_MAX: usize = 500;
/// How long a node that starts waits for Redis.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer may be lost while Redis still counts as reached.
const MOMENT: Duration = Duration::from_millis(10);

/// A part of the log.
#[derive(Debug)]
pub struct HistoryPage {
    /// What came after this number: all of it, up to the last entry.
    pub after: u64,
    /// The entries.
    pub entries: Vec<LogEntry>,
}

impl ClusterMember {
    /// What is in the log by now, from its beginning on; of a log that is cut meanwhile, what comes after that. An answer is lost if
    /// the node has to be let in again while it is under way, so it is asked for until there is one, for 10 s at most.
    pub async fn history(&self) -> Result<HistoryPage, Unattached> {
        let reading = async {
            let mut status = self.status();
            loop {
                match self.log_so_far().await {
                    Ok(history) => return Ok(history),
                    Err(Unattached) => sleep(MOMENT).await,
                }
                let is_attached = |it: &MemberStatus| *it == MemberStatus::Attached;
                status.wait_for(is_attached).await.map_err(|_| Unattached)?;
            }
        };
        timeout(PATIENCE, reading).await.unwrap_or(Err(Unattached))
    }

    async fn log_so_far(&self) -> Result<HistoryPage, Unattached> {
        let mut history = HistoryPage { after: 0, entries: Vec::new() };
        loop {
            let after = history.entries.last().map_or(history.after, |it| it.id);
            let command = Command::Missed { after, entries_max: ENTRIES_MAX };
            let Reply::Missed(page) = self.ask(command).await? else { return Err(Unattached) };
            let is_last = page.len() <= ENTRIES_MAX;
            if let Some(first) = page.first().filter(|it| after < it.previous) {
                history = HistoryPage { after: first.previous, entries: Vec::new() };
            }
            history.entries.extend(page);
            if is_last {
                return Ok(history);
            }
        }
    }
}
