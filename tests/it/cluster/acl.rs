//! `userline cluster acl`: nodes that may do that, and nothing else, lack nothing.

use crate::rig::client::{Goodbye, Tab};
use crate::rig::nodes::{Listener, Nodes};
use crate::rig::redis::{PASSWORD, patient};
use redis::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::process::Command;

/// What the program prints.
fn printed(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_userline"));
    let ended = command.args(["cluster", "acl"]).args(arguments).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

#[test]
fn the_command_names_the_user_and_the_keys_of_the_configuration() {
    let usual = "ACL SETUSER userline reset on >PASSWORD ~userline:{userline}:* +";
    assert!(printed(&[]).starts_with(usual));
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("userline.toml");
    let text = "[auth.jwt]\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
                [cluster]\nredis = \"redis://ann:hush@localhost\"\nname = \"shop\"\n";
    std::fs::write(&config, text).unwrap();
    let config = ["--config", config.to_str().unwrap()];
    let said = printed(&config);
    assert!(said.starts_with("ACL SETUSER ann reset on >PASSWORD ~userline:{shop}:* +"), "{said}");
    assert!(!said.contains("hush"), "{said}");
    assert!(printed(&[&config[..], &["--user", "bob"]].concat()).starts_with("ACL SETUSER bob "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_may_do_what_the_command_says_are_denied_nothing() {
    let as_ann = |it: String| {
        it.replace("redis = \"redis://", &format!("redis = \"redis://ann:{PASSWORD}@"))
            .replace("[presence]", "[recovery]\nwindow = \"1m\"\n[presence]")
    };
    let mut nodes = Nodes::start_hooked_with(0, as_ann).await;
    let acl = printed(&["--user", "ann"]).replace("PASSWORD", PASSWORD);
    nodes.redis.say(&acl.split_whitespace().collect::<Vec<_>>()).await;
    for _ in 0..3 {
        nodes.add().await;
    }
    let tabs: Vec<Tab> = (0..3).map(|it| nodes.tab(it, &format!("user-{it}"))).collect();
    tabs.iter().for_each(Tab::come);
    nodes.all_hear(&["user-0", "user-1", "user-2"].map(str::to_owned), &["on"]).await;
    let ann = Listener::connect(nodes.public(0), "ann").await;
    let emit = json!({"to": {"users": ["ann"]}, "event": "n", "args": [1]});
    for _ in 0..2 {
        assert_eq!(nodes.api(1).post_once("/v1/emit", &emit, "k").await.0, 200);
    }
    ann.hears(&BTreeSet::from([1])).await;
    let acked =
        json!({"to": {"users": ["ann"]}, "event": "q", "args": [], "ack": {"timeout": "10s"}});
    nodes.api(2).post("/v1/emit", &acked).await;
    for path in ["/v1/users/eve/block", "/v1/users/ann/rooms/r"] {
        // 202 if a node stands still meanwhile.
        let (status, answer) = nodes.api(1).put(path, &json!({"for": "1s"})).await;
        assert!(matches!(status, 200 | 202), "{path}: {answer}");
    }
    for path in ["/v1/users", "/v1/rooms", "/v1/users/ann", "/v1/nodes", "/v1/hooks/endpoints"] {
        nodes.api(2).get(path).await;
    }
    nodes.kill(2).await;
    tabs[2].go(Goodbye::Abrupt);
    tabs[1].go(Goodbye::Abrupt);
    nodes.all_hear(&["user-1".to_owned(), "user-2".to_owned()], &["on", "off"]).await;
    nodes.terminate(1).await;
    nodes.run(1).await;
    nodes.api(1).post("/v1/emit", &emit).await;

    let mut redis = nodes.redis.client().await;
    let mut ask = redis::cmd("ACL");
    let denied: Vec<Value> = ask.arg("LOG").query_async(&mut redis).await.unwrap();
    assert!(denied.is_empty(), "{denied:?}");
    // It may do nothing else, and nothing beside its keys.
    let url = nodes.redis.url().replace("redis://", &format!("redis://ann:{PASSWORD}@"));
    let mut ann = redis::Client::open(url)
        .unwrap()
        .get_multiplexed_async_connection_with_config(&patient())
        .await
        .unwrap();
    for words in ["KEYS *", "HGET other f", "FLUSHALL", "CONFIG GET *"] {
        let (name, rest) = words.split_once(' ').unwrap_or((words, ""));
        let mut say = redis::cmd(name);
        say.arg(rest.split_whitespace().collect::<Vec<_>>());
        let refused = say.exec_async(&mut ann).await.unwrap_err();
        assert_eq!(refused.code(), Some("NOPERM"), "{words}");
    }
}
