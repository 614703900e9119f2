//! Each rule by itself.

use super::{FamilyLimits, FamilyNews, LIFE_MAX, ResumeFamilies, ResumeFlaw, TokenHolders};
use crate::core::auth::resume_token::{ErasedName, ResumeClaims, ResumeKey};
use crate::core::auth::token_lives::TokenLives;
use crate::types::{FamilyId, Secret, UserId, WallMs, millis};
use std::time::Duration;

pub(super) const MANY: FamilyLimits = FamilyLimits { of_user: 1000, of_all: 10_000 };
const LIFE: u64 = 600_000;

fn ann() -> UserId {
    UserId::parse("ann").unwrap()
}

/// What is left of a name.
pub(super) fn name(user: &UserId) -> ErasedName {
    let key = ResumeKey { id: "k".to_owned(), secret: Secret::new(*b"k") };
    ErasedName::of(user, &key)
}

fn token(family: u8, generation: u32, at: u64) -> ResumeClaims {
    ResumeClaims {
        user: ann(),
        family: FamilyId::from_bytes([family; 16]),
        generation,
        issued_at: WallMs(at),
        expires_at: WallMs(at + LIFE),
        credentials_end: None,
        credentials_issued: None,
    }
}

/// The generation of the token that this one is exchanged for.
fn exchange(it: &mut ResumeFamilies, token: &ResumeClaims, now: u64) -> Result<u32, ResumeFlaw> {
    let (exchanged, news) =
        it.exchange(token, || name(&token.user), WallMs(now + LIFE), WallMs(now));
    assert!(exchanged.is_err() || news.is_some(), "an exchange is kept");
    exchanged.map(|ticket| ticket.generation)
}

#[test]
fn a_token_is_exchanged_once_and_again_while_the_answer_may_have_been_lost() {
    let mut it = ResumeFamilies::new(TokenHolders::Users, MANY);
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 30_999), Ok(2));
    assert_eq!(exchange(&mut it, &token(1, 2, 1_000), 40_000), Ok(3));
    assert_eq!(it.len(), 2);
}

#[test]
fn who_uses_one_twice_ends_the_family_for_both() {
    let mut it = ResumeFamilies::new(TokenHolders::Users, MANY);
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 31_000), Err(ResumeFlaw::Reused));
    assert_eq!(exchange(&mut it, &token(1, 2, 1_000), 31_000), Err(ResumeFlaw::Revoked));
    assert_eq!(exchange(&mut it, &token(2, 1, 100), 31_000), Ok(2), "others go on");
}

#[test]
fn one_of_two_generations_ago_is_used_twice_however_soon() {
    let mut it = ResumeFamilies::new(TokenHolders::Users, MANY);
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));
    assert_eq!(exchange(&mut it, &token(1, 2, 1_000), 1_001), Ok(3));
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_002), Err(ResumeFlaw::Reused));
}

#[test]
fn a_token_that_has_ended_or_that_nobody_can_have_does_not_count() {
    let mut it = ResumeFamilies::new(TokenHolders::Users, MANY);
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 100 + LIFE), Err(ResumeFlaw::Expired));
    assert_eq!(exchange(&mut it, &token(1, 2, 100), 1_000), Err(ResumeFlaw::Revoked));
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));
    assert_eq!(exchange(&mut it, &token(1, 3, 100), 1_000), Err(ResumeFlaw::Revoked));
    let foreign = ResumeClaims { user: UserId::parse("bob").unwrap(), ..token(1, 2, 100) };
    assert_eq!(exchange(&mut it, &foreign, 1_000), Err(ResumeFlaw::Revoked));
}

#[test]
fn a_user_who_is_logged_out_needs_credentials_and_a_family_that_is_revoked_too() {
    let mut it = ResumeFamilies::new(TokenHolders::Users, MANY);
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));
    it.revoke(&ann(), FamilyId::from_bytes([1; 16]), WallMs(LIFE), WallMs(2_000));
    it.revoke(&ann(), FamilyId::from_bytes([2; 16]), WallMs(LIFE), WallMs(2_000));
    assert_eq!(exchange(&mut it, &token(1, 2, 1_000), 2_000), Err(ResumeFlaw::Revoked));
    assert_eq!(exchange(&mut it, &token(2, 1, 100), 2_000), Err(ResumeFlaw::Revoked));
    assert_eq!(exchange(&mut it, &token(3, 1, 100), 2_000), Ok(2));

    assert_eq!(it.log_out(&ann(), WallMs(3_000)), FamilyNews::LoggedOut(ann(), WallMs(3_000)));

    assert_eq!(exchange(&mut it, &token(4, 1, 3_000), 3_001), Err(ResumeFlaw::Revoked));
    assert_eq!(exchange(&mut it, &token(5, 1, 3_001), 3_002), Ok(2));
}

#[test]
fn somebody_elses_family_is_not_revoked() {
    let mut it = ResumeFamilies::new(TokenHolders::Users, MANY);
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));
    let bob = UserId::parse("bob").unwrap();
    it.revoke(&bob, FamilyId::from_bytes([1; 16]), WallMs(LIFE), WallMs(2_000));
    assert_eq!(exchange(&mut it, &token(1, 2, 1_000), 2_000), Ok(3));
}

