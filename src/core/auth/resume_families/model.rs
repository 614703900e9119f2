//! Against a naive model that remembers everything that ever happened, over any history with restarts in between.

use super::tests::{MANY, name};
use super::{FamilyNews, FamilyRecord, ResumeFamilies, ResumeFlaw, TokenHolders};
use crate::core::auth::resume_token::{ErasedName, ResumeClaims};
use crate::core::auth::token_lives::{LATE, TokenLives};
use crate::types::{FamilyId, ResumeTicket, UserId, WallMs, millis};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Debug, Clone)]
enum TokenStep {
    /// A client comes with credentials, which end after `life`.
    Begin {
        user: u8,
        life: u64,
    },
    /// A client brings a token, which one.
    Bring {
        which: usize,
        life: u64,
    },
    /// A connection gets a newer token, which one.
    Renew {
        which: usize,
        life: u64,
    },
    Revoke {
        which: usize,
    },
    LogOut {
        user: u8,
    },
    Erase {
        user: u8,
    },
    Pass {
        ms: u64,
    },
    Expire,
    /// Tokens live for so long from then on.
    Restart {
        ttl: u64,
    },
}

fn step() -> impl Strategy<Value = TokenStep> {
    let life = || prop_oneof![1_000_u64..100_000, 1_000_000_u64..200_000_000];
    let ttl = prop_oneof![10_000_u64..100_000, 10_000_u64..100_000_000];
    let pass = prop_oneof![1_u64..40_000, 1_u64..100_000_000];
    prop_oneof![
        3 => (0_u8..3, life()).prop_map(|(user, life)| TokenStep::Begin { user, life }),
        8 => (any::<usize>(), life()).prop_map(|(which, life)| TokenStep::Bring { which, life }),
        2 => (any::<usize>(), life()).prop_map(|(which, life)| TokenStep::Renew { which, life }),
        1 => any::<usize>().prop_map(|which| TokenStep::Revoke { which }),
        1 => (0_u8..3).prop_map(|user| TokenStep::LogOut { user }),
        4 => pass.prop_map(|ms| TokenStep::Pass { ms }),
        1 => Just(TokenStep::Expire),
        1 => (0_u8..3).prop_map(|user| TokenStep::Erase { user }),
        1 => ttl.prop_map(|ttl| TokenStep::Restart { ttl }),
    ]
}

fn user(number: u8) -> UserId {
    UserId::parse(&format!("u{number}")).unwrap()
}

/// Everything that ever happened.
#[derive(Default)]
struct Naive {
    /// When each generation of a family was exchanged.
    exchanged: BTreeMap<(FamilyId, u32), u64>,
    revoked: BTreeSet<FamilyId>,
    logged_out: BTreeMap<UserId, u64>,
}

impl Naive {
    /// The generation of a family that was not exchanged yet; `from` is one that was given.
    fn unused(&self, family: FamilyId, from: u32) -> u32 {
        let exchanged = self.exchanged.keys().filter(|(it, _)| *it == family);
        exchanged.map(|(_, generation)| generation + 1).max().map_or(from, |it| it.max(from))
    }

    fn is_over(&self, token: &ResumeClaims) -> bool {
        let is_out = self.logged_out.get(&token.user).is_some_and(|at| token.issued_at.0 <= *at);
        is_out || self.revoked.contains(&token.family)
    }

    fn bring(&mut self, token: &ResumeClaims, now: u64) -> Result<u32, ResumeFlaw> {
        if token.expires_at.0 <= now {
            return Err(ResumeFlaw::Expired);
        }
        let is_out = self.logged_out.get(&token.user).is_some_and(|at| token.issued_at.0 <= *at);
        if is_out || self.revoked.contains(&token.family) {
            return Err(ResumeFlaw::Revoked);
        }
        let this = (token.family, token.generation);
        let next = (token.family, token.generation + 1);
        let at = *self.exchanged.entry(this).or_insert(now);
        if at != now && (at + 30_000 <= now) || self.exchanged.contains_key(&next) {
            self.revoked.insert(token.family);
            return Err(ResumeFlaw::Reused);
        }
        Ok(token.generation + 1)
    }
}

/// What a store keeps of the news: the furthest of each.
#[derive(Default)]
struct Kept {
    families: BTreeMap<FamilyId, FamilyRecord>,
    logged_out: BTreeMap<UserId, WallMs>,
    erased: BTreeMap<ErasedName, WallMs>,
}

impl Kept {
    fn keep(&mut self, news: Option<FamilyNews>) {
        match news {
            None => {}
            Some(FamilyNews::Family(family, record)) => drop(self.families.insert(family, record)),
            Some(FamilyNews::LoggedOut(user, at)) => {
                self.families.retain(|_, it| it.user != user);
                self.logged_out.insert(user, at);
            }
            Some(FamilyNews::Erased(_, name, at)) => drop(self.erased.insert(name, at)),
            Some(FamilyNews::AllOut(..)) => panic!("there is room for all"),
        }
    }

