//! Clients come back without credentials, by tokens of this server's own. Which of them count is decided in
//! [`core::auth::resume_families`](crate::core::auth::resume_families).

mod keeper;

use super::refusal::Refusal;
use crate::clock::Clock;
use crate::cluster::{ClusterResume, Unattached};
use crate::core::auth::resume_families::{FamilyNews, LIFE_MAX, ResumeFlaw, TokenHolders};
use crate::core::auth::resume_token::{ErasedName, ResumeClaims, ResumeKey};
use crate::core::auth::token_lives::TokenLives;
use crate::entropy;
use crate::store::{Closed, ReadError, ResumeRecords};
use crate::types::{FamilyId, Grants, Identity, ResumeTicket, Secret, UserId, WallMs, millis};
use keeper::{EmbeddedFamilies, FamilyKeeper};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use thiserror::Error;

/// How often what does not matter any more is forgotten.
const EXPIRE_EVERY: Duration = Duration::from_mins(1);
/// Makes resume tokens, and takes them.
pub struct Resume {
    ttl: Duration,
    /// How long they live, over changes of that. None before they are loaded.
    lives: OnceLock<TokenLives>,
    /// The last of them signs. None before they are loaded.
    keys: OnceLock<Vec<ResumeKey>>,
    families: FamilyKeeper,
    clock: Clock,
}

/// The keys cannot be read, or none can be made.
#[derive(Debug, Error)]
pub enum ResumeError {
    /// They cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// None can be written.
    #[error(transparent)]
    Write(#[from] Closed),
    /// Where all nodes agree nothing is heard.
    #[error(transparent)]
    Away(#[from] Unattached),
}

/// Why a revocation is not known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotRevoked {
    /// The disk takes nothing for the moment. It may still be written.
    #[error("the server's disk takes nothing for the moment")]
    Waiting,
    /// Where all nodes agree nothing is heard, or nothing is confirmed. It may still be done.
    #[error("Redis cannot be reached, or does not confirm what was stored")]
    Away,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
}

/// Shows no key.
impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl Resume {
    /// Tokens live for `ttl`. None is made or taken before [`Resume::load`].
    pub fn new(ttl: Duration, records: ResumeRecords, clock: Clock) -> Self {
        let families = FamilyKeeper::Embedded(Box::new(EmbeddedFamilies::new(records)));
        Self { ttl, lives: OnceLock::new(), keys: OnceLock::new(), families, clock }
    }

    /// The same among nodes that all sign with `key`, and remember by `nodes` what was exchanged.
    pub fn in_cluster(
        ttl: Duration,
        (key, nodes): (ResumeKey, ClusterResume),
        clock: Clock,
    ) -> Self {
        let keys = OnceLock::from(vec![key]);
        Self { ttl, lives: OnceLock::new(), keys, families: FamilyKeeper::Cluster(nodes), clock }
    }

    /// Reads what an earlier life of the process has left, or makes a first key. Call it before clients can connect.
    pub async fn load(&self) -> Result<(), ResumeError> {
        let here = match &self.families {
            FamilyKeeper::Embedded(here) => here,
            FamilyKeeper::Cluster(nodes) => {
                let lives = keeper::begin(nodes, self.ttl, self.clock.wall()).await?;
                self.lives.get_or_init(|| lives);
                return Ok(());
            }
        };
        let mut saved = here.records.load().await?;
        let earlier = match saved.lives {
            None if saved.keys.is_empty() => None,
            lives => Some(lives.unwrap_or_else(TokenLives::unknown)),
        };
        let lives = TokenLives::begin(self.ttl, earlier, self.clock.wall());
        here.records.set_lives(lives).await?;
        self.lives.get_or_init(|| lives);
        if saved.keys.is_empty() {
            // By the time, so that of several the newest is the last.
            let id = format!("{:011x}-{}", self.clock.wall().0, entropy::token(""));
            let key = ResumeKey { id, secret: Secret::new(entropy::bytes::<32>()) };
            here.records.add_key(key.clone()).await?;
            saved.keys.push(key);
        }
        for news in saved.news {
            here.of(news.holders()).lock().load(news);
        }
        self.keys.get_or_init(|| saved.keys);
        Ok(())
    }

    /// The ticket of a client that has come with credentials: its tokens are a family of their own.
    pub fn begin(&self) -> ResumeTicket {
        let family = FamilyId::from_bytes(entropy::bytes());
        ResumeTicket { family, generation: 1, since: self.clock.wall() }
    }

    /// A token for a client with these grants, if they have a ticket.
    pub fn token(&self, user: &UserId, grants: &Grants) -> Option<String> {
        let ticket = grants.resume.as_deref()?;
        let key = self.keys.get()?.last()?;
        let claims = ResumeClaims {
            user: user.clone(),
            family: ticket.family,
            generation: ticket.generation,
            issued_at: ticket.since,
            expires_at: self.lives.get()?.end(grants.expires_at, self.clock.wall()),
            credentials_end: grants.expires_at,
            credentials_issued: grants.issued_at,
        };
        Some(claims.sign(key))
    }

    /// The same for a client that is here for a while: its token lives longer than the one before, which is written down first.
    pub async fn renew(&self, user: &UserId, grants: &Grants) -> Option<String> {
        let (now, ticket) = (self.clock.wall(), *grants.resume.as_deref()?);
        let end = self.lives.get()?.ends_by(now);
        let generation = self.families.reissued(user, ticket, end, now).await.ok()?;
        let resume = Some(Box::new(ResumeTicket { generation, ..ticket }));
        self.token(user, &Grants { resume, ..grants.clone() })
    }

    /// Whether a token is a guest's, whether it counts or not.
    pub fn is_of_guest(&self, token: &str) -> bool {
        let keys = self.keys.get().map(Vec::as_slice).unwrap_or_default();
        ResumeClaims::verify(token, keys).is_some_and(|it| it.user.is_guest())
    }

    /// The user of a token, which is exchanged with that: the grants hold the ticket of the next one, and no rooms.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, Refusal> {
        let exchanged = self.exchange(token).await;
        let outcome = match &exchanged {
            Ok(_) => "resumed",
            Err(Refusal::ResumeRefused(ResumeFlaw::Expired)) => "expired",
            Err(Refusal::ResumeRefused(ResumeFlaw::Revoked)) => "revoked",
            Err(Refusal::ResumeRefused(ResumeFlaw::Reused)) => "reused",
            Err(Refusal::Unavailable) => "unavailable",
            Err(_) => "invalid",
        };
        metrics::counter!("userline_resumes_total", "outcome" => outcome).increment(1);
        exchanged
    }

