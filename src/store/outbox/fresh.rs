//! Hooks that were committed a moment ago, at hand for their dispatcher: it would else read back what was just written.
//!
//! Only a shortcut. What is here is in the file as well, in these very words; what is not here is read from there.

use crate::core::delivery::decision::{DeliveryId, PendingHook};
use crate::core::delivery::outbox::HookPayload;
use std::collections::BTreeMap;

/// Hooks at hand for one endpoint: some more than its dispatcher takes at once.
const KEPT_MAX: usize = 2048;

/// Bytes of the body of one at hand; larger ones, which only messages can have, are read when they are sent.
const BODY_MAX: usize = 4096;

/// The fresh hooks of one endpoint.
#[derive(Debug, Default)]
pub(in crate::store) struct Fresh {
    kept: BTreeMap<DeliveryId, (PendingHook, HookPayload)>,
    /// Every undelivered hook with a higher id is kept; `None` if that cannot be said.
    from: Option<DeliveryId>,
}

/// What one transaction has done to hooks of an endpoint.
#[derive(Debug)]
pub(in crate::store) enum FreshNews {
    /// There is a new one.
    New(PendingHook, HookPayload),
    /// This one is not to be kept, or not any more.
    Miss(DeliveryId),
    /// Old ones are to be sent again.
    Rewound,
}

impl Fresh {
    /// Takes in what was committed, in that order.
    pub(in crate::store) fn apply(&mut self, news: FreshNews) {
        match news {
            FreshNews::New(head, payload) if BODY_MAX < payload.body.len() => self.miss(head.id),
            FreshNews::New(head, payload) => {
                self.from.get_or_insert(DeliveryId(head.id.0.saturating_sub(1)));
                self.kept.insert(head.id, (head, payload));
                if KEPT_MAX < self.kept.len()
                    && let Some((oldest, _)) = self.kept.pop_first()
                {
                    self.miss(oldest);
                }
            }
            FreshNews::Miss(id) => {
                self.kept.remove(&id);
                self.miss(id);
            }
            FreshNews::Rewound => *self = Self::default(),
        }
    }

    /// The undelivered hooks with an id over `after`, ascending, at most `limit`; `None` if some may be missing here.
    pub(in crate::store) fn after(
        &self,
        after: DeliveryId,
        limit: usize,
    ) -> Option<Vec<PendingHook>> {
        let next = DeliveryId(after.0.saturating_add(1));
        let is_whole = self.from.is_some_and(|from| from <= after);
        is_whole.then(|| self.kept.range(next..).take(limit).map(|(_, it)| it.0.clone()).collect())
    }

    /// Hands out what is to be sent for a hook. Once: a second attempt reads the file.
    pub(in crate::store) fn take(&mut self, id: DeliveryId) -> Option<HookPayload> {
        let (_, payload) = self.kept.remove(&id)?;
        self.miss(id);
        Some(payload)
    }

    fn miss(&mut self, id: DeliveryId) {
        self.from = self.from.map(|from| from.max(id));
    }
}

#[cfg(test)]
mod tests {
    use super::{BODY_MAX, Fresh, FreshNews, KEPT_MAX};
    use crate::core::delivery::decision::{DeliveryId, PendingHook};
    use crate::core::delivery::outbox::HookPayload;
    use crate::types::{UserId, WallMs};

    fn new(id: u64) -> FreshNews {
        let id = DeliveryId(id);
        let user = UserId::parse("ann").unwrap();
        let head = PendingHook { id, user, attempts: 0, created: WallMs(1), next_attempt: None };
        FreshNews::New(
            head,
            HookPayload { id, webhook_id: format!("pr_{id}"), body: "{}".to_owned() },
        )
    }

    fn after(fresh: &Fresh, id: u64) -> Option<Vec<u64>> {
        let heads = fresh.after(DeliveryId(id), 100)?;
        Some(heads.iter().map(|head| head.id.0).collect())
    }

    #[test]
    fn nothing_is_said_of_hooks_that_were_there_before() {
        let mut fresh = Fresh::default();
        assert_eq!(after(&fresh, 0), None);

        fresh.apply(new(7));
        fresh.apply(new(9));

        assert_eq!(after(&fresh, 5), None, "6 may be in the file");
        assert_eq!(after(&fresh, 6), Some(vec![7, 9]));
        assert_eq!(after(&fresh, 9), Some(vec![]));
        assert_eq!(fresh.after(DeliveryId(6), 1).unwrap().len(), 1);
    }

    #[test]
    fn what_was_taken_replaced_or_put_back_is_read_from_the_file() {
        let mut fresh = Fresh::default();
        for id in 1..=5 {
            fresh.apply(new(id));
        }

        assert_eq!(fresh.take(DeliveryId(2)).unwrap().webhook_id, "pr_2");
        assert_eq!(fresh.take(DeliveryId(2)), None);
        assert_eq!((after(&fresh, 1), after(&fresh, 2)), (None, Some(vec![3, 4, 5])));
        fresh.apply(FreshNews::Miss(DeliveryId(4)));
        assert_eq!((after(&fresh, 3), after(&fresh, 4)), (None, Some(vec![5])));
        assert!(fresh.take(DeliveryId(3)).is_some(), "still at hand");
        fresh.apply(FreshNews::Rewound);
        assert_eq!((after(&fresh, 5), fresh.take(DeliveryId(5))), (None, None));
    }

    #[test]
    fn what_is_large_is_read_from_the_file() {
        let mut fresh = Fresh::default();
        fresh.apply(new(1));
        let FreshNews::New(head, payload) = new(2) else { panic!() };
        fresh
            .apply(FreshNews::New(head, HookPayload { body: " ".repeat(BODY_MAX + 1), ..payload }));
        fresh.apply(new(3));

        assert_eq!((after(&fresh, 1), after(&fresh, 2)), (None, Some(vec![3])));
        assert_eq!(fresh.take(DeliveryId(2)), None);
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let mut fresh = Fresh::default();
        let last = u64::try_from(KEPT_MAX).unwrap() + 3;
        for id in 1..=last {
            fresh.apply(new(id));
        }

        assert_eq!(fresh.kept.len(), KEPT_MAX);
        assert_eq!((after(&fresh, 2), after(&fresh, 3).unwrap().len()), (None, 100));
    }
}
