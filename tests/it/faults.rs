//! The fault table of one node (docs/presence.md), row by row: what is promised, and by when.

mod gone;
mod history;
mod receiver;
mod server;

use crate::rig::client::{Goodbye, Tab, Transport};
use crate::rig::proxy::Flow;
use crate::rig::receiver::Hook;
use crate::rig::server::{GRACE, SILENCE, Setup};
use crate::rig::stage::Stage;
use crate::rig::{Random, eventually};
use std::time::Duration;

/// What a busy machine may add to a bound, in milliseconds.
const SLACK: u64 = 2500;
const PATIENCE: Duration = Duration::from_secs(20);

/// The last event about a user is an offline of this reason, decided between these two times.
#[track_caller]
fn assert_offline(hook: &Hook, reason: &str, not_before: u64, not_after: u64) {
    assert!(!hook.is_online && hook.reason == reason, "{hook:?}");
    assert!(not_before <= hook.stamp, "{} is before {not_before}: {hook:?}", hook.stamp);
    assert!(hook.stamp <= not_after, "{} is after {not_after}: {hook:?}", hook.stamp);
}

fn last(stage: &Stage, user: &str) -> Hook {
    stage.receiver.accepted(user).pop().unwrap()
}

/// How the user's sockets ended.
async fn ends(stage: &Stage, user: &str) -> Vec<String> {
    let history = stage.api().get(&format!("/v1/users/{user}/history")).await;
    let sockets = history["sockets"].as_array().unwrap();
    sockets.iter().filter_map(|it| it["reason"].as_str()).map(str::to_owned).collect()
}

async fn is_up(tab: &Tab) {
    eventually("the client is in", PATIENCE, async || tab.is_up()).await;
}

