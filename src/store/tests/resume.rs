//! What is known of resume tokens, over a restart.

use super::{hooks, open, user};
use crate::core::auth::resume_families::{FamilyNews, FamilyRecord, LIFE_MAX, TokenHolders};
use crate::core::auth::resume_token::ResumeKey;
use crate::core::auth::token_lives::TokenLives;
use crate::store::{SavedResume, Store};
use crate::types::{FamilyId, Secret, WallMs, millis};
use std::time::Duration;
use tempfile::TempDir;

fn family(byte: u8) -> FamilyId {
    FamilyId::from_bytes([byte; 16])
}

fn record(name: &str, generation: u32, at: u64, is_revoked: bool) -> FamilyRecord {
    let (exchanged_at, expires_at) = (WallMs(at), WallMs(at + 100));
    FamilyRecord { user: user(name), generation, exchanged_at, expires_at, is_revoked }
}

/// Keeps what names this user; `number` is nobody else's.
pub(super) async fn fill(store: &Store, name: &str, number: u64) {
    let family = family(u8::try_from(number).unwrap());
    let news = FamilyNews::Family(family, record(name, 2, number, false));
    store.resume().keep(FamilyNews::LoggedOut(user(name), WallMs(number))).await.unwrap();
    store.resume().keep(news).await.unwrap();
}

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart_in_whatever_order_it_was_written() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let records = store.resume();
    let keys = ["b", "a"].map(|id| ResumeKey { id: id.to_owned(), secret: Secret::new(*b"k") });
    for key in &keys {
        records.add_key(key.clone()).await.unwrap();
    }
    records.add_key(ResumeKey { secret: Secret::new(*b"other"), ..keys[0].clone() }).await.unwrap();
    let lives = TokenLives { ttl: Duration::from_secs(7), earlier_end: WallMs(9) };
    records.set_lives(lives).await.unwrap();
    let out = |name: &str, at: u64| FamilyNews::LoggedOut(user(name), WallMs(at));
    for news in [
        FamilyNews::Family(family(1), record("ann", 3, 30, false)),
        FamilyNews::Family(family(1), record("ann", 2, 20, true)),
        FamilyNews::Family(family(2), record("bob", 2, 20, false)),
        out("bob", 70),
        out("bob", 60),
    ] {
        records.keep(news).await.unwrap();
    }
    store.close().await;

    let (store, _) = open(&dir, &hooks(&[]));

    let [b, a] = keys;
    let furthest = FamilyNews::Family(family(1), record("ann", 3, 30, true));
    let saved =
        SavedResume { keys: vec![a, b], lives: Some(lives), news: vec![out("bob", 70), furthest] };
    assert_eq!(store.resume().load().await.unwrap(), saved);
    store.resume().forget_keys().await.unwrap();
    store.resume().keep(FamilyNews::AllOut(TokenHolders::Users, WallMs(80))).await.unwrap();
    store.resume().keep(FamilyNews::AllOut(TokenHolders::Users, WallMs(75))).await.unwrap();
    let saved = SavedResume {
        keys: vec![],
        lives: Some(lives),
        news: vec![FamilyNews::AllOut(TokenHolders::Users, WallMs(80))],
    };
    assert_eq!(store.resume().load().await.unwrap(), saved);
}

#[tokio::test]
async fn what_was_too_much_of_guests_takes_nothing_from_users() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let records = store.resume();
    fill(&store, "guest:1", 1).await;
    fill(&store, "ann", 2).await;
    let kept = records.load().await.unwrap().news;
    let of_users = kept.into_iter().filter(|it| it.holders() == TokenHolders::Users);
    let out = FamilyNews::AllOut(TokenHolders::Guests, WallMs(80));
    let left: Vec<FamilyNews> = [out.clone()].into_iter().chain(of_users).collect();

    records.keep(out).await.unwrap();

    assert_eq!(records.load().await.unwrap().news, left);
    assert_eq!(left.len(), 3);
}

#[tokio::test]
async fn what_does_not_matter_any_more_is_deleted() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let records = store.resume();
    let stays = FamilyNews::Family(family(2), record("ann", 2, 21, false));
    let late = FamilyNews::LoggedOut(user("eve"), WallMs(21));
    for news in [
        FamilyNews::Family(family(1), record("ann", 2, 20, false)),
        stays.clone(),
        FamilyNews::LoggedOut(user("bob"), WallMs(20)),
        late.clone(),
    ] {
        records.keep(news).await.unwrap();
    }
    records.expire(WallMs(120)).await.unwrap();
    assert_eq!(records.load().await.unwrap().news.len(), 3);
    records.expire(WallMs(20 + millis(LIFE_MAX))).await.unwrap();
    assert_eq!(records.load().await.unwrap().news, [late]);
}
