//! Deliveries, for whoever looks, and sending them again: any node does that, whoever delivers.

use super::{ClusterLedger, LedgerEndpoint};
use crate::cluster::member::Unattached;
use crate::core::cluster::ledger::{
    HookNews, LedgerAsk, LedgerReply, Letters, ReplayedChanges, WaitingChange,
};
use crate::core::cluster::letters::{self, FoundDeliveries};
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::hook_body;
use crate::core::delivery::outbox::{DeadRange, Replayed};
use crate::core::delivery::record::{Delivery, DeliveryPage, DeliveryState};
use crate::types::UserId;

/// Changes that are read at once.
const SLICE: usize = 200;
/// Changes that are looked through for one page, at most, of each endpoint and kind.
const LOOKED_MAX: usize = 2000;
/// Dead letters that are put back at once: it keeps Redis for some milliseconds.
const AT_ONCE: usize = 500;
/// Dead letters that one call puts back.
const REPLAYED_MAX: usize = 10_000;

/// Which deliveries are looked for.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    /// Only those to the endpoint of this name.
    pub endpoint: Option<String>,
    /// Only those about this user.
    pub user: Option<UserId>,
    /// Only those in this state.
    pub state: Option<DeliveryState>,
}

/// What came of putting one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterReplay {
    /// It is sent again.
    Again,
    /// It is still to be sent.
    Waits,
    /// Something newer has taken its place.
    Replaced,
    /// Nothing is known of it.
    Unknown,
}

impl ClusterLedger {
    /// Deliveries behind `after`, about `limit` of them. There may be more than a page with few of them says.
    pub async fn deliveries(
        &self,
        filter: &LetterFilter,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<DeliveryPage, Unattached> {
        let mut found = Vec::new();
        for at in &*self.endpoints {
            if filter.endpoint.as_ref().is_some_and(|it| **it != *at.name) {
                continue;
            }
            for which in Letters::ALL {
                if is_of(which, filter.state) {
                    found.push(self.found(at, which, filter, (after, limit)).await?);
                }
            }
        }
        Ok(letters::page(found, limit))
    }

    /// The first delivery under a number, one that was given up before one that waits, and that before one that has ended, and
    /// its body.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, String)>, Unattached> {
        for which in [Letters::Dead, Letters::Waiting, Letters::Ended] {
            for at in &*self.endpoints {
                let Some(after) = id.0.checked_sub(1) else { continue };
                let changes = self.letters(at, which, after, 1).await?;
                let found = changes.into_iter().find(|it| it.number == id.0);
                if let Some((delivery, news)) = found.and_then(|it| delivery(at, which, it)) {
                    let body = hook_body::with_coalesced(&news.body(), delivery.coalesced);
                    return Ok(Some((delivery, body)));
                }
            }
        }
        Ok(None)
    }

    /// Has the deliveries under a number sent again that were given up, or have arrived.
    pub async fn replay(&self, id: DeliveryId) -> Result<LetterReplay, Unattached> {
        let mut outcome = LetterReplay::Unknown;
        for at in &*self.endpoints {
            let done = self.put_back(at, (id.0, id.0), 1).await?;
            if 0 < done.count {
                outcome = LetterReplay::Again;
            } else if outcome != LetterReplay::Again && done.is_waiting {
                outcome = LetterReplay::Waits;
            } else if outcome == LetterReplay::Unknown && done.is_replaced {
                outcome = LetterReplay::Replaced;
            }
        }
        Ok(outcome)
    }

    /// Has dead letters of an endpoint sent again, the oldest first, at most 10,000.
    pub async fn replay_dead(&self, range: DeadRange) -> Result<Replayed, Unattached> {
        let mut done = Replayed { count: 0, more: false };
        let Some(at) = self.at(range.endpoint) else { return Ok(done) };
        // Numbers follow time, in microseconds.
        let micros = |ms: u64| ms.saturating_mul(1000);
        let numbers = (micros(range.from.0), micros(range.to.0).saturating_sub(1));
        loop {
            let one = self.put_back(at, numbers, AT_ONCE).await?;
            (done.count, done.more) = (done.count + one.count, one.has_more);
            if !done.more || REPLAYED_MAX <= done.count {
                return Ok(done);
            }
        }
    }

