//! What happens to presence when the server is killed, restarted or paused.

use super::{GRACE, PATIENCE, SILENCE, SLACK, all_go, assert_offline, is_up, last};
use crate::rig::client::{Goodbye, Tab, Transport};
use crate::rig::eventually;
use crate::rig::receiver::Manner;
use crate::rig::server::STARTUP_GRACE;
use crate::rig::stage::Stage;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_returners_are_no_news_and_the_others_are_offline_once() {
    let mut stage = Stage::start().await;
    let tabs: Vec<Tab> =
        (0..50).map(|i| stage.tab(&format!("user-{i:02}"), Transport::WebSocket)).collect();
    tabs.iter().for_each(Tab::come);
    for tab in &tabs {
        stage.hears(&tab.user, &["on"]).await;
    }

    stage.kill().await;
    let (returners, gone) = tabs.split_at(30);
    all_go(gone, Goodbye::Abrupt);
    tokio::time::sleep(Duration::from_millis(3 * GRACE)).await;
    stage.run().await;
    let ready = stage.watch.now();

    for tab in gone {
        stage.hears(&tab.user, &["on", "off"]).await;
        let hook = last(&stage, &tab.user);
        // The server's grace begins when it listens, which is before it says so.
        let not_before = ready + STARTUP_GRACE - SLACK;
        assert_offline(&hook, "server_restart", not_before, ready + STARTUP_GRACE + SLACK);
        assert_eq!(hook.session, stage.receiver.accepted(&tab.user)[0].session);
    }
    for tab in returners {
        is_up(tab).await;
        assert_eq!(stage.receiver.story(&tab.user), ["on"]);
        assert_eq!(stage.state(&tab.user).await, ("online".to_owned(), 1));
    }
    all_go(returners, Goodbye::Polite);
    for tab in returners {
        stage.hears(&tab.user, &["on", "off"]).await;
    }
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_that_were_not_sent_before_a_crash_are_sent_after_it_with_their_ids() {
    let mut stage = Stage::start().await;
    stage.receiver.behave(Manner::Status(500));
    let ann = stage.tab("ann", Transport::WebSocket);
    ann.come();
    eventually("it was tried", PATIENCE, async || !stage.receiver.hooks().is_empty()).await;
    let tried = stage.receiver.hooks().remove(0);

    stage.kill().await;
    stage.receiver.behave(Manner::Status(200));
    stage.run().await;
    stage.hears("ann", &["on"]).await;

    let told = last(&stage, "ann");
    assert_eq!((told.id, told.body), (tried.id, tried.body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_after_crash_is_one_offline_and_sequence_numbers_go_on() {
    let mut stage = Stage::start().await;
    let ann = stage.arrive("ann").await;

    // Each life ends before the startup grace does.
    ann.go(Goodbye::Abrupt);
    for _ in 0..3 {
        stage.kill().await;
        stage.run().await;
    }
    stage.hears("ann", &["on", "off"]).await;
    ann.come();
    stage.hears("ann", &["on", "off", "on"]).await;

    let seqs: Vec<u64> = stage.receiver.accepted("ann").iter().map(|it| it.seq).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    assert_eq!(stage.api().events().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_is_no_news_for_those_who_come_back() {
    let mut stage = Stage::start().await;
    let tabs: Vec<Tab> =
        (0..40).map(|i| stage.tab(&format!("user-{i:02}"), Transport::WebSocket)).collect();
    tabs.iter().for_each(Tab::come);
    for tab in &tabs {
        stage.hears(&tab.user, &["on"]).await;
    }

    let began = stage.watch.now();
    let status = stage.terminate().await;
    let took = stage.watch.now() - began;
    assert_eq!(status.code(), Some(0));
    // The drain of the tests is one second; two more are promised.
    assert!(took < 1000 + 2000 + SLACK, "{took} ms");
    stage.run().await;
    for tab in &tabs {
        is_up(tab).await;
    }

    let leaver = stage.arrive("leaver").await;
    leaver.go(Goodbye::Polite);
    stage.hears("leaver", &["on", "off"]).await;
    tokio::time::sleep(Duration::from_millis(STARTUP_GRACE)).await;
    for tab in &tabs {
        assert_eq!(stage.receiver.story(&tab.user), ["on"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_the_server_is_no_news_for_those_who_stay() {
    let stage = Stage::start().await;
    let tabs: Vec<Tab> = (0..40)
        .map(|i| {
            let transport = if i % 4 == 0 { Transport::Polling } else { Transport::WebSocket };
            stage.tab(&format!("user-{i:02}"), transport)
        })
        .collect();
    tabs.iter().for_each(Tab::come);
    for tab in &tabs {
        stage.hears(&tab.user, &["on"]).await;
    }

    for ms in [300, 3000, 6000] {
        stage.pause(ms).await;
        // Some connections live on, some clients had given up and come back.
        for tab in &tabs {
            is_up(tab).await;
        }
    }
    let leaver = stage.arrive("leaver").await;
    leaver.go(Goodbye::Polite);
    stage.hears("leaver", &["on", "off"]).await;
    for tab in &tabs {
        assert_eq!(stage.receiver.story(&tab.user), ["on"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_while_the_server_is_paused_is_back_in_time() {
    let stage = Stage::start().await;
    let ann = stage.arrive("ann").await;

    // Gone just before the pause, knocking again during it: the grace must not run out before it is heard.
    ann.go(Goodbye::Abrupt);
    eventually("it is gone", PATIENCE, async || stage.state("ann").await.0 == "lingering").await;
    let (paused, back) = (stage.pause(3 * GRACE), async {
        tokio::time::sleep(Duration::from_millis(GRACE)).await;
        ann.come();
    });
    tokio::join!(paused, back);
    is_up(&ann).await;

    let late = stage.arrive("late").await;
    late.go(Goodbye::Polite);
    stage.hears("late", &["on", "off"]).await;
    assert_eq!(stage.receiver.story("ann"), ["on"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_the_server_is_paused_is_offline_after_it() {
    let stage = Stage::start().await;
    let ann = stage.arrive("ann").await;

    let (paused, leaves) = (stage.pause(2 * GRACE), async {
        tokio::time::sleep(Duration::from_millis(GRACE / 2)).await;
        ann.go(Goodbye::Polite);
    });
    tokio::join!(paused, leaves);
    let resumed = stage.watch.now();
    stage.hears("ann", &["on", "off"]).await;

    let (from, to) = (resumed, resumed + SILENCE + GRACE + SLACK);
    let reason = last(&stage, "ann").reason;
    assert_offline(&last(&stage, "ann"), &reason, from, to);
    stage.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_disk_takes_no_writes_nothing_is_told_and_nothing_is_lost() {
    let stage = Stage::start().await;
    let (ann, bob) = (stage.arrive("ann").await, stage.arrive("bob").await);
    let cleo = stage.tab("cleo", Transport::WebSocket);

    let blocked = stage.block_disk();
    let left = stage.watch.now();
    bob.go(Goodbye::Polite);
    let attempts = ann.attempts();
    ann.refresh();
    eventually("the new page is in", PATIENCE, async || attempts < ann.attempts() && ann.is_up())
        .await;
    cleo.come();
    is_up(&cleo).await;
    eventually("the API knows", PATIENCE, async || stage.state("bob").await.0 == "offline").await;
    tokio::time::sleep(Duration::from_millis(GRACE)).await;
    assert_eq!(stage.api().events().await.len(), 2, "only what is on disk is an event");
    assert_eq!(stage.receiver.story("cleo"), Vec::<&str>::new());
    assert_eq!(stage.receiver.story("bob"), ["on"]);
    drop(blocked);

    stage.hears("cleo", &["on"]).await;
    stage.hears("bob", &["on", "off"]).await;
    assert_offline(&last(&stage, "bob"), "client_disconnect", left + GRACE, left + GRACE + SLACK);
    assert_eq!(stage.receiver.story("ann"), ["on"]);
    all_go(&[ann, cleo], Goodbye::Polite);
    stage.is_empty().await;
}
