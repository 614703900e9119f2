//! What happens to hooks while their receiver is not well.

use super::{PATIENCE, is_up};
use crate::rig::client::Goodbye;
use crate::rig::eventually;
use crate::rig::receiver::Manner;
use crate::rig::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_was_down_is_told_everything_in_order() {
    for manner in [Manner::Status(500), Manner::Hang, Manner::Reset, Manner::TooMany] {
        let stage = Stage::start().await;
        let ann = stage.arrive("ann").await;
        stage.receiver.behave(manner);

        // Offline, and back, while nobody takes it.
        ann.go(Goodbye::Polite);
        let api = stage.api();
        eventually("the offline is in the log", PATIENCE, async || api.events().await.len() == 2)
            .await;
        ann.come();
        is_up(&ann).await;
        eventually("the online is in the log", PATIENCE, async || api.events().await.len() == 3)
            .await;
        eventually("the API says that hooks wait", PATIENCE, async || {
            let endpoints = api.get("/v1/hooks/endpoints").await;
            let endpoint = &endpoints["endpoints"][0];
            endpoint["backlog"] == 2 && endpoint["state"] != "ok"
        })
        .await;
        assert_eq!(stage.receiver.story("ann"), ["on"], "{manner:?}");

        stage.receiver.behave(Manner::Status(200));
        stage.hears("ann", &["on", "off", "on"]).await;
        let seqs: Vec<u64> = stage.receiver.accepted("ann").iter().map(|it| it.seq).collect();
        assert!(seqs.is_sorted(), "{seqs:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_hook_shows_when_it_is_tried_next_and_no_user_ever_has_two_on_their_way() {
    let stage = Stage::start().await;
    let (ann, bob) = (stage.arrive("ann").await, stage.arrive("bob").await);
    stage.receiver.behave_for("ann", Manner::Status(500));
    let api = stage.api();

    // Offline, and back, while nobody takes it.
    ann.go(Goodbye::Polite);
    eventually("the offline is in the log", PATIENCE, async || api.events().await.len() == 3).await;
    ann.come();
    is_up(&ann).await;
    eventually("the online is in the log", PATIENCE, async || api.events().await.len() == 4).await;
    eventually("the API says when it is tried next", PATIENCE, async || {
        let endpoints = api.get("/v1/hooks/endpoints").await;
        let endpoint = &endpoints["endpoints"][0];
        endpoint["state"] == "failing" && endpoint["next_attempt_at"].is_string()
    })
    .await;
    let listed = api.get("/v1/hooks/deliveries?user=ann&state=failing").await;
    let failing = &listed["deliveries"][0];
    assert_eq!((&failing["type"], &failing["user"]), (&"user.offline".into(), &"ann".into()));
    let next = failing["next_attempt_at"].as_str().expect("it is said when").to_owned();
    let waiting = api.get("/v1/hooks/deliveries?user=ann&state=pending").await;
    assert_eq!(waiting["deliveries"].as_array().unwrap().len(), 2, "{waiting}");
    assert_eq!(waiting["deliveries"][1].get("next_attempt_at"), None, "{waiting}");
    assert!(stage.watch.at(&next) <= stage.watch.now() + 60_000, "{next}");
    // Meanwhile the others are told.
    bob.go(Goodbye::Polite);
    stage.hears("bob", &["on", "off"]).await;

    // Slowly, so that a second one would meet the first.
    stage.receiver.behave_for("ann", Manner::Slow(300));
    stage.hears("ann", &["on", "off", "on"]).await;
    let seqs: Vec<u64> = stage.receiver.accepted("ann").iter().map(|it| it.seq).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    assert_eq!(stage.receiver.crowded().into_iter().collect::<Vec<_>>(), Vec::<String>::new());
    let all = api.get("/v1/hooks/deliveries?user=ann").await;
    eventually("they are listed as delivered", PATIENCE, async || {
        let all = api.get("/v1/hooks/deliveries?user=ann").await;
        all["deliveries"].as_array().unwrap().iter().all(|it| it["state"] == "delivered")
    })
    .await;
    assert_eq!(all["deliveries"].as_array().unwrap().len(), 3, "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_whose_hooks_fail_does_not_hold_up_the_others() {
    let stage = Stage::start().await;
    stage.receiver.behave_for("poison", Manner::Status(500));
    let poison = stage.tab("poison", crate::rig::client::Transport::WebSocket);
    poison.come();
    is_up(&poison).await;

    for user in ["ann", "bob", "cleo"] {
        let tab = stage.arrive(user).await;
        tab.go(Goodbye::Polite);
        stage.hears(user, &["on", "off"]).await;
    }
    assert_eq!(stage.receiver.story("poison"), Vec::<&str>::new());

    stage.receiver.behave_for("poison", Manner::Status(200));
    stage.hears("poison", &["on"]).await;
}
