//! What the node that delivers for an endpoint knows of what waits, so that it need not ask again.

use super::ledger::{HookNews, WaitingChange};
use crate::core::delivery::decision::{DeliveryId, PendingHook};
use crate::types::{UserId, WallMs};
use std::collections::{BTreeMap, BTreeSet};

/// Hooks that are known at once. More wait in the place where all nodes keep them: about 20 MB.
const KNOWN_MAX: usize = 100_000;
/// Bytes of bodies that are known at once; with more of them nothing is read until some are sent.
const BYTES_MAX: usize = 32_000_000;

/// The undelivered hooks of one endpoint that its node has read, by their numbers and by their users.
#[derive(Debug, Default)]
pub struct KnownHooks {
    hooks: BTreeMap<DeliveryId, (PendingHook, HookNews)>,
    /// Bytes of bodies.
    bytes: usize,
    users: BTreeMap<UserId, BTreeSet<DeliveryId>>,
}

impl KnownHooks {
    /// How many more may be read.
    pub fn room(&self) -> usize {
        if BYTES_MAX <= self.bytes { 0 } else { KNOWN_MAX.saturating_sub(self.hooks.len()) }
    }

    /// One was read. Returns it as its dispatcher knows it.
    pub fn add(&mut self, waiting: &WaitingChange, news: HookNews) -> PendingHook {
        let id = DeliveryId(waiting.number);
        let hook = PendingHook {
            id,
            user: news.user().clone(),
            attempts: waiting.attempts,
            created: waiting.since.unwrap_or_else(|| news.at()),
            next_attempt: waiting.next_attempt,
        };
        self.users.entry(news.user().clone()).or_default().insert(id);
        self.bytes += news.bytes();
        if let Some((_, old)) = self.hooks.insert(id, (hook.clone(), news)) {
            self.bytes -= old.bytes();
        }
        hook
    }

    /// What one tells.
    pub fn news(&self, id: DeliveryId) -> Option<&HookNews> {
        self.hooks.get(&id).map(|(_, news)| news)
    }

    /// One is tried again.
    pub fn again(&mut self, id: DeliveryId, attempts: u32, at: Option<WallMs>) {
        if let Some((hook, _)) = self.hooks.get_mut(&id) {
            (hook.attempts, hook.next_attempt) = (attempts, at);
        }
    }

    /// One waits no more.
    pub fn remove(&mut self, id: DeliveryId) {
        let Some((hook, news)) = self.hooks.remove(&id) else { return };
        self.bytes -= news.bytes();
        if let Some(of_user) = self.users.get_mut(&hook.user) {
            of_user.remove(&id);
            if of_user.is_empty() {
                self.users.remove(&hook.user);
            }
        }
    }

    /// The oldest one of a user.
    pub fn next_of(&self, user: &UserId) -> Option<PendingHook> {
        let id = self.users.get(user)?.first()?;
        self.hooks.get(id).map(|(hook, _)| hook.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, HookNews, KnownHooks, WaitingChange};
    use crate::core::cluster::ledger::ToldHook;
    use crate::core::delivery::decision::DeliveryId;
    use crate::types::{Change, ChangeKind, Portrait, Seq, UserId, WallMs};

    fn waiting(number: u64) -> WaitingChange {
        WaitingChange {
            number,
            attempts: 0,
            next_attempt: None,
            since: None,
            error: None,
            news: None,
        }
    }

    fn add(known: &mut KnownHooks, number: u64, user: &str) {
        let (user, seq) = (UserId::parse(user).unwrap(), Seq(number));
        let (kind, portrait) = (ChangeKind::Online, Portrait::default());
        let change = Change { user, seq, session: seq, at: WallMs(number), kind, portrait };
        let hook = known.add(&waiting(number), HookNews::Change(change));
        assert_eq!((hook.id, hook.created), (DeliveryId(number), WallMs(number)));
    }

    #[test]
    fn the_next_hook_of_a_user_is_the_oldest_that_waits() {
        let mut known = KnownHooks::default();
        let ann = UserId::parse("ann").unwrap();
        for (number, user) in [(1, "ann"), (2, "bob"), (3, "ann"), (4, "ann")] {
            add(&mut known, number, user);
        }
        let next = |known: &KnownHooks| known.next_of(&ann).map(|it| it.id.0);

        assert_eq!(next(&known), Some(1));
        known.again(DeliveryId(1), 2, Some(WallMs(9)));
        let again = known.next_of(&ann).unwrap();
        assert_eq!((again.attempts, again.next_attempt), (2, Some(WallMs(9))));
        known.remove(DeliveryId(1));
        known.remove(DeliveryId(4));
        assert_eq!(next(&known), Some(3));
        assert!(known.news(DeliveryId(3)).is_some() && known.news(DeliveryId(4)).is_none());
        known.remove(DeliveryId(3));
        assert_eq!(next(&known), None);
        assert_eq!(known.users.len(), 1, "nothing is left of a user without hooks");
    }

    #[test]
    fn of_hooks_with_large_bodies_fewer_are_known() {
        let mut known = KnownHooks::default();
        let user = UserId::parse("ann").unwrap();
        let mut number = 0;
        while 0 < known.room() {
            number += 1;
            let told = ToldHook {
                user: user.clone(),
                seq: Seq(number),
                at: WallMs(number),
                hook_type: "message.undelivered".to_owned(),
                body: "x".repeat(1_000_000),
            };
            known.add(&waiting(number), HookNews::Told(told));
        }
        assert_eq!(known.bytes, BYTES_MAX);
        known.remove(DeliveryId(1));
        assert!(0 < known.room());
    }
}
