//! Which resume tokens count: each is exchanged once, and whoever brings one that was exchanged before gives away that two
//! clients have the same tokens.
//!
//! ```text
//!   credentials ──► token 1 ──exchanged──► token 2 ──exchanged──► token 3 …     one family
//!                      │ again within the overlap: token 2 once more (its answer may have been lost)
//!                      └ again later: the family is revoked
//! ```
//!
//! Nothing is kept of a family before its first exchange: its first token says all. From then on there is a record, until the
//! last of its tokens has ended. Users who are logged out have a record, too, by which all tokens made until then do not count;
//! it outlives every such token. So what is kept is bounded by what happened lately; and where it would be too much all the
//! same, everything is forgotten and no token made until then counts: their holders need credentials once.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use super::resume_token::{ErasedName, ResumeClaims};
use crate::types::{FamilyId, ResumeTicket, UserId, WallMs, millis};
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;

/// How long a token counts after it was exchanged: until then the answer may have been lost.
pub const OVERLAP: Duration = Duration::from_secs(30);
/// The longest life of a token.
pub const LIFE_MAX: Duration = Duration::from_hours(24 * 30);

/// Whose tokens. Strangers make as many guests as they like, so what is kept of these is bounded by itself: it costs no user
/// anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenHolders {
    /// Users.
    Users,
    /// Guests.
    Guests,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyLimits {
    /// Families of one user.
    pub of_user: usize,
    /// Families and log-outs of all.
    pub of_all: usize,
}

/// What is known of the resume tokens of users, or of guests.
#[derive(Debug)]
pub struct ResumeFamilies {
    holders: TokenHolders,
    families: BTreeMap<FamilyId, FamilyRecord>,
    users: BTreeMap<UserId, UserTokens>,
    /// The same of users who were erased: tokens made at this time or before do not count.
    erased: BTreeMap<ErasedName, WallMs>,
    /// Tokens made at this time or before do not count, whoever has them.
    all_out: WallMs,
    limits: FamilyLimits,
}

/// What is known of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyRecord {
    /// Whose it is.
    pub user: UserId,
    /// The generation of the token that was not exchanged yet.
    pub generation: u32,
    /// When the one before was.
    pub exchanged_at: WallMs,
    /// When the last of its tokens ends.
    pub expires_at: WallMs,
    /// None of them counts.
    pub is_revoked: bool,
}

/// What is known of a user.
#[derive(Debug, Default)]
struct UserTokens {
    families: Vec<FamilyId>,
    /// Tokens made at this time or before do not count.
    out: Option<WallMs>,
}

/// What has to be kept over a restart, before anybody is told of it. Records may be written in any order: of two the one that is
/// further on counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FamilyNews {
    /// A family is as this says.
    Family(FamilyId, FamilyRecord),
    /// Tokens of a user that were made at this time or before do not count; its families are forgotten.
    LoggedOut(UserId, WallMs),
    /// The same of one who is erased with that.
    Erased(TokenHolders, ErasedName, WallMs),
    /// The same for all of these.
    AllOut(TokenHolders, WallMs),
}

/// Why a token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ResumeFlaw {
    /// It has ended.
    #[error("has expired")]
    Expired,
    /// Its user was logged out, or its family revoked.
    #[error("has been revoked")]
    Revoked,
    /// It was exchanged before.
    #[error("was used before, so all that came from it do not count any more")]
    Reused,
}

impl TokenHolders {
    /// Those among whom a user is.
    pub fn of(user: &UserId) -> Self {
        if user.is_guest() { Self::Guests } else { Self::Users }
    }
}

impl FamilyNews {
    /// Whose tokens it is about.
    pub fn holders(&self) -> TokenHolders {
        match self {
            Self::Family(_, FamilyRecord { user, .. }) | Self::LoggedOut(user, _) => {
                TokenHolders::of(user)
            }
            Self::Erased(holders, ..) | Self::AllOut(holders, _) => *holders,
        }
    }
}