#[test]
fn where_too_much_would_be_kept_who_is_concerned_is_logged_out() {
    let mut it = ResumeFamilies::new(TokenHolders::Users, FamilyLimits { of_user: 2, of_all: 4 });
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));
    assert_eq!(exchange(&mut it, &token(2, 1, 100), 1_000), Ok(2));
    let (third, news) =
        it.exchange(&token(3, 1, 100), || name(&ann()), WallMs(LIFE), WallMs(1_500));
    assert_eq!(third, Err(ResumeFlaw::Revoked));
    assert_eq!(news, Some(FamilyNews::LoggedOut(ann(), WallMs(1_500))));
    assert_eq!(exchange(&mut it, &token(1, 2, 1_000), 2_000), Err(ResumeFlaw::Revoked));
    for name in ["b", "c", "d"] {
        it.log_out(&UserId::parse(name).unwrap(), WallMs(2_000));
    }
    assert_eq!(it.len(), 4);
    let all = it.log_out(&UserId::parse("e").unwrap(), WallMs(2_500));
    assert_eq!((all, it.len()), (FamilyNews::AllOut(TokenHolders::Users, WallMs(2_500)), 0));
    assert_eq!(exchange(&mut it, &token(9, 1, 2_500), 3_000), Err(ResumeFlaw::Revoked));
    assert_eq!(exchange(&mut it, &token(9, 1, 2_501), 3_000), Ok(2));
}

#[test]
fn what_does_not_matter_any_more_is_forgotten_and_so_is_who_is_erased() {
    let mut it = ResumeFamilies::new(TokenHolders::Users, MANY);
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));
    let claims = token(1, 2, 1_000);
    let (ticket, _) = it.exchange(&claims, || name(&ann()), WallMs(2_000 + LIFE), WallMs(2_000));
    it.reissued(ticket.unwrap(), WallMs(50_000 + LIFE));
    it.expire(WallMs(49_999 + LIFE));
    assert_eq!(it.len(), 2);
    it.expire(WallMs(50_000 + LIFE));
    assert!(it.is_empty());

    it.log_out(&ann(), WallMs(1_000));
    it.expire(WallMs(999 + millis(LIFE_MAX)));
    assert_eq!(it.len(), 1);
    it.expire(WallMs(1_000 + millis(LIFE_MAX)));
    assert!(it.is_empty());

    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));
    it.erase(&ann(), name(&ann()), WallMs(2_000));
    assert_eq!(it.len(), 1);
    it.expire(WallMs(2_000 + millis(LIFE_MAX)));
    assert!(it.is_empty());
}

#[test]
fn no_token_of_before_counts_of_a_user_who_was_erased_and_those_of_later_do() {
    let mut it = ResumeFamilies::new(TokenHolders::Users, MANY);
    assert_eq!(exchange(&mut it, &token(1, 1, 100), 1_000), Ok(2));

    let erased = FamilyNews::Erased(TokenHolders::Users, name(&ann()), WallMs(2_000));
    assert_eq!(it.erase(&ann(), name(&ann()), WallMs(2_000)), erased);

    let bob = ResumeClaims { user: UserId::parse("bob").unwrap(), ..token(8, 1, 100) };
    assert_eq!(exchange(&mut it, &bob, 2_001), Ok(2), "others are not concerned");
    for old in [token(1, 1, 100), token(1, 2, 1_000), token(2, 1, 2_000)] {
        assert_eq!(exchange(&mut it, &old, 2_001), Err(ResumeFlaw::Revoked));
    }
    assert_eq!(
        exchange(&mut it, &token(3, 1, 2_001), 3_000),
        Ok(2),
        "who comes again is anybody new"
    );
    let mut next = ResumeFamilies::new(TokenHolders::Users, MANY);
    next.load(erased);
    assert_eq!(exchange(&mut next, &token(2, 1, 2_000), 2_001), Err(ResumeFlaw::Revoked));
    let full = FamilyLimits { of_user: 1, of_all: 0 };
    let mut full = ResumeFamilies::new(TokenHolders::Users, full);
    let all = FamilyNews::AllOut(TokenHolders::Users, WallMs(5));
    assert_eq!(full.erase(&ann(), name(&ann()), WallMs(5)), all);
}

/// A client that is here has got a newer token of the first generation, of which nothing is kept. Then tokens live shorter.
#[test]
fn a_token_that_lives_longer_than_any_that_is_made_now_is_used_up_with_the_others() {
    let (long, short) = (Duration::from_hours(10), Duration::from_mins(1));
    let before = TokenLives::begin(long, None, WallMs(0));
    let newer = ResumeClaims { expires_at: before.end(None, WallMs(1_000)), ..token(1, 1, 100) };
    let lives = TokenLives::begin(short, Some(before), WallMs(2_000));
    let mut it = ResumeFamilies::new(TokenHolders::Users, MANY);
    let older = token(1, 1, 100);
    let ends_by = lives.ends_by(WallMs(3_000));
    it.exchange(&older, || name(&ann()), ends_by, WallMs(3_000)).0.unwrap();

    it.expire(WallMs(3_000 + LIFE));

    assert_eq!(exchange(&mut it, &newer, 3_000 + LIFE), Err(ResumeFlaw::Reused));
    it.expire(ends_by);
    assert!(it.is_empty(), "nothing is kept for longer than that");
    assert!(newer.expires_at <= ends_by);
}
