//! What need not be told, because something newer says it, too: with `hooks.coalesce = "latest"`, and while too much waits.
//!
//! The node that delivers then reads ahead of what it sends, so that it knows the newest of each user before it sends an older one.
//! What was replaced is recorded in one step with the count of the one that stands for it, and not later than the end of that one:
//! else whoever takes over would tell what is older after it.

use super::{ClusterLedger, LedgerEndpoint, LedgerError, PAGE_MAX, settled_change};
use crate::core::cluster::ledger::{
    ChangeEnd, LedgerAsk, LedgerReply, OwnerToken, SettledChange, WaitingPage,
};
use crate::core::delivery::decision::{DeliveryVerdict, PendingHook};
use crate::core::delivery::outbox::{EndpointId, Settlement};

impl ClusterLedger {
    /// Whether only the newest hook of a user is sent, for which it must be known.
    pub(super) fn reads_ahead(&self, endpoint: EndpointId) -> bool {
        self.is_latest || self.at(endpoint).is_some_and(|it| it.turn.lock().is_full)
    }

    /// Reads what it has not read yet, as far as there is room for it, and records what gave way to something newer.
    pub(super) async fn read_ahead(
        &self,
        at: &LedgerEndpoint,
        token: OwnerToken,
    ) -> Result<(), LedgerError> {
        let mark = self.member.mark();
        let (mut has_news, mut is_last) = (false, false);
        while !is_last {
            let (after, changes_max) = {
                let turn = at.turn.lock();
                (turn.read_to, turn.known.room().min(PAGE_MAX))
            };
            let (mut read_to, mut settled) = (after, Vec::new());
            is_last = changes_max == 0;
            if !is_last {
                let asked = LedgerAsk::Waiting { token, after, changes_max };
                let LedgerReply::Waiting(Some(page)) = self.ask(at, asked).await? else {
                    return Err(LedgerError::NotOwner);
                };
                is_last = page.changes.is_empty();
                has_news |= !page.changes.is_empty();
                read_to = page.changes.last().map_or(after, |it| it.number);
                let (heads, unwanted) = self.read(at, page);
                let known = &mut at.turn.lock().known;
                let replaced = heads.iter().map(|it| known.coalesce(it.id)).sum();
                at.count_coalesced(replaced);
                settled = unwanted;
            }
            settled.extend(at.turn.lock().known.replaced(None));
            if !settled.is_empty() {
                self.settled(at, token, settled).await?;
            }
            at.turn.lock().read_to = read_to;
        }
        if has_news {
            // As for what is read one after the other.
            let _kept = self.member.confirmed(mark).await;
        }
        Ok(())
    }

    /// Looks how much waits, and reads nothing.
    pub(super) async fn look_only(
        &self,
        at: &LedgerEndpoint,
        token: OwnerToken,
    ) -> Result<(), LedgerError> {
        let asked = LedgerAsk::Waiting { token, after: 0, changes_max: 0 };
        let LedgerReply::Waiting(Some(page)) = self.ask(at, asked).await? else {
            return Err(LedgerError::NotOwner);
        };
        self.read(at, page);
        Ok(())
    }

    /// What was read is known. Returns it, and what the endpoint does not want to be told.
    pub(super) fn read(
        &self,
        at: &LedgerEndpoint,
        WaitingPage { count, replays, changes }: WaitingPage,
    ) -> (Vec<PendingHook>, Vec<SettledChange>) {
        self.note_backlog(at, count);
        let mut turn = at.turn.lock();
        turn.is_rewound |= turn.replays.is_some_and(|it| it != replays);
        turn.replays = Some(replays);
        let (mut heads, mut unwanted) = (Vec::new(), Vec::new());
        for one in changes {
            let news = one.news.as_ref();
            let wanted = news.filter(|it| at.wants(it.hook_type()));
            if let Some(news) = wanted {
                heads.push(turn.known.add(&one, news.clone()));
            } else {
                let (number, end) = (one.number, ChangeEnd::Left);
                unwanted.push(SettledChange { number, end, error: None });
            }
        }
        (heads, unwanted)
    }

    /// So many wait: says once that it is too many, until it was well below that.
    pub(super) fn note_backlog(&self, at: &LedgerEndpoint, backlog: u64) {
        let mut turn = at.turn.lock();
        turn.backlog = backlog;
        let (name, max) = (&*at.name, self.backlog_max);
        if !turn.is_full && max <= backlog {
            // From the beginning: what it knows already is looked at as well.
            (turn.is_full, turn.read_to) = (true, 0);
            tracing::warn!(
                endpoint = name,
                backlog,
                "{backlog} hooks wait for `{name}`: from here on only the newest of each user is kept"
            );
        } else if turn.is_full && backlog < max - max / 10 {
            turn.is_full = false;
            tracing::info!(endpoint = name, backlog, "the backlog of `{name}` is below its bound");
        }
    }
}

impl LedgerEndpoint {
    /// What is to be recorded of these, and of what they stand for.
    pub(super) fn settled_by(
        &self,
        settlements: &[Settlement],
        coalesces: bool,
    ) -> Vec<SettledChange> {
        let known = &mut self.turn.lock().known;
        let mut settled = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            let (id, verdict) = (settlement.decision.id, settlement.decision.verdict);
            if verdict != DeliveryVerdict::Delivered && coalesces && known.give_way(id) {
                self.count_coalesced(1);
            }
            // One that stands for others may end here: they before it.
            settled.extend(known.replaced(Some(id)));
            settled.push(known.replacement(id).unwrap_or_else(|| settled_change(settlement)));
        }
        settled
    }

    pub(super) fn count_coalesced(&self, count: u64) {
        if 0 < count {
            let name = self.name.to_string();
            metrics::counter!("userline_hooks_coalesced_total", "endpoint" => name)
                .increment(count);
        }
    }
}