impl ResumeFamilies {
    /// Nothing is known.
    pub fn new(holders: TokenHolders, limits: FamilyLimits) -> Self {
        let (families, users, erased) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { holders, families, users, erased, all_out: WallMs(0), limits }
    }

    /// Takes up what an earlier life of the process has left.
    pub fn load(&mut self, news: FamilyNews) {
        match news {
            FamilyNews::Family(family, record) => self.put(family, record),
            FamilyNews::LoggedOut(user, at) => self.users.entry(user).or_default().out = Some(at),
            FamilyNews::Erased(_, name, at) => drop(self.erased.insert(name, at)),
            FamilyNews::AllOut(_, at) => self.all_out = at,
        }
    }

    /// Exchanges a token that was verified, at the time `now`, for another one. Returns its ticket, or why it does not count; and
    /// what has to be kept in either case. `erased` is what is left of its user's name if that was erased. No token that was made until now, nor the new one, lives on after `ends_by`: another
    /// token of the same generation may have been made for a client that was here for a while, of which nothing was kept.
    pub fn exchange(
        &mut self,
        claims: &ResumeClaims,
        erased: impl FnOnce() -> ErasedName,
        ends_by: WallMs,
        now: WallMs,
    ) -> (Result<ResumeTicket, ResumeFlaw>, Option<FamilyNews>) {
        if claims.expires_at <= now {
            return (Err(ResumeFlaw::Expired), None);
        }
        let out = self.users.get(&claims.user).and_then(|it| it.out).max(Some(self.all_out));
        let erased = (!self.erased.is_empty()).then(|| self.erased.get(&erased()).copied());
        let out = out.max(erased.flatten());
        if out.is_some_and(|out| claims.issued_at <= out) {
            return (Err(ResumeFlaw::Revoked), None);
        }
        let ResumeClaims { user, family, generation, .. } = claims;
        // The record outlives every token of the family.
        let expires_at = ends_by.max(claims.expires_at);
        let Some(record) = self.families.get_mut(family) else {
            // Only of the first there may be no record.
            if *generation != 1 {
                return (Err(ResumeFlaw::Revoked), None);
            }
            if let Some(news) = self.make_room(user, now) {
                return (Err(ResumeFlaw::Revoked), Some(news));
            }
            let (user, is_revoked) = (user.clone(), false);
            let record =
                FamilyRecord { user, generation: 2, exchanged_at: now, expires_at, is_revoked };
            self.put(*family, record.clone());
            let ticket = ResumeTicket { family: *family, generation: 2, since: now };
            return (Ok(ticket), Some(FamilyNews::Family(*family, record)));
        };
        if record.is_revoked || record.generation < *generation || record.user != *user {
            return (Err(ResumeFlaw::Revoked), None);
        }
        let is_recent = now.0 < record.exchanged_at.0.saturating_add(millis(OVERLAP));
        let exchanged = if record.generation == *generation {
            record.generation = generation.saturating_add(1);
            record.exchanged_at = now;
            Ok(())
        } else if is_recent && record.generation == generation.saturating_add(1) {
            Ok(())
        } else {
            record.is_revoked = true;
            Err(ResumeFlaw::Reused)
        };
        record.expires_at = record.expires_at.max(expires_at);
        let ticket = ResumeTicket { family: *family, generation: record.generation, since: now };
        (exchanged.map(|()| ticket), Some(FamilyNews::Family(*family, record.clone())))
    }

    /// A token that ends at `expires_at` is given to a client with this ticket that is here, before the one that it has has ended.
    /// Returns its generation, and what has to be kept. That of a guest is the one that was not exchanged yet: tabs of a browser share
    /// what they keep of a guest, and one that stays while others come and go would else spoil it for all.
    pub fn reissued(
        &mut self,
        ticket: ResumeTicket,
        expires_at: WallMs,
    ) -> (u32, Option<FamilyNews>) {
        let Some(record) = self.families.get_mut(&ticket.family) else {
            return (ticket.generation, None);
        };
        record.expires_at = record.expires_at.max(expires_at);
        let generation = match self.holders {
            TokenHolders::Users => ticket.generation,
            TokenHolders::Guests => record.generation,
        };
        (generation, Some(FamilyNews::Family(ticket.family, record.clone())))
    }

