//! What endpoints are still to be told, kept where all nodes agree. One node delivers for an endpoint; if it is gone, or
//! was taken for that, another one does, and what the first still says is not heard. [`ahead`]: what need not be told, because
//! something newer says it, too. [`letters`]: for whoever looks, and sends again.

mod ahead;
mod letters;

pub use letters::{LetterFilter, LetterReplay};

use super::member::{ClusterMember, Unattached};
use crate::config::{Coalesce, EndpointConfig, HooksConfig};
use crate::core::cluster::known_hooks::KnownHooks;
use crate::core::cluster::ledger::{
    ChangeEnd, EndpointLook, HooksToTell, LedgerAsk, LedgerReply, OwnerToken, SettledChange,
};
use crate::core::delivery::decision::{DeliveryDecision, DeliveryId, DeliveryVerdict, PendingHook};
use crate::core::delivery::hook_body;
use crate::core::delivery::outbox::{EndpointId, HookPayload, NextHook, NoHook, Settlement};
use crate::entropy;
use crate::tasks::Tasks;
use crate::types::{UserId, saturating_u64};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// How often the node that delivers looks for what is new: nobody tells it.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Hooks that are read at once.
const PAGE_MAX: usize = 1000;
/// Hooks that are told at once.
const TOLD_AT_ONCE: usize = 128;
/// How long whoever tells waits for Redis.
const TELL_LIMIT: Duration = Duration::from_secs(10);
/// How often another one asks whether it may.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Deliveries that have ended of which is kept how, for each endpoint: about 100 MB in Redis.
const ENDED_MAX: usize = 1_000_000;

/// What endpoints are still to be told. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct ClusterLedger {
    member: ClusterMember,
    endpoints: Arc<[LedgerEndpoint]>,
    /// Hooks that may wait for an endpoint before no more are promised, and only the newest of a user is sent.
    backlog_max: u64,
    /// Whether only that is sent in any case.
    is_latest: bool,
    news: watch::Receiver<u64>,
}

#[derive(Debug)]
struct LedgerEndpoint {
    name: Arc<str>,
    /// Types of hooks that it wants.
    events: Vec<String>,
    turn: Mutex<DeliveryTurn>,
}

/// What this node knows as long as it delivers for an endpoint.
#[derive(Debug, Default)]
struct DeliveryTurn {
    token: Option<OwnerToken>,
    /// Hooks that waited when it looked last.
    backlog: u64,
    /// Whether these were too many, and are not yet well below that.
    is_full: bool,
    /// Up to here it has read ahead of what it delivers.
    read_to: u64,
    /// How often some had been put back by then.
    replays: Option<u64>,
    /// Some have been put back since, which it may have passed.
    is_rewound: bool,
    known: KnownHooks,
}

/// Why something about an endpoint cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// Another node delivers.
    #[error("another node delivers for the endpoint")]
    NotOwner,
    /// Not now.
    #[error(transparent)]
    Unattached(#[from] Unattached),
}

impl ClusterLedger {
    /// For the endpoints of `hooks`, which the member has joined with.
    pub fn new(member: ClusterMember, hooks: &HooksConfig, tasks: &Tasks) -> Self {
        let (tell, news) = watch::channel(0);
        tasks.spawn("cluster.ledger", async move {
            while !tell.is_closed() {
                tokio::time::sleep(LOOK_EVERY).await;
                tell.send_modify(|looks| *looks += 1);
            }
        });
        let endpoint = |it: &EndpointConfig| LedgerEndpoint {
            name: it.name.as_str().into(),
            events: it.events.clone(),
            turn: Mutex::default(),
        };
        let endpoints = hooks.endpoints.iter().map(endpoint).collect();
        let is_latest = hooks.coalesce == Coalesce::Latest;
        Self { member, endpoints, backlog_max: hooks.backlog_max, is_latest, news }
    }

