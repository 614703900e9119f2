//! What watchers are told, by the parts that run in production.

use super::{FoundUsers, MayNotSee, Permitted, WatchError};
use crate::app::testing::{TestApp, TestClient, until};
use crate::core::contacts::ContactRule;
use crate::core::presence::session::Grace;
use crate::realtime::erasure::PendingHooks;
use crate::realtime::people::Farewell;
use crate::types::{Grants, Reason, Room, UserId};
use std::sync::Arc;
use std::time::Duration;

fn id(user: &str) -> UserId {
    UserId::parse(user).unwrap()
}

/// Who shares a room `org:…` is seen, and nobody lingers longer than a moment.
fn app() -> TestApp {
    let app = TestApp::with(|config| {
        config.watching.shown_to = vec![ContactRule::parse("shared_room:org:*").unwrap()];
        config.watching.bounds.per_socket = 3;
        config.presence.grace = Duration::from_millis(50);
    });
    app.parts.watch_deadlines(&app.parts.tasks);
    app.parts.tasks.spawn("watching", Arc::clone(&app.realtime.watching).run());
    app
}

async fn in_org(app: &TestApp, user: &str) -> TestClient {
    app.connect_in("/", user, &["org:1"], None).await
}

fn watch(app: &TestApp, client: &TestClient, users: &[&str]) -> Result<Vec<String>, MayNotSee> {
    let users: Vec<UserId> = users.iter().map(|it| id(it)).collect();
    let all = |online: Vec<&str>| online.into_iter().map(str::to_owned).collect();
    app.realtime.watching.watch(&client.socket, &users, Permitted::default(), all)
}

fn leave(app: &TestApp, client: &TestClient) {
    app.realtime.attendance.leave(&client.socket, Reason::TransportClose);
}

fn news(user: &str, online: bool) -> String {
    format!(r#"42["userline:presence",{{"user":"{user}","online":{online}}}]"#)
}

#[tokio::test]
async fn a_watcher_is_told_who_comes_and_who_is_gone_for_good() {
    let app = app();
    let ann = in_org(&app, "ann").await;
    let first = in_org(&app, "bob").await;
    assert_eq!(watch(&app, &ann, &["bob", "cy", "eve"]), Ok(vec!["bob".to_owned()]));

    // A second tab is no news, and neither is the end of one of two.
    let second = in_org(&app, "bob").await;
    leave(&app, &first);
    app.connect("eve").await;
    let _cy = in_org(&app, "cy").await;
    assert_eq!(app.hear(&ann).await, news("cy", true));

    leave(&app, &second);
    assert_eq!(app.hear(&ann).await, news("bob", false));
}

#[tokio::test]
async fn what_is_seen_ends_with_the_grant_of_either_and_comes_back_with_it() {
    let app = app();
    let (ann, bob) = (in_org(&app, "ann").await, in_org(&app, "bob").await);
    assert_eq!(watch(&app, &ann, &["bob"]), Ok(vec!["bob".to_owned()]));
    let grant = |client: &TestClient, room: &str| {
        let rooms = [Room::parse(room).unwrap()].into();
        assert!(
            app.realtime.attendance.regrant(&client.socket, Grants { rooms, ..Grants::default() })
        );
    };

    for (client, room, is_seen) in [
        (&bob, "org:2", false),
        (&ann, "org:2", true),
        (&ann, "org:1", false),
        (&bob, "org:1", true),
    ] {
        grant(client, room);
        assert_eq!(app.hear(&ann).await, news("bob", is_seen));
    }
    grant(&ann, "org:3");
    assert_eq!(app.hear(&ann).await, news("bob", false));
    leave(&app, &bob);
    let _bob = in_org(&app, "bob").await;
    grant(&ann, "org:1");
    assert_eq!(app.hear(&ann).await, news("bob", true), "and nothing in between");
}

#[tokio::test]
async fn a_socket_that_is_gone_watches_nobody_any_more() {
    let app = app();
    let ann = in_org(&app, "ann").await;
    watch(&app, &ann, &["bob", "cy"]).unwrap();
    let watches = || app.parts.sockets.watched.book(|book| book.len());
    assert_eq!(watches(), 2);

    app.realtime.people.kick(&id("ann"), Farewell::default(), Grace::Skip);

    assert_eq!(watches(), 0);
    assert_eq!(watch(&app, &ann, &["bob"]), Ok(vec![]), "too late");
    assert_eq!(watches(), 0);
}

#[tokio::test]
async fn a_user_who_is_erased_is_offline_and_on_no_list() {
    let app = app();
    let ann = in_org(&app, "ann").await;
    let _bob = in_org(&app, "bob").await;
    watch(&app, &ann, &["bob"]).unwrap();

    app.realtime.erasure.erase(&id("bob"), PendingHooks::Drop).await.unwrap();

    assert_eq!(app.hear(&ann).await, news("bob", false));
    until("nobody is watched", || app.parts.sockets.watched.book(|book| book.is_empty())).await;
}

#[tokio::test]
async fn there_is_a_bound_and_without_a_rule_there_is_nothing() {
    let app = app();
    let ann = in_org(&app, "ann").await;
    let too_many = Err(MayNotSee::Bounds(WatchError::TooMany(3)));
    assert_eq!(watch(&app, &ann, &["a", "b", "c", "d"]), too_many);
    watch(&app, &ann, &["a", "b", "c"]).unwrap();
    assert_eq!(watch(&app, &ann, &["d"]), too_many);
    app.realtime.watching.unwatch(&ann.socket, Some(&[id("a")])).unwrap();
    assert_eq!(watch(&app, &ann, &["b", "d"]), Ok(vec![]));

    let off = TestApp::new();
    let ann = off.connect("ann").await;
    assert_eq!(watch(&off, &ann, &["ann"]), Err(MayNotSee::Off));
    let users = [id("ann")];
    let found = FoundUsers::default();
    let online = off.realtime.watching.online(&ann.socket, (&users, &found), &Permitted::default());
    assert_eq!(online, Err(MayNotSee::Off));
}
