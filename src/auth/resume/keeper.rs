//! Where is remembered which resume tokens were exchanged: in this process and its store, or where all nodes agree.

use super::{NotRevoked, ResumeError};
use crate::cluster::{ClusterResume, Unattached};
use crate::core::auth::resume_families::{
    FamilyLimits, FamilyNews, ResumeFamilies, ResumeFlaw, TokenHolders,
};
use crate::core::auth::resume_token::{ErasedName, ResumeClaims};
use crate::core::auth::token_lives::TokenLives;
use crate::core::cluster::resuming::{ResumeAsk, ResumeQuestion, ResumeReply};
use crate::store::ResumeRecords;
use crate::types::{FamilyId, ResumeTicket, UserId, WallMs};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How long somebody may wait for the disk.
const STORE_WAIT: Duration = Duration::from_secs(10);
/// How much is remembered of exchanged tokens: about 200 bytes each.
const OF_USERS: FamilyLimits = FamilyLimits { of_user: 100, of_all: 500_000 };
/// The same of guests. A guest has a few tabs of one browser.
const OF_GUESTS: FamilyLimits = FamilyLimits { of_user: 20, of_all: 100_000 };

/// Where is remembered which tokens were exchanged.
pub(super) enum FamilyKeeper {
    /// Here, and on this node's disk.
    Embedded(Box<EmbeddedFamilies>),
    /// Where all nodes agree.
    Cluster(ClusterResume),
}

/// What is remembered here.
pub(super) struct EmbeddedFamilies {
    users: Mutex<ResumeFamilies>,
    guests: Mutex<ResumeFamilies>,
    pub(super) records: ResumeRecords,
}

/// Whether a token was exchanged: for one with this ticket, or why it does not count.
pub(super) type Exchanged = Result<ResumeTicket, ResumeFlaw>;

fn limits(holders: TokenHolders) -> FamilyLimits {
    match holders {
        TokenHolders::Users => OF_USERS,
        TokenHolders::Guests => OF_GUESTS,
    }
}

impl EmbeddedFamilies {
    pub(super) fn new(records: ResumeRecords) -> Self {
        let none = |holders| Mutex::new(ResumeFamilies::new(holders, limits(holders)));
        Self { users: none(TokenHolders::Users), guests: none(TokenHolders::Guests), records }
    }

    pub(super) fn of(&self, holders: TokenHolders) -> &Mutex<ResumeFamilies> {
        match holders {
            TokenHolders::Users => &self.users,
            TokenHolders::Guests => &self.guests,
        }
    }

    async fn keep(&self, news: FamilyNews) -> Result<(), NotRevoked> {
        let kept = tokio::time::timeout(STORE_WAIT, self.records.keep(news)).await;
        kept.map_err(|_| NotRevoked::Waiting)?.map_err(NotRevoked::Closed)
    }

    /// Forgets what does not matter any more.
    pub(super) async fn expire(&self, now: WallMs) {
        let mut len = 0;
        for families in [&self.users, &self.guests] {
            let mut families = families.lock();
            families.expire(now);
            len += families.len();
        }
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        metrics::gauge!("userline_resume_records").set(len);
        // What cannot be deleted now is deleted later.
        let _later = self.records.expire(now).await;
    }
}

impl FamilyKeeper {
    /// Exchanges a token that was verified. Nothing is said before it is kept.
    pub(super) async fn exchange(
        &self,
        claims: ResumeClaims,
        erased: impl FnOnce() -> ErasedName,
        ends_by: WallMs,
        now: WallMs,
    ) -> Result<Exchanged, NotRevoked> {
        match self {
            Self::Embedded(here) => {
                let families = here.of(TokenHolders::of(&claims.user));
                let (exchanged, news) = families.lock().exchange(&claims, erased, ends_by, now);
                tell(&claims, exchanged, news.is_some());
                if let Some(news) = news {
                    here.keep(news).await?;
                }
                Ok(exchanged)
            }
            Self::Cluster(_) if claims.expires_at <= now => Ok(Err(ResumeFlaw::Expired)),
            Self::Cluster(nodes) => {
                let (holders, claims) = (TokenHolders::of(&claims.user), Arc::new(claims));
                let (erased, family) = (erased(), claims.family);
                // What is remembered outlives this one, too.
                let ends_by = ends_by.max(claims.expires_at);
                let what = ResumeAsk::Exchange { claims: Arc::clone(&claims), erased, ends_by };
                let reply = ask(nodes, holders, now, what).await?;
                let (exchanged, is_crowded) = match reply {
                    ResumeReply::Next(generation) => {
                        (Ok(ResumeTicket { family, generation, since: now }), false)
                    }
                    ResumeReply::Refused { flaw, is_crowded } => (Err(flaw), is_crowded),
                    ResumeReply::Lives(_) | ResumeReply::Done => return Err(NotRevoked::Away),
                };
                tell(&claims, exchanged, is_crowded);
                Ok(exchanged)
            }
        }
    }

