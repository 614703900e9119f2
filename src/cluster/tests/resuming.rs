//! Resume tokens where all nodes remember them: the script as shipped says what one node does by itself.

use super::parts::Random;
use super::random::number;
use super::server::{TestRedis, place};
use crate::cluster::{ClusterPlace, reply};
use crate::core::auth::resume_families::{
    FamilyLimits, LIFE_MAX, OVERLAP, ResumeFamilies, ResumeFlaw, TokenHolders,
};
use crate::core::auth::resume_token::{ErasedName, ResumeClaims};
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::resuming::{ResumeAsk, ResumeQuestion, ResumeReply};
use crate::types::{FamilyId, ResumeTicket, UserId, WallMs, millis};
use std::sync::Arc;
use std::time::Duration;

const BEGIN: u64 = 1_700_000_000_000;
const LIMITS: FamilyLimits = FamilyLimits { of_user: 2, of_all: 1000 };

struct Desk {
    redis: TestRedis,
    place: ClusterPlace,
    now: WallMs,
    holders: TokenHolders,
    limits: FamilyLimits,
}

impl Desk {
    fn new(holders: TokenHolders) -> Self {
        let redis = TestRedis::start(|_, text| text);
        let mut it = Self { redis, place: place(), now: WallMs(BEGIN), holders, limits: LIMITS };
        it.ask(ResumeAsk::Begin(Duration::from_mins(10)));
        it.now = WallMs(BEGIN + 1);
        it
    }

    fn ask(&mut self, what: ResumeAsk) -> ResumeReply {
        let Self { holders, limits, now, .. } = *self;
        let command = Command::Resume(ResumeQuestion { holders, limits, now, what });
        let value = self.redis.run(&self.place.call(&command), now.0 * 1000);
        let Ok(Reply::Resume(reply)) = reply(&command, &value) else { panic!("{value:?}") };
        reply
    }

    fn exchange(&mut self, claims: &ResumeClaims) -> Result<u32, ResumeFlaw> {
        let what = ResumeAsk::Exchange {
            claims: Arc::new(claims.clone()),
            erased: erased(&claims.user),
            ends_by: ends_by(self.now),
        };
        match self.ask(what) {
            ResumeReply::Next(generation) => Ok(generation),
            ResumeReply::Refused { flaw, .. } => Err(flaw),
            ResumeReply::Lives(_) | ResumeReply::Done => panic!("no answer to an exchange"),
        }
    }
}

fn user(place: usize) -> UserId {
    UserId::parse(["ann", "bob", "cem"][place % 3]).unwrap()
}

fn erased(user: &UserId) -> ErasedName {
    ErasedName::from_bytes([user.as_str().as_bytes()[0]; 32])
}

fn ends_by(now: WallMs) -> WallMs {
    WallMs(now.0 + 700_000)
}

fn claims(of: &UserId, family: u8, generation: u32, issued_at: WallMs) -> ResumeClaims {
    ResumeClaims {
        user: of.clone(),
        family: FamilyId::from_bytes([family; 16]),
        generation,
        issued_at,
        expires_at: WallMs(issued_at.0 + 700_000),
        credentials_end: None,
        credentials_issued: None,
    }
}

