//! Telling the backend of messages that did not arrive.

use super::shared::{EndpointId, Shared};
use super::writer::Command;
use super::{Closed, Store};
use crate::config::HooksConfig;
use crate::types::Undelivered;
use thiserror::Error;

/// Messages in one transaction, so that one emit to many does not hold up everybody else.
const AT_ONCE: usize = 128;

/// Who is told.
#[derive(Debug)]
pub(super) struct Outbox {
    wanting: Vec<EndpointId>,
    backlog_max: u64,
}

/// Why no hook can be promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoHook {
    /// No endpoint wants them.
    #[error(
        "no endpoint wants `message.undelivered`: add it to `hooks.events`, or to `events` of an endpoint"
    )]
    Unwanted,
    /// So many hooks wait for an endpoint that no more are taken.
    #[error("too many hooks wait for an endpoint that wants `message.undelivered`")]
    Full,
}

impl Outbox {
    pub(super) fn new(hooks: &HooksConfig, shared: &Shared) -> Self {
        let named = hooks.endpoints.iter().zip(&shared.endpoints);
        let wants = |events: &[String]| events.iter().any(|it| it == Undelivered::HOOK_TYPE);
        let wanting = named.filter(|(config, _)| wants(&config.events)).map(|(_, it)| it.id);
        Self { wanting: wanting.collect(), backlog_max: hooks.backlog_max }
    }
}

impl Store {
    /// Whether a message that does not arrive would be told to somebody.
    pub fn check_outbox(&self) -> Result<(), NoHook> {
        let Outbox { wanting, backlog_max } = &*self.outbox;
        if wanting.is_empty() {
            return Err(NoHook::Unwanted);
        }
        let is_full = |endpoint: &EndpointId| *backlog_max <= self.backlog(*endpoint);
        if wanting.iter().any(is_full) { Err(NoHook::Full) } else { Ok(()) }
    }

    /// Records messages that did not arrive, each with its hooks. Answers when that is committed.
    pub async fn undelivered(&self, mut news: Vec<Undelivered>) -> Result<(), Closed> {
        while !news.is_empty() {
            let rest = news.split_off(news.len().min(AT_ONCE));
            let slice = std::mem::replace(&mut news, rest);
            self.ask(|reply| Command::Undelivered { news: slice, reply }).await?;
        }
        Ok(())
    }
}
