//! Inboxes that changed because items expired, for whoever tells their owners.

use crate::core::inbox::InboxState;
use crate::types::UserId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::Notify;

/// Inboxes that may wait to be told of; the owners of more are told at the next change.
const WAITING_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(in crate::store) struct ExpiredInboxes {
    states: Mutex<BTreeMap<UserId, InboxState>>,
    news: Notify,
}

impl ExpiredInboxes {
    pub(in crate::store) fn tell(&self, changed: Vec<(UserId, InboxState)>) {
        if changed.is_empty() {
            return;
        }
        let mut states = self.states.lock();
        for (user, state) in changed {
            if states.len() < WAITING_MAX || states.contains_key(&user) {
                states.insert(user, state);
            }
        }
        drop(states);
        self.news.notify_one();
    }

    /// Forgets a user.
    pub(in crate::store) fn erase(&self, user: &UserId) {
        self.states.lock().remove(user);
    }

    /// Waits until there are some, and takes them.
    pub(in crate::store) async fn take(&self) -> BTreeMap<UserId, InboxState> {
        loop {
            // Registered before the look, so that news in between is not missed.
            let news = self.news.notified();
            let taken = std::mem::take(&mut *self.states.lock());
            if !taken.is_empty() {
                return taken;
            }
            news.await;
        }
    }
}