    /// The generation of a token that is made for a client that is here, and ends then. It is written down first.
    pub(super) async fn reissued(
        &self,
        user: &UserId,
        ticket: ResumeTicket,
        end: WallMs,
        now: WallMs,
    ) -> Result<u32, NotRevoked> {
        match self {
            Self::Embedded(here) => {
                let families = here.of(TokenHolders::of(user));
                let (generation, news) = families.lock().reissued(ticket, end);
                if let Some(news) = news {
                    here.keep(news).await?;
                }
                Ok(generation)
            }
            Self::Cluster(nodes) => {
                let what = ResumeAsk::Reissue { user: user.clone(), ticket, expires_at: end };
                match ask(nodes, TokenHolders::of(user), now, what).await? {
                    ResumeReply::Next(generation) => Ok(generation),
                    ResumeReply::Lives(_) | ResumeReply::Refused { .. } | ResumeReply::Done => {
                        Err(NotRevoked::Away)
                    }
                }
            }
        }
    }

    /// No token of the user that was made until now counts any more.
    pub(super) async fn log_out(&self, user: &UserId, now: WallMs) -> Result<(), NotRevoked> {
        match self {
            Self::Embedded(here) => {
                let news = here.of(TokenHolders::of(user)).lock().log_out(user, now);
                if matches!(news, FamilyNews::AllOut(..)) {
                    tracing::warn!(
                        "all resume tokens were revoked, because there would be too much to remember of them"
                    );
                }
                here.keep(news).await
            }
            Self::Cluster(nodes) => {
                let what = ResumeAsk::LogOut(user.clone());
                ask(nodes, TokenHolders::of(user), now, what).await.map(drop)
            }
        }
    }

    /// No token of this family counts any more, if it is one of the user's; they end then at the latest.
    pub(super) async fn revoke(
        &self,
        user: &UserId,
        family: FamilyId,
        end: WallMs,
        now: WallMs,
    ) -> Result<(), NotRevoked> {
        match self {
            Self::Embedded(here) => {
                let families = here.of(TokenHolders::of(user));
                let news = families.lock().revoke(user, family, end, now);
                here.keep(news).await
            }
            Self::Cluster(nodes) => {
                let what = ResumeAsk::Revoke { user: user.clone(), family, expires_at: end };
                ask(nodes, TokenHolders::of(user), now, what).await.map(drop)
            }
        }
    }

    /// Where all nodes agree no token of the user counts any more, and nothing names it. With one node that is done with the rest.
    pub(super) async fn erase_where_all_agree(
        &self,
        user: &UserId,
        name: ErasedName,
        now: WallMs,
    ) -> Result<(), NotRevoked> {
        let Self::Cluster(nodes) = self else { return Ok(()) };
        let what = ResumeAsk::Erase(user.clone(), name);
        ask(nodes, TokenHolders::of(user), now, what).await.map(drop)
    }
}

/// From now on tokens of all nodes live for so long.
pub(super) async fn begin(
    nodes: &ClusterResume,
    ttl: Duration,
    now: WallMs,
) -> Result<TokenLives, ResumeError> {
    match ask(nodes, TokenHolders::Users, now, ResumeAsk::Begin(ttl)).await {
        Ok(ResumeReply::Lives(lives)) => Ok(lives),
        Ok(_) | Err(_) => Err(ResumeError::Away(Unattached)),
    }
}

async fn ask(
    nodes: &ClusterResume,
    holders: TokenHolders,
    now: WallMs,
    what: ResumeAsk,
) -> Result<ResumeReply, NotRevoked> {
    let question = ResumeQuestion { holders, limits: limits(holders), now, what };
    nodes.ask(question).await.map_err(|_| NotRevoked::Away)
}

/// What is worth a line. `is_crowded`: if the token does not count, there was something to write down, for another reason.
fn tell(claims: &ResumeClaims, exchanged: Exchanged, is_crowded: bool) {
    match exchanged {
        Err(ResumeFlaw::Reused) => tracing::warn!(
            user.id = %claims.user, family = %claims.family,
            "a resume token was used twice: two clients have the same, so none of them counts any more"
        ),
        Err(_) if is_crowded => tracing::warn!(
            user.id = %claims.user,
            "resume tokens do not count any more, because there would be too much to remember of them"
        ),
        Ok(_) | Err(_) => {}
    }
}