    /// No token of a family counts any more, of those that were given to `user`. Tokens of it end at `expires_at` at the latest.
    pub fn revoke(
        &mut self,
        user: &UserId,
        family: FamilyId,
        expires_at: WallMs,
        now: WallMs,
    ) -> FamilyNews {
        if let Some(record) = self.families.get_mut(&family) {
            record.is_revoked |= record.user == *user;
            record.expires_at = record.expires_at.max(expires_at);
            return FamilyNews::Family(family, record.clone());
        }
        if let Some(news) = self.make_room(user, now) {
            return news;
        }
        let (user, is_revoked) = (user.clone(), true);
        let record =
            FamilyRecord { user, generation: 1, exchanged_at: now, expires_at, is_revoked };
        self.put(family, record.clone());
        FamilyNews::Family(family, record)
    }

    /// No token of a user counts any more that was made until now.
    pub fn log_out(&mut self, user: &UserId, now: WallMs) -> FamilyNews {
        let is_full = self.limits.of_all <= self.len() && !self.users.contains_key(user);
        if is_full { self.log_all_out(now) } else { self.log_user_out(user, now) }
    }

    /// Forgets what does not matter any more.
    pub fn expire(&mut self, now: WallMs) {
        self.families.retain(|_, it| now < it.expires_at);
        let Self { families, users, .. } = self;
        users.retain(|_, user| {
            user.families.retain(|it| families.contains_key(it));
            let is_remembered = |out: WallMs| now.0 < out.0.saturating_add(millis(LIFE_MAX));
            user.out = user.out.filter(|out| is_remembered(*out));
            user.out.is_some() || !user.families.is_empty()
        });
        self.erased.retain(|_, at| now.0 < at.0.saturating_add(millis(LIFE_MAX)));
    }

    /// Forgets a user. No token counts any more that was made until now, also if the user comes again: `name` is what is left to
    /// know that. Returns what has to be kept, in one step with the rest that is erased.
    pub fn erase(&mut self, user: &UserId, name: ErasedName, now: WallMs) -> FamilyNews {
        if self.limits.of_all <= self.len() && !self.erased.contains_key(&name) {
            return self.log_all_out(now);
        }
        for family in self.users.remove(user).unwrap_or_default().families {
            self.families.remove(&family);
        }
        let at = self.erased.get(&name).map_or(now, |it| now.max(*it));
        self.erased.insert(name, at);
        FamilyNews::Erased(self.holders, name, at)
    }

    /// Families and users of whom something is known.
    pub fn len(&self) -> usize {
        self.families.len() + self.users.len() + self.erased.len()
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for one more family of a user. Where there is none, those who would have to make room are logged out.
    fn make_room(&mut self, user: &UserId, now: WallMs) -> Option<FamilyNews> {
        let of_user = self.users.get(user).map_or(0, |it| it.families.len());
        if self.limits.of_user <= of_user {
            return Some(self.log_user_out(user, now));
        }
        (self.limits.of_all <= self.len()).then(|| self.log_all_out(now))
    }

    fn log_user_out(&mut self, user: &UserId, now: WallMs) -> FamilyNews {
        let known = self.users.entry(user.clone()).or_default();
        let out = known.out.map_or(now, |it| it.max(now));
        known.out = Some(out);
        for family in std::mem::take(&mut known.families) {
            self.families.remove(&family);
        }
        FamilyNews::LoggedOut(user.clone(), out)
    }

    fn log_all_out(&mut self, now: WallMs) -> FamilyNews {
        self.families.clear();
        self.users.clear();
        self.erased.clear();
        self.all_out = self.all_out.max(now);
        FamilyNews::AllOut(self.holders, self.all_out)
    }

    fn put(&mut self, family: FamilyId, record: FamilyRecord) {
        let user = self.users.entry(record.user.clone()).or_default();
        if self.families.insert(family, record).is_none() {
            user.families.push(family);
        }
    }
}