    async fn exchange(&self, token: &str) -> Result<Identity, Refusal> {
        let keys = self.keys.get().map(Vec::as_slice).unwrap_or_default();
        let claims = ResumeClaims::verify(token, keys).ok_or(Refusal::ResumeInvalid)?;
        let now = self.clock.wall();
        let ends_by = self.lives.get().ok_or(Refusal::ResumeInvalid)?.ends_by(now);
        let (user, credentials_end) = (claims.user.clone(), claims.credentials_end);
        let credentials_issued = claims.credentials_issued;
        let erased = || self.erased_name(&user);
        let exchanged = self.families.exchange(claims, erased, ends_by, now).await;
        // A client that is asked to come again has the token still, and may use it once more.
        let exchanged = exchanged.map_err(|_| Refusal::Unavailable)?;
        let ticket = exchanged.map_err(Refusal::ResumeRefused)?;
        let grants = Grants {
            expires_at: credentials_end,
            issued_at: credentials_issued,
            resume: Some(Box::new(ticket)),
            ..Grants::default()
        };
        Ok(Identity { user, grants })
    }

    /// No token of the user that was made until now counts any more.
    pub async fn log_out(&self, user: &UserId) -> Result<(), NotRevoked> {
        self.families.log_out(user, self.clock.wall()).await
    }

    /// No token of this family counts any more, if it is one of the user's.
    pub async fn revoke(&self, user: &UserId, family: FamilyId) -> Result<(), NotRevoked> {
        let now = self.clock.wall();
        // Later than any token of it ends, whatever `sessions.resume_ttl` was when it was made.
        let end = WallMs(now.0.saturating_add(millis(LIFE_MAX)));
        self.families.revoke(user, family, end, now).await
    }

    /// Forgets a user, whose tokens do not count from now on. Returns what has to be kept, in one step with the rest that is erased;
    /// with other nodes, nothing: see [`Resume::erase_where_all_agree`].
    pub fn erase(&self, user: &UserId) -> Option<FamilyNews> {
        let FamilyKeeper::Embedded(here) = &self.families else { return None };
        let name = self.erased_name(user);
        Some(here.of(TokenHolders::of(user)).lock().erase(user, name, self.clock.wall()))
    }

    /// Has all nodes forget a user, whose tokens do not count from now on.
    pub async fn erase_where_all_agree(&self, user: &UserId) -> Result<(), NotRevoked> {
        let name = self.erased_name(user);
        self.families.erase_where_all_agree(user, name, self.clock.wall()).await
    }

    fn erased_name(&self, user: &UserId) -> ErasedName {
        // The first, because it is there as long as any token counts.
        let key = self.keys.get().and_then(|it| it.first());
        key.map_or(ErasedName::from_bytes([0; 32]), |key| ErasedName::of(user, key))
    }

    /// Forgets what does not matter any more, as long as it runs. Where all nodes agree that happens by itself; there it is only seen
    /// to that what is remembered is known to be whole.
    pub async fn run_expiry(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EXPIRE_EVERY).await;
            let now = self.clock.wall();
            match &self.families {
                FamilyKeeper::Embedded(here) => here.expire(now).await,
                // What cannot be said now is said later.
                FamilyKeeper::Cluster(nodes) => drop(keeper::begin(nodes, self.ttl, now).await),
            }
        }
    }
}

/// Makes all tokens of an earlier configuration worthless: while there are none nobody is logged out of them.
pub async fn forget_resume_keys(records: &ResumeRecords) -> Result<(), ResumeError> {
    if !records.load().await?.keys.is_empty() {
        records.forget_keys().await?;
    }
    Ok(())
}