    async fn put_back(
        &self,
        at: &LedgerEndpoint,
        (first, last): (u64, u64),
        changes_max: usize,
    ) -> Result<ReplayedChanges, Unattached> {
        let asked = LedgerAsk::Replay { first, last, changes_max };
        let LedgerReply::Replayed(done) = self.ask(at, asked).await? else {
            return Err(Unattached);
        };
        Ok(done)
    }

    async fn letters(
        &self,
        at: &LedgerEndpoint,
        which: Letters,
        after: u64,
        changes_max: usize,
    ) -> Result<Vec<WaitingChange>, Unattached> {
        let asked = LedgerAsk::Letters { which, after, changes_max };
        let LedgerReply::Letters(changes) = self.ask(at, asked).await? else {
            return Err(Unattached);
        };
        Ok(changes)
    }

    /// Looks through an endpoint's until there are enough, or it was looked long enough.
    async fn found(
        &self,
        at: &LedgerEndpoint,
        which: Letters,
        filter: &LetterFilter,
        (after, limit): (Option<DeliveryId>, usize),
    ) -> Result<FoundDeliveries, Unattached> {
        let (mut found, mut after, mut looked) =
            (FoundDeliveries::default(), after.map_or(0, |it| it.0), 0);
        loop {
            let changes = self.letters(at, which, after, SLICE).await?;
            let is_last = changes.is_empty();
            looked += changes.len();
            after = changes.last().map_or(after, |it| it.number);
            let all = changes.into_iter().filter_map(|it| delivery(at, which, it));
            found.items.extend(all.map(|it| it.0).filter(|it| is_wanted(it, filter)));
            if is_last {
                return Ok(found);
            }
            if limit <= found.items.len() || LOOKED_MAX <= looked {
                found.looked_to = Some(DeliveryId(after));
                return Ok(found);
            }
        }
    }
}

fn is_of(which: Letters, state: Option<DeliveryState>) -> bool {
    match (state, which) {
        (None, _)
        | (Some(DeliveryState::Pending | DeliveryState::Failing), Letters::Waiting)
        | (Some(DeliveryState::Dead), Letters::Dead)
        | (Some(DeliveryState::Delivered | DeliveryState::Replaced), Letters::Ended) => true,
        (Some(_), _) => false,
    }
}

fn is_wanted(delivery: &Delivery, filter: &LetterFilter) -> bool {
    let is_in_state = match filter.state {
        None | Some(DeliveryState::Pending) => true,
        Some(state) => delivery.state == state,
    };
    is_in_state && filter.user.as_ref().is_none_or(|it| *it == delivery.user)
}

/// As it is told; `None` if what it tells is not kept any more, or is none of what the endpoint wants.
fn delivery(
    at: &LedgerEndpoint,
    which: Letters,
    letter: WaitingChange,
) -> Option<(Delivery, HookNews)> {
    let WaitingChange { number, attempts, next_attempt, error, news, coalesced, .. } = letter;
    let news = news.filter(|it| at.wants(it.hook_type()))?;
    let (state, next_attempt, ended) = match which {
        Letters::Waiting if 0 < attempts => (DeliveryState::Failing, next_attempt, None),
        Letters::Waiting => (DeliveryState::Pending, None, None),
        Letters::Dead => (DeliveryState::Dead, None, next_attempt),
        Letters::Ended if letter.is_replaced => (DeliveryState::Replaced, None, next_attempt),
        Letters::Ended => (DeliveryState::Delivered, None, next_attempt),
    };
    let delivery = Delivery {
        id: DeliveryId(number),
        endpoint: at.name.to_string(),
        webhook_id: news.webhook_id(),
        user: news.user().clone(),
        seq: news.seq(),
        hook_type: news.hook_type().to_owned(),
        state,
        attempts,
        coalesced,
        created: news.at(),
        next_attempt,
        ended,
        error,
    };
    Some((delivery, news))
}
