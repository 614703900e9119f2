//! Clients come back without credentials, by tokens of this server's own. Which of them count is decided in
//! [`core::auth::resume_families`](crate::core::auth::resume_families).

use super::refusal::Refusal;
use crate::clock::Clock;
use crate::core::auth::resume_families::{
    FamilyLimits, FamilyNews, LIFE_MAX, ResumeFamilies, ResumeFlaw, TokenHolders,
};
use crate::core::auth::resume_token::{ErasedName, ResumeClaims, ResumeKey};
use crate::core::auth::token_lives::TokenLives;
use crate::entropy;
use crate::store::{Closed, ReadError, ResumeRecords};
use crate::types::{FamilyId, Grants, Identity, ResumeTicket, Secret, UserId, WallMs, millis};
use parking_lot::Mutex;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use thiserror::Error;

/// How long somebody may wait for the disk.
const STORE_WAIT: Duration = Duration::from_secs(10);
/// How often what does not matter any more is forgotten.
const EXPIRE_EVERY: Duration = Duration::from_mins(1);
/// How much is remembered of exchanged tokens: about 200 bytes each.
const OF_USERS: FamilyLimits = FamilyLimits { of_user: 100, of_all: 500_000 };
/// The same of guests. A guest has a few tabs of one browser.
const OF_GUESTS: FamilyLimits = FamilyLimits { of_user: 20, of_all: 100_000 };

/// Makes resume tokens, and takes them.
pub struct Resume {
    ttl: Duration,
    /// How long they live, over changes of that. None before they are loaded.
    lives: OnceLock<TokenLives>,
    /// The last of them signs. None before they are loaded.
    keys: OnceLock<Vec<ResumeKey>>,
    users: Mutex<ResumeFamilies>,
    guests: Mutex<ResumeFamilies>,
    records: ResumeRecords,
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
}

/// Why a revocation is not known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotRevoked {
    /// The disk takes nothing for the moment. It may still be written.
    #[error("the server's disk takes nothing for the moment")]
    Waiting,
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
        let users = Mutex::new(ResumeFamilies::new(TokenHolders::Users, OF_USERS));
        let guests = Mutex::new(ResumeFamilies::new(TokenHolders::Guests, OF_GUESTS));
        Self { ttl, lives: OnceLock::new(), keys: OnceLock::new(), users, guests, records, clock }
    }

    /// Reads what an earlier life of the process has left, or makes a first key. Call it before clients can connect.
    pub async fn load(&self) -> Result<(), ResumeError> {
        let mut saved = self.records.load().await?;
        let earlier = match saved.lives {
            None if saved.keys.is_empty() => None,
            lives => Some(lives.unwrap_or_else(TokenLives::unknown)),
        };
        let lives = TokenLives::begin(self.ttl, earlier, self.clock.wall());
        self.records.set_lives(lives).await?;
        self.lives.get_or_init(|| lives);
        if saved.keys.is_empty() {
            // By the time, so that of several the newest is the last.
            let id = format!("{:011x}-{}", self.clock.wall().0, entropy::token(""));
            let key = ResumeKey { id, secret: Secret::new(entropy::bytes::<32>()) };
            self.records.add_key(key.clone()).await?;
            saved.keys.push(key);
        }
        for news in saved.news {
            self.of(news.holders()).lock().load(news);
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
        let (end, ticket) =
            (self.lives.get()?.ends_by(self.clock.wall()), *grants.resume.as_deref()?);
        let (generation, news) = self.of(TokenHolders::of(user)).lock().reissued(ticket, end);
        if let Some(news) = news {
            self.keep(news).await.ok()?;
        }
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
        let ends_by = self.lives.get().ok_or(Refusal::ResumeInvalid)?.ends_by(self.clock.wall());
        let families = self.of(TokenHolders::of(&claims.user));
        let (exchanged, news) = families.lock().exchange(
            &claims,
            || self.erased_name(&claims.user),
            ends_by,
            self.clock.wall(),
        );
        let ResumeClaims { user, family, credentials_end, credentials_issued, .. } = claims;
        match exchanged {
            Err(ResumeFlaw::Reused) => tracing::warn!(
                user.id = %user, %family,
                "a resume token was used twice: two clients have the same, so none of them counts any more"
            ),
            // What is kept for another reason was too much.
            Err(_) if news.is_some() => tracing::warn!(
                user.id = %user,
                "resume tokens were revoked, because there would be too much to remember of them"
            ),
            Ok(_) | Err(_) => {}
        }
        if let Some(news) = news {
            // A client that is asked to come again has the token still, and may use it once more.
            self.keep(news).await.map_err(|_| Refusal::Unavailable)?;
        }
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
        let news = self.of(TokenHolders::of(user)).lock().log_out(user, self.clock.wall());
        if matches!(news, FamilyNews::AllOut(..)) {
            tracing::warn!(
                "all resume tokens were revoked, because there would be too much to remember of them"
            );
        }
        self.keep(news).await
    }

    /// No token of this family counts any more, if it is one of the user's.
    pub async fn revoke(&self, user: &UserId, family: FamilyId) -> Result<(), NotRevoked> {
        let now = self.clock.wall();
        // Later than any token of it ends, whatever `sessions.resume_ttl` was when it was made.
        let end = WallMs(now.0.saturating_add(millis(LIFE_MAX)));
        let news = self.of(TokenHolders::of(user)).lock().revoke(user, family, end, now);
        self.keep(news).await
    }

    /// Forgets a user, whose tokens do not count from now on. Returns what has to be kept, in one step with the rest that is erased.
    pub fn erase(&self, user: &UserId) -> FamilyNews {
        let name = self.erased_name(user);
        self.of(TokenHolders::of(user)).lock().erase(user, name, self.clock.wall())
    }

    fn erased_name(&self, user: &UserId) -> ErasedName {
        // The first, because it is there as long as any token counts.
        let key = self.keys.get().and_then(|it| it.first());
        key.map_or(ErasedName::from_bytes([0; 32]), |key| ErasedName::of(user, key))
    }

    /// Forgets what does not matter any more, as long as it runs.
    pub async fn run_expiry(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EXPIRE_EVERY).await;
            let now = self.clock.wall();
            self.forget_old(now);
            // What cannot be deleted now is deleted later.
            let _later = self.records.expire(now).await;
        }
    }

    fn forget_old(&self, now: WallMs) {
        let mut len = 0;
        for families in [&self.users, &self.guests] {
            let mut families = families.lock();
            families.expire(now);
            len += families.len();
        }
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        metrics::gauge!("userline_resume_records").set(len);
    }

    fn of(&self, holders: TokenHolders) -> &Mutex<ResumeFamilies> {
        match holders {
            TokenHolders::Users => &self.users,
            TokenHolders::Guests => &self.guests,
        }
    }

    async fn keep(&self, news: FamilyNews) -> Result<(), NotRevoked> {
        let kept = tokio::time::timeout(STORE_WAIT, self.records.keep(news)).await;
        kept.map_err(|_| NotRevoked::Waiting)?.map_err(NotRevoked::Closed)
    }
}

/// Makes all tokens of an earlier configuration worthless: while there are none nobody is logged out of them.
pub async fn forget_resume_keys(records: &ResumeRecords) -> Result<(), ResumeError> {
    if !records.load().await?.keys.is_empty() {
        records.forget_keys().await?;
    }
    Ok(())
}