/// Whatever is asked in whatever order: the script and the rules of one node say the same.
#[test]
fn the_script_decides_as_one_node_does() {
    for seed in 0..number("USERLINE_TEST_SEEDS", 12) {
        let mut random = Random::new(seed);
        let holders = if random.chance(50) { TokenHolders::Users } else { TokenHolders::Guests };
        let mut desk = Desk::new(holders);
        let mut model = ResumeFamilies::new(holders, LIMITS);
        let mut base = 0;
        for step in 0..300 {
            // Families are never given again, and are their user's.
            let family = u8::try_from(base + random.below(9)).unwrap();
            let its = user(usize::from(family));
            let generation = u32::try_from(1 + random.below(4)).unwrap();
            let now = desk.now;
            let context = format!("seed {seed}, step {step}");
            match random.below(20) {
                0 => {
                    model.log_out(&its, now);
                    assert_eq!(desk.ask(ResumeAsk::LogOut(its)), ResumeReply::Done);
                }
                1 => {
                    model.erase(&its, erased(&its), now);
                    let name = erased(&its);
                    assert_eq!(desk.ask(ResumeAsk::Erase(its, name)), ResumeReply::Done);
                }
                2 => {
                    let family = FamilyId::from_bytes([family; 16]);
                    let expires_at = WallMs(now.0 + millis(LIFE_MAX));
                    model.revoke(&its, family, expires_at, now);
                    desk.ask(ResumeAsk::Revoke { user: its, family, expires_at });
                }
                3 => {
                    let family = FamilyId::from_bytes([family; 16]);
                    let ticket = ResumeTicket { family, generation, since: now };
                    let expires_at = ends_by(now);
                    let expected = model.reissued(ticket, expires_at).0;
                    let ask = ResumeAsk::Reissue { user: its, ticket, expires_at };
                    assert_eq!(desk.ask(ask), ResumeReply::Next(expected), "{context}");
                }
                4 => desk.now = WallMs(now.0 + millis(OVERLAP)),
                5 => {
                    desk.now = WallMs(now.0 + 800_000);
                    model.expire(desk.now);
                    base = (base + 9) % 243;
                }
                _ => {
                    let age = u64::try_from(random.below(50)).unwrap();
                    let claims = claims(
                        &its,
                        family,
                        generation,
                        WallMs(now.0 - age.min(now.0 - BEGIN - 1)),
                    );
                    let (expected, _) = model.exchange(&claims, || erased(&its), ends_by(now), now);
                    let expected = expected.map(|it| it.generation);
                    assert_eq!(desk.exchange(&claims), expected, "{context}: {claims:?}");
                }
            }
            desk.now = WallMs(desk.now.0 + 1 + u64::try_from(random.below(40)).unwrap());
        }
    }
}

#[test]
fn tokens_from_before_redis_lost_what_it_remembered_do_not_count() {
    let mut desk = Desk::new(TokenHolders::Users);
    let ann = user(0);
    let token = claims(&ann, 1, 1, desk.now);
    assert_eq!(desk.exchange(&token), Ok(2));
    desk.redis.flush();
    desk.now = WallMs(desk.now.0 + 1000);
    assert_eq!(desk.exchange(&token), Err(ResumeFlaw::Revoked));
    let never_used = claims(&ann, 2, 1, WallMs(BEGIN + 2));
    assert_eq!(desk.exchange(&never_used), Err(ResumeFlaw::Revoked));
    desk.now = WallMs(desk.now.0 + 1);
    assert_eq!(desk.exchange(&claims(&ann, 3, 1, desk.now)), Ok(2));
}

#[test]
fn where_there_is_too_much_to_remember_only_whoever_is_new_is_refused() {
    let mut desk = Desk::new(TokenHolders::Users);
    desk.limits = FamilyLimits { of_user: 10, of_all: 3 };
    let made = desk.now;
    for family in 1..4 {
        let it = claims(&user(usize::from(family)), family, 1, made);
        assert_eq!(desk.exchange(&it), Ok(2), "{family}");
    }
    assert_eq!(desk.exchange(&claims(&user(0), 9, 1, made)), Err(ResumeFlaw::Revoked));
    assert_eq!(desk.exchange(&claims(&user(1), 1, 2, made)), Ok(3));
    // What is revoked is so in any case.
    let (of, family) = (user(0), FamilyId::from_bytes([9; 16]));
    desk.ask(ResumeAsk::Revoke { user: of, family, expires_at: ends_by(made) });
    desk.ask(ResumeAsk::LogOut(user(1)));
    assert_eq!(desk.exchange(&claims(&user(1), 1, 3, made)), Err(ResumeFlaw::Revoked));
    // Records go by themselves.
    desk.now = WallMs(made.0 + 800_000);
    assert_eq!(desk.exchange(&claims(&user(0), 10, 1, desk.now)), Ok(2));
}

#[test]
fn a_shorter_life_of_tokens_does_not_make_records_forget_longer_ones() {
    let mut desk = Desk::new(TokenHolders::Users);
    let ResumeReply::Lives(same) = desk.ask(ResumeAsk::Begin(Duration::from_mins(10))) else {
        panic!()
    };
    assert_eq!(same.earlier_end, WallMs(0));
    let now = desk.now;
    let ResumeReply::Lives(shorter) = desk.ask(ResumeAsk::Begin(Duration::from_mins(1))) else {
        panic!()
    };
    assert_eq!(shorter.earlier_end, WallMs(now.0 + 11 * 60_000));
    assert_eq!(shorter.ends_by(now), WallMs(now.0 + 11 * 60_000));
}
