//! Which endpoints are told of messages that did not arrive.

use crate::config::HooksConfig;
use crate::core::delivery::outbox::{EndpointId, NoHook};
use crate::store::state::StoreState;
use crate::types::Undelivered;
use std::sync::atomic::Ordering;

#[derive(Debug)]
pub(in crate::store) struct UndeliveredRules {
    /// Endpoints that want to be told.
    wanting: Vec<EndpointId>,
    backlog_max: u64,
}

impl UndeliveredRules {
    pub(in crate::store) fn new(hooks: &HooksConfig, state: &StoreState) -> Self {
        let named = hooks.endpoints.iter().zip(&state.endpoints);
        let wants = |events: &[String]| events.iter().any(|it| it == Undelivered::HOOK_TYPE);
        let wanting = named.filter(|(config, _)| wants(&config.events)).map(|(_, it)| it.id);
        Self { wanting: wanting.collect(), backlog_max: hooks.backlog_max }
    }

    pub(super) fn check(&self, state: &StoreState) -> Result<(), NoHook> {
        if self.wanting.is_empty() {
            return Err(NoHook::Unwanted);
        }
        let mut backlogs = self.wanting.iter().filter_map(|id| state.endpoint(*id));
        let is_full = backlogs.any(|it| self.backlog_max <= it.pending.load(Ordering::Relaxed));
        if is_full { Err(NoHook::Full) } else { Ok(()) }
    }
}