    /// The configured endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<EndpointId> {
        self.endpoints
            .iter()
            .position(|it| &*it.name == name)
            .map(|it| EndpointId(saturating_u64(it)))
    }

    /// Changes whenever there may be something new.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.clone()
    }

    /// Waits until this node delivers for an endpoint. What it knew before is forgotten.
    pub async fn take(&self, endpoint: EndpointId) {
        let Some(at) = self.at(endpoint) else { return std::future::pending().await };
        loop {
            if let Some(incarnation) = self.member.incarnation()
                && let Ok(LedgerReply::Owned(Some(token))) =
                    self.ask(at, LedgerAsk::Take(incarnation)).await
            {
                *at.turn.lock() = DeliveryTurn { token: Some(token), ..DeliveryTurn::default() };
                return;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Delivers no more, so that another node need not find that out.
    pub async fn give(&self, endpoint: EndpointId) {
        let Some(at) = self.at(endpoint) else { return };
        at.turn.lock().token = None;
        if let Some(incarnation) = self.member.incarnation() {
            // Without an answer another node finds out that this one is gone.
            let _given = self.ask(at, LedgerAsk::Give(incarnation)).await;
        }
    }

    /// Undelivered hooks with a number over `after`, ascending, at most `limit`.
    pub async fn pending(
        &self,
        endpoint: EndpointId,
        after: DeliveryId,
        limit: usize,
    ) -> Result<Vec<PendingHook>, LedgerError> {
        let at = self.at(endpoint).ok_or(LedgerError::NotOwner)?;
        let (token, room) = {
            let turn = at.turn.lock();
            (turn.token.ok_or(LedgerError::NotOwner)?, turn.known.room())
        };
        if self.reads_ahead(endpoint) {
            self.read_ahead(at, token).await?;
            return Ok(at.turn.lock().known.after(after, limit));
        }
        let mark = self.member.mark();
        let (mut heads, mut after, most) = (Vec::new(), after.0, limit.min(room));
        if most == 0 {
            self.look_only(at, token).await?;
        }
        while heads.len() < most {
            let changes_max = (most - heads.len()).min(PAGE_MAX);
            let asked = LedgerAsk::Waiting { token, after, changes_max };
            let LedgerReply::Waiting(Some(page)) = self.ask(at, asked).await? else {
                return Err(LedgerError::NotOwner);
            };
            let is_last = page.changes.is_empty();
            after = page.changes.last().map_or(after, |it| it.number);
            let (read, unwanted) = self.read(at, page);
            heads.extend(read);
            if !unwanted.is_empty() {
                self.settled(at, token, unwanted).await?;
            }
            // What does not fit is asked for when there is room again.
            if is_last || at.turn.lock().known.room() == 0 {
                break;
            }
        }
        if !heads.is_empty() {
            // Told it is in any case: a hook that a failover makes untold is told again, and nobody told of it is worse.
            let _kept = self.member.confirmed(mark).await;
        }
        Ok(heads)
    }

    /// What to send for these deliveries, by ascending number.
    pub fn payloads(&self, endpoint: EndpointId, ids: &[DeliveryId]) -> Vec<HookPayload> {
        let Some(at) = self.at(endpoint) else { return Vec::new() };
        let coalesces = self.reads_ahead(endpoint);
        let known = &mut at.turn.lock().known;
        let payload = |id: &DeliveryId| {
            if coalesces && known.give_way(*id) {
                at.count_coalesced(1);
                return None;
            }
            let (news, stands) = known.send(*id)?;
            let body = hook_body::with_coalesced(&news.body(), stands);
            Some(HookPayload { id: *id, webhook_id: news.webhook_id(), body })
        };
        ids.iter().filter_map(payload).collect()
    }

    /// Keeps what became of hooks. Answers once that is kept, in the same order, with the next hook of each user whose hook
    /// is not tried again.
    pub async fn settle(
        &self,
        endpoint: EndpointId,
        settlements: &[Settlement],
    ) -> Result<Vec<NextHook>, LedgerError> {
        let at = self.at(endpoint).ok_or(LedgerError::NotOwner)?;
        let token = at.turn.lock().token.ok_or(LedgerError::NotOwner)?;
        let settled = at.settled_by(settlements, self.reads_ahead(endpoint));
        while let Err(error) = self.settled(at, token, settled.clone()).await {
            if error == LedgerError::NotOwner {
                return Err(error);
            }
            // Until then nothing else is told to the users of these; to say it again does no harm.
            tokio::time::sleep(ASK_EVERY).await;
        }
        let mut turn = at.turn.lock();
        let mut next = Vec::new();
        for Settlement { decision, next_attempt, .. } in settlements {
            let DeliveryDecision { id, user, attempts, verdict, has_more } = decision;
            if matches!(verdict, DeliveryVerdict::Retry { .. }) {
                turn.known.again(*id, *attempts, *next_attempt);
                continue;
            }
            turn.known.end(*id);
            let head = has_more.then(|| turn.known.next_of(user)).flatten();
            next.push(NextHook { user: user.clone(), head });
        }
        Ok(next)
    }

    /// None of a user is sent any more, but for what is on its way.
    pub fn erase(&self, user: &UserId) {
        for at in &*self.endpoints {
            at.turn.lock().known.erase(user);
        }
    }

    /// From where on it must be looked again, because some were put back.
    pub fn take_rewind(&self, endpoint: EndpointId) -> Option<DeliveryId> {
        let mut turn = self.at(endpoint)?.turn.lock();
        let is_rewound = std::mem::take(&mut turn.is_rewound);
        if is_rewound {
            turn.read_to = 0;
        }
        is_rewound.then_some(DeliveryId(0))
    }

    /// Whether this node delivers for an endpoint, as far as it knows.
    pub fn delivers(&self, endpoint: EndpointId) -> bool {
        self.at(endpoint).is_some_and(|it| it.turn.lock().token.is_some())
    }

    /// Hooks that waited when this node looked last; zero if another one delivers.
    pub fn backlog(&self, endpoint: EndpointId) -> u64 {
        self.at(endpoint).map_or(0, |it| it.turn.lock().backlog)
    }

    /// How an endpoint is doing, and whether this node delivers for it.
    pub async fn look(&self, endpoint: EndpointId) -> Result<(EndpointLook, bool), LedgerError> {
        let at = self.at(endpoint).ok_or(LedgerError::NotOwner)?;
        let LedgerReply::Seen(look) = self.ask(at, LedgerAsk::Look).await? else {
            return Err(LedgerError::NotOwner);
        };
        let is_own = look.owner.is_some() && look.owner == self.member.incarnation();
        Ok((look, is_own))
    }

    /// Whether a hook of this type can be promised: an endpoint wants it, and for none of those too many wait.
    pub async fn check(&self, hook_type: &str) -> Result<(), NoHook> {
        let wanting: Vec<&LedgerEndpoint> =
            self.endpoints.iter().filter(|it| it.wants(hook_type)).collect();
        if wanting.is_empty() {
            return Err(NoHook::Unwanted);
        }
        for at in wanting {
            match self.ask(at, LedgerAsk::Look).await {
                Ok(LedgerReply::Seen(look)) if look.waiting < self.backlog_max => {}
                Ok(_) => return Err(NoHook::Full),
                Err(Unattached) => return Err(NoHook::Away),
            }
        }
        Ok(())
    }

    /// Tells endpoints of something that is no presence change: user and body of each hook. Answers once that is kept, as
    /// `cluster.durability` wants it.
    pub async fn tell(
        &self,
        hook_type: &'static str,
        hooks: Vec<(UserId, String)>,
    ) -> Result<(), Unattached> {
        let wanting = self.endpoints.iter().filter(|it| it.wants(hook_type));
        let endpoints: Arc<[Arc<str>]> = wanting.map(|it| Arc::clone(&it.name)).collect();
        let mark = self.member.mark();
        for hooks in hooks.chunks(TOLD_AT_ONCE) {
            let hooks = hooks.iter().map(|(user, body)| (user.clone(), hook_type, body.clone()));
            let told = HooksToTell {
                name: entropy::token("h").into(),
                endpoints: Arc::clone(&endpoints),
                hooks: hooks.collect(),
            };
            let telling = async {
                // To tell it again does no harm.
                while self.member.tell_hooks(told.clone()).await.is_err() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            };
            tokio::time::timeout(TELL_LIMIT, telling).await.map_err(|_| Unattached)?;
        }
        self.member.confirmed(mark).await
    }

    async fn settled(
        &self,
        at: &LedgerEndpoint,
        token: OwnerToken,
        settled: Vec<SettledChange>,
    ) -> Result<(), LedgerError> {
        let asked = LedgerAsk::Settle { token, settled: settled.clone(), kept_max: ENDED_MAX };
        let LedgerReply::Settled(Some(left)) = self.ask(at, asked).await? else {
            // Whoever delivers now has looked for itself.
            at.turn.lock().token = None;
            return Err(LedgerError::NotOwner);
        };
        at.turn.lock().known.forget_replaced(&settled);
        self.note_backlog(at, left);
        Ok(())
    }

    async fn ask(&self, at: &LedgerEndpoint, what: LedgerAsk) -> Result<LedgerReply, Unattached> {
        self.member.ledger(Arc::clone(&at.name), what).await
    }

    fn at(&self, endpoint: EndpointId) -> Option<&LedgerEndpoint> {
        self.endpoints.get(usize::try_from(endpoint.0).ok()?)
    }
}

impl LedgerEndpoint {
    fn wants(&self, hook_type: &str) -> bool {
        self.events.iter().any(|it| it == hook_type)
    }
}

fn settled_change(settlement: &Settlement) -> SettledChange {
    let DeliveryDecision { id, attempts, verdict, .. } = &settlement.decision;
    let error = settlement.error.clone();
    let end = match verdict {
        DeliveryVerdict::Retry { .. } => {
            let at = settlement.next_attempt.unwrap_or(settlement.at);
            ChangeEnd::Again { at, attempts: *attempts }
        }
        DeliveryVerdict::Dead(_) => ChangeEnd::Dead(*attempts),
        DeliveryVerdict::Delivered => ChangeEnd::Delivered(*attempts),
        DeliveryVerdict::Skipped => ChangeEnd::Left,
    };
    SettledChange { number: id.0, end, error }
}