    fn restart(&self, holders: TokenHolders) -> ResumeFamilies {
        let mut it = ResumeFamilies::new(holders, MANY);
        for (family, record) in &self.families {
            it.load(FamilyNews::Family(*family, record.clone()));
        }
        for (user, at) in &self.logged_out {
            it.load(FamilyNews::LoggedOut(user.clone(), *at));
        }
        for (name, at) in &self.erased {
            it.load(FamilyNews::Erased(holders, *name, *at));
        }
        it
    }
}

/// When a token ends that was made after its client has waited as long as it may.
fn made(lives: &TokenLives, now: u64, life: u64) -> WallMs {
    let made_at = now + life % millis(LATE);
    lives.end(Some(WallMs(now + life)), WallMs(made_at))
}

proptest! {
    #[test]
    fn it_agrees_with_everything_that_ever_happened(
        steps in prop::collection::vec(step(), 1..80),
        are_guests in any::<bool>(),
    ) {
        let holders = if are_guests { TokenHolders::Guests } else { TokenHolders::Users };
        let mut it = ResumeFamilies::new(holders, MANY);
        let (mut naive, mut kept) = (Naive::default(), Kept::default());
        let mut now = 1_700_000_000_000_u64;
        let mut lives = TokenLives::begin(Duration::from_mins(10), None, WallMs(now));
        let mut tokens: Vec<ResumeClaims> = Vec::new();
        for step in steps {
            match step {
                TokenStep::Begin { user: number, life } => {
                    let mut family = [0; 16];
                    family[..8].copy_from_slice(&u64::try_from(tokens.len()).unwrap().to_be_bytes());
                    tokens.push(ResumeClaims {
                        user: user(number),
                        family: FamilyId::from_bytes(family),
                        generation: 1,
                        issued_at: WallMs(now),
                        expires_at: made(&lives, now, life),
                        credentials_end: None,
                        credentials_issued: None,
                    });
                }
                TokenStep::Bring { which, life } if !tokens.is_empty() => {
                    let token = tokens[which % tokens.len()].clone();
                    let (expires_at, ends_by) = (made(&lives, now, life), lives.ends_by(WallMs(now)));
                    let erased = || name(&token.user);
                    let (exchanged, news) = it.exchange(&token, erased, ends_by, WallMs(now));
                    kept.keep(news);
                    let expected = naive.bring(&token, now);
                    prop_assert_eq!(exchanged.map(|ticket| ticket.generation), expected);
                    if let Ok(ResumeTicket { generation, since, .. }) = exchanged {
                        prop_assert_eq!(since, WallMs(now));
                        tokens.push(ResumeClaims { generation, issued_at: since, expires_at, ..token });
                    }
                }
                TokenStep::Renew { which, life }
                    if !tokens.is_empty() && now < tokens[which % tokens.len()].expires_at.0 =>
                {
                    let ResumeClaims { family, generation, issued_at, .. } = tokens[which % tokens.len()];
                    let expires_at = made(&lives, now, life);
                    let (renewed, news) =
                        it.reissued(ResumeTicket { family, generation, since: issued_at }, lives.ends_by(WallMs(now)));
                    kept.keep(news);
                    let expected = if are_guests { naive.unused(family, generation) } else { generation };
                    // Of a family that was forgotten or revoked no token counts, whatever it says.
                    if !naive.is_over(&tokens[which % tokens.len()]) {
                        prop_assert_eq!(renewed, expected);
                    }
                    tokens.push(ResumeClaims {
                        generation: renewed,
                        expires_at,
                        ..tokens[which % tokens.len()].clone()
                    });
                }
                TokenStep::Revoke { which } if !tokens.is_empty() => {
                    let token = &tokens[which % tokens.len()];
                    // Later than any token that will be made.
                    let end = WallMs(now + 100_000_000_000);
                    kept.keep(Some(it.revoke(&token.user, token.family, end, WallMs(now))));
                    naive.revoked.insert(token.family);
                }
                TokenStep::LogOut { user: number } => {
                    kept.keep(Some(it.log_out(&user(number), WallMs(now))));
                    naive.logged_out.insert(user(number), now);
                }
                TokenStep::Expire => it.expire(WallMs(now)),
                TokenStep::Erase { user: number } => {
                    let user = user(number);
                    // In one step with the rest that names the user.
                    kept.families.retain(|_, it| it.user != user);
                    kept.logged_out.remove(&user);
                    kept.keep(Some(it.erase(&user, name(&user), WallMs(now))));
                    naive.logged_out.insert(user, now);
                }
                TokenStep::Restart { ttl } => {
                    it = kept.restart(holders);
                    lives = TokenLives::begin(Duration::from_millis(ttl), Some(lives), WallMs(now));
                }
                TokenStep::Pass { ms } => now += ms,
                TokenStep::Bring { .. } | TokenStep::Renew { .. } | TokenStep::Revoke { .. } => {}
            }
        }
    }
}