fn all_go(tabs: &[Tab], goodbye: Goodbye) {
    for tab in tabs {
        tab.go(goodbye);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_the_last_tab_means_offline_once_after_the_grace() {
    let stage = Stage::start().await;
    for transport in [Transport::WebSocket, Transport::Polling] {
        for (goodbye, reason) in
            [(Goodbye::Polite, "client_disconnect"), (Goodbye::Abrupt, "transport_close")]
        {
            let user = format!("{transport:?}-{goodbye:?}");
            let tab = stage.tab(&user, transport);
            tab.come();
            stage.hears(&user, &["on"]).await;

            let left = stage.watch.now();
            tab.go(goodbye);
            stage.hears(&user, &["on", "off"]).await;

            assert_offline(&last(&stage, &user), reason, left + GRACE, left + GRACE + SLACK);
        }
    }
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_grace_runs_twice() {
    // So long that twice of it is late, whatever a busy machine adds.
    const SETUP: Setup = Setup { grace: 6000, startup_grace: 8000, ..Setup::DEFAULT };
    const { assert!(SILENCE + SLACK < SETUP.grace && SLACK < SETUP.startup_grace) };
    let mut stage = Stage::with(SETUP).await;
    let polite = stage.arrive("polite").await;
    let silent = stage.arrive("silent").await;
    let crashed = stage.arrive("crashed").await;

    let left = stage.watch.now();
    polite.go(Goodbye::Polite);
    silent.suffer(Flow::HalfOpen);
    silent.go(Goodbye::Polite);
    for (user, reason, noticed) in
        [("polite", "client_disconnect", 0), ("silent", "ping_timeout", SILENCE)]
    {
        stage.hears(user, &["on", "off"]).await;
        let not_before = left + SETUP.grace;
        assert_offline(&last(&stage, user), reason, not_before, not_before + noticed + SLACK);
    }

    stage.kill().await;
    crashed.go(Goodbye::Abrupt);
    stage.run().await;
    let due = stage.watch.now() + SETUP.startup_grace;
    stage.hears("crashed", &["on", "off"]).await;
    assert_offline(&last(&stage, "crashed"), "server_restart", due - SLACK, due + SLACK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_within_the_grace_is_no_news_however_often() {
    let stage = Stage::start().await;
    let polling = stage.tab("poll", Transport::Polling);
    polling.come();
    stage.hears("poll", &["on"]).await;
    let ann = stage.arrive("ann").await;

    for _ in 0..10 {
        for tab in [&ann, &polling] {
            let attempts = tab.attempts();
            tab.refresh();
            let is_new = async || attempts < tab.attempts() && tab.is_up();
            eventually("the new page is in", PATIENCE, is_new).await;
        }
    }
    for user in ["ann", "poll"] {
        eventually("one socket is left", PATIENCE, async || {
            stage.state(user).await == ("online".to_owned(), 1)
        })
        .await;
    }

    // Whatever was wrongly begun would have come by the time that a third user's grace has run out.
    let late = stage.arrive("late").await;
    late.go(Goodbye::Polite);
    stage.hears("late", &["on", "off"]).await;
    assert_eq!(stage.receiver.story("ann"), ["on"]);
    assert_eq!(stage.receiver.story("poll"), ["on"]);

    for tab in [ann, polling] {
        tab.go(Goodbye::Polite);
    }
    stage.hears("ann", &["on", "off"]).await;
    stage.hears("poll", &["on", "off"]).await;
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn being_away_for_longer_than_the_grace_is_offline_then_online_in_a_new_session() {
    let stage = Stage::start().await;
    let ann = stage.arrive("ann").await;

    ann.go(Goodbye::Abrupt);
    stage.hears("ann", &["on", "off"]).await;
    ann.come();
    stage.hears("ann", &["on", "off", "on"]).await;

    let story = stage.receiver.accepted("ann");
    assert!(story.windows(2).all(|it| it[0].seq < it[1].seq), "{story:?}");
    assert_eq!(story[0].session, story[1].session);
    assert_eq!(story[2].session, story[2].seq, "a session is named after its online");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_offline_after_ping_timeout_and_grace() {
    let stage = Stage::start().await;
    for (user, transport) in [("ws", Transport::WebSocket), ("poll", Transport::Polling)] {
        let tab = stage.tab(user, transport);
        tab.come();
        stage.hears(user, &["on"]).await;
        is_up(&tab).await;

        let broke = stage.watch.now();
        // The client wants to stay away, and its goodbye never arrives.
        tab.suffer(Flow::HalfOpen);
        tab.go(Goodbye::Polite);
        let state = stage.state(user).await;
        // A ping that was on its way is missed after its timeout, and a busy machine may take that long to ask.
        if stage.watch.now() < broke + SILENCE / 2 {
            assert_eq!(state, ("online".to_owned(), 1), "nobody has told the server");
        }
        stage.hears(user, &["on", "off"]).await;

        let hook = last(&stage, user);
        assert_offline(&hook, "ping_timeout", broke + GRACE, broke + SILENCE + GRACE + SLACK);
    }
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_back_before_its_old_connection_is_noticed_takes_its_place() {
    let stage = Stage::start().await;
    let ann = stage.arrive("ann").await;

    for _ in 0..3 {
        ann.suffer(Flow::HalfOpen);
        is_up(&ann).await;
        // It named its session, so the old connection goes at once, not with the ping timeout.
        assert_eq!(stage.state("ann").await, ("online".to_owned(), 1));
    }
    assert!(ends(&stage, "ann").await.contains(&"replaced".to_owned()));
    assert_eq!(stage.receiver.story("ann"), ["on"]);

    ann.go(Goodbye::Polite);
    stage.hears("ann", &["on", "off"]).await;
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_recovery_the_old_connection_of_a_client_that_is_back_ends_with_the_ping_timeout() {
    let stage = Stage::with(Setup { recovery: "0s", ..Setup::default() }).await;
    let ann = stage.arrive("ann").await;

    ann.suffer(Flow::HalfOpen);
    is_up(&ann).await;
    eventually("the old socket dies by itself", PATIENCE, async || {
        let is_dead = ends(&stage, "ann").await.contains(&"ping_timeout".to_owned());
        is_dead && stage.state("ann").await == ("online".to_owned(), 1)
    })
    .await;
    assert!(!ends(&stage, "ann").await.contains(&"replaced".to_owned()));
    assert_eq!(stage.receiver.story("ann"), ["on"]);

    ann.go(Goodbye::Polite);
    stage.hears("ann", &["on", "off"]).await;
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_page_does_not_take_the_place_of_a_half_open_one_but_is_no_news_either() {
    let stage = Stage::start().await;
    let ann = stage.arrive("ann").await;

    // A page that is loaded anew remembers no session.
    ann.suffer(Flow::HalfOpen);
    ann.refresh();
    is_up(&ann).await;
    eventually("the old socket dies by itself", PATIENCE, async || {
        stage.state("ann").await == ("online".to_owned(), 1)
    })
    .await;

    assert_eq!(stage.receiver.story("ann"), ["on"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_tabs_only_the_last_one_counts() {
    let stage = Stage::start().await;
    let first = stage.arrive("ann").await;
    let second = stage.tab("ann", Transport::Polling);
    let third = stage.tab("ann", Transport::WebSocket);
    for tab in [&second, &third] {
        tab.come();
        is_up(tab).await;
    }
    assert_eq!(stage.state("ann").await, ("online".to_owned(), 3));

    first.go(Goodbye::Polite);
    third.suffer(Flow::Reset);
    third.go(Goodbye::Abrupt);
    eventually("one socket is left", PATIENCE, async || {
        stage.state("ann").await == ("online".to_owned(), 1)
    })
    .await;
    let late = stage.arrive("late").await;
    late.go(Goodbye::Polite);
    stage.hears("late", &["on", "off"]).await;
    assert_eq!(stage.receiver.story("ann"), ["on"]);

    let left = stage.watch.now();
    second.go(Goodbye::Polite);
    stage.hears("ann", &["on", "off"]).await;
    assert_offline(&last(&stage, "ann"), "client_disconnect", left + GRACE, left + GRACE + SLACK);
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_tabs_closed_at_the_same_instant_are_one_offline() {
    let stage = Stage::start().await;
    let tabs: Vec<Tab> = (0..8).map(|_| stage.tab("ann", Transport::WebSocket)).collect();
    for _ in 0..3 {
        let before = stage.receiver.story("ann");
        tabs.iter().for_each(Tab::come);
        for tab in &tabs {
            is_up(tab).await;
        }
        all_go(&tabs, Goodbye::Abrupt);
        stage.hears("ann", &[&before[..], &["on", "off"]].concat()).await;
    }
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_while_they_begin_leave_nothing_behind() {
    let mut stage = Stage::start().await;
    let tabs: Vec<Tab> = (0..60)
        .map(|index| {
            let transport = if index % 5 == 0 { Transport::Polling } else { Transport::WebSocket };
            stage.tab(&format!("churn-{index}"), transport)
        })
        .collect();
    let mut random = Random::new(7);

    for _ in 0..600 {
        let index = usize::try_from(random.of(0..60)).unwrap();
        let tab = &tabs[index];
        if tab.wants_online() {
            tab.go(Goodbye::Abrupt);
        } else {
            tab.come();
        }
        tokio::time::sleep(Duration::from_micros(random.of(0..4000))).await;
    }
    all_go(&tabs, Goodbye::Abrupt);
    stage.is_empty().await;

    assert_eq!(stage.terminate().await.code(), Some(0));
}
