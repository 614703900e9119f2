//! Erasing a user whom several nodes know: nothing that Redis has names it, nor does any node. **Whoever adds a key that names
//! users has it written here, too**, or this does not find out.

use crate::resuming::{enter, first, resuming};
use crate::rig::api::Api;
use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::receiver::Manner;
use crate::rig::redis::Redis;
use crate::rig::server::token;
use redis::Value as RedisValue;
use redis::aio::MultiplexedConnection;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use userline::client::{Client, ClientTransport};

/// A name that nothing else has in it.
const NAME: &str = "quetzalcoatl";
/// Kinds of keys that the user is in before it is erased: were it in none, nothing would be shown.
const KINDS: [&str; 14] = [
    "out", "resumed", "answer", "book", "changes", "events", "inbox", "inboxes", "items", "names",
    "placed", "seen", "unread", "until",
];

fn all_on(configuration: &str) -> String {
    let events = "[hooks]\nretry_for = \"1h\"\nevents = [\"user.online\", \"user.offline\", \"message.undelivered\"]\n";
    resuming(configuration)
        .replace("[hooks]\n", events)
        .replace("ping_timeout = \"1s\"", "ping_timeout = \"1m\"")
        + "max_sockets_per_user = 10\n[recovery]\nwindow = \"3s\"\n"
}

/// The kinds of keys that hold the text: what their names begin with.
async fn kinds_with(redis: &mut MultiplexedConnection, text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(redis).await.unwrap();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(redis).await.unwrap();
        let words: &[&str] = match kind.as_str() {
            "string" => &["GET"],
            "hash" => &["HGETALL"],
            "set" => &["SMEMBERS"],
            "zset" => &["ZRANGE", "0", "-1"],
            "stream" => &["XRANGE", "-", "+"],
            // It went meanwhile.
            "none" => continue,
            other => panic!("{key} is of a kind that is not looked into: {other}"),
        };
        let mut command = redis::cmd(words[0]);
        let value: RedisValue =
            command.arg(&key).arg(&words[1..]).query_async(redis).await.unwrap();
        if key.contains(text) || holds(&value, text.as_bytes()) {
            let name = key.rsplit_once("}:").unwrap().1;
            found.insert(name.split(':').next().unwrap().to_owned());
        }
    }
    found
}

/// Waits until nothing that Redis has names the user.
async fn is_unknown_to_redis(nodes: &Nodes) {
    let (mut redis, mut left) = (nodes.redis.client().await, BTreeSet::new());
    let is_gone = async || {
        // The log gives up what all have read and nobody may come back for, but for its newest entry: this one names nobody.
        nodes.api(0).get("/v1/stats").await;
        left = kinds_with(&mut redis, NAME).await;
        left.is_empty()
    };
    let gone = tokio::time::timeout(PATIENCE, eventually("it is gone", 2 * PATIENCE, is_gone));
    assert!(gone.await.is_ok(), "these keys still name the user: {left:?}");
}

fn holds(value: &RedisValue, text: &[u8]) -> bool {
    if let RedisValue::BulkString(bytes) = value {
        return bytes.windows(text.len()).any(|it| it == text);
    }
    if let RedisValue::Array(items) | RedisValue::Set(items) = value {
        return items.iter().any(|it| holds(it, text));
    }
    if let RedisValue::Map(pairs) = value {
        return pairs.iter().any(|(key, value)| holds(key, text) || holds(value, text));
    }
    let is_other = matches!(value, RedisValue::Nil | RedisValue::Int(_) | RedisValue::Okay);
    assert!(is_other, "{value:?} is not looked into");
    false
}

/// What a node still says of the user.
async fn said_by(api: &Api) -> Vec<String> {
    let of_user = |rest: &str| format!("/v1/users/{NAME}{rest}");
    let mut said = Vec::new();
    for path in
        ["/v1/messages?limit=100".to_owned(), "/v1/blocks".to_owned(), "/v1/users".to_owned()]
    {
        let text = api.text(&path).await;
        said.extend(text.contains(NAME).then(|| format!("{path}: {text}")));
    }
    let lists = [("/history", "sockets"), ("/inbox", "items"), ("/rooms", "rooms")];
    for (rest, list) in lists {
        let answer = api.get(&of_user(rest)).await;
        let is_empty = answer[list].as_array().is_none_or(Vec::is_empty);
        said.extend((!is_empty).then(|| answer.to_string()));
    }
    said
}

/// A client that is gone when it is dropped.
async fn client(server: SocketAddr, user: &str) -> Client {
    let mut client = Client::open(ClientTransport::WebSocket, server).await.unwrap();
    client.join(&format!(r#"{{"token":"{}"}}"#, token(user))).await.unwrap();
    client
}

/// The user is in all that there is.
async fn live(nodes: &Nodes) {
    let (one, two) = (nodes.api(0), nodes.api(1));
    let _tabs = [client(nodes.public(0), NAME).await, client(nodes.public(1), NAME).await];
    let resume = first(nodes.public(0), NAME).await;
    drop(enter(nodes.public(1), &json!({"resume": resume})).await.unwrap());
    assert_eq!(two.put(&format!("/v1/users/{NAME}/rooms/org:1"), &json!({})).await.0, 200);
    for index in 0..120 {
        let emit = json!({
            "to": {"users": [NAME, "bob"]}, "event": "n", "args": [index], "store": "always",
            "id": format!("m{index}"), "collapse_key": format!("k{index}"),
        });
        one.post("/v1/emit", &emit).await;
    }
    let asking = json!({
        "to": {"users": [NAME]}, "event": "n", "args": [], "ack": {"timeout": "5s"}
    });
    assert_eq!(two.post_once("/v1/emit", &asking, "its-name").await.0, 200);
    let of_bob = json!({"to": {"users": ["bob"]}, "event": "n", "args": []});
    assert_eq!(two.post_once("/v1/emit", &of_bob, "of-bob").await.0, 200);
    one.post(&format!("/v1/users/{NAME}/inbox/read"), &json!({"ids": ["m3"]})).await;
    for api in &nodes.apis {
        let user = api.get(&format!("/v1/users/{NAME}")).await;
        assert_eq!(user["state"], "online", "{user}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_names_a_user_who_was_erased_and_others_keep_what_they_have() {
    let nodes = Nodes::start_hooked_with(3, |it| all_on(&it)).await;
    let redis = nodes.redis.client().await;
    let listener = Listener::connect(nodes.public(2), "bob").await;
    live(&nodes).await;
    // Its clients are away, and might come back to their sessions; then it is kept out, and is not reached any more.
    assert_eq!(nodes.api(1).put(&format!("/v1/users/{NAME}/block"), &json!({})).await.0, 200);
    let lost = json!({
        "to": {"users": [NAME]}, "event": "n", "args": [1], "undelivered": "hook"
    });
    nodes.api(2).post("/v1/emit", &lost).await;
    let is_everywhere = async || {
        let kinds = kinds_with(&mut redis.clone(), NAME).await;
        // What is away, or in the log, goes by itself.
        KINDS.iter().all(|it| kinds.contains(*it))
    };
    eventually("all that there is names the user", PATIENCE, is_everywhere).await;

    let (status, answer) = nodes.api(0).delete(&format!("/v1/users/{NAME}")).await;
    assert_eq!((status, &answer["hooks_dropped"]), (200, &json!(0)), "{answer}\n{}", nodes.log());
    assert_eq!(nodes.receiver.story(NAME), ["on", "off", "off"], "hooks are sent first");
    for api in &nodes.apis {
        assert_eq!(said_by(api).await, Vec::<String>::new());
    }
    is_unknown_to_redis(&nodes).await;

    let bob = nodes.api(2).get("/v1/users/bob/inbox?limit=1000").await;
    assert_eq!(bob["items"].as_array().map(Vec::len), Some(120), "{bob}");
    assert_eq!(nodes.api(0).get("/v1/users/bob").await["state"], "online");
    assert!(listener.has_heard("n"));
    let (_, is_repeat, _) = nodes
        .api(0)
        .post_once(
            "/v1/emit",
            &json!({"to": {"users": ["bob"]}, "event": "n", "args": []}),
            "of-bob",
        )
        .await;
    assert!(is_repeat, "what others were answered is remembered");
    let page = nodes.api(1).get("/v1/events?after=1").await;
    assert!(!page.to_string().contains(NAME), "{page}");
    // Again, and of somebody whom nobody knows: nothing is left to do.
    assert_eq!(nodes.api(1).delete(&format!("/v1/users/{NAME}")).await.0, 200);
    // It may come again, like anybody new.
    let again = Listener::connect(nodes.public(2), NAME).await;
    let user = nodes.api(0).get(&format!("/v1/users/{}", again.user)).await;
    assert_eq!(user["sockets"].as_array().map(Vec::len), Some(1), "{user}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_that_cannot_be_sent_keep_a_user_from_being_erased_until_they_are_dropped() {
    let nodes = Nodes::start_hooked_with(2, |it| all_on(&it)).await;
    nodes.receiver.behave_for(NAME, Manner::Status(500));
    let with_token = json!({"token": token(NAME)});
    let (_first, resume) = enter(nodes.public(0), &with_token).await.unwrap();
    let _second = enter(nodes.public(1), &json!({"resume": resume})).await.unwrap();
    let mut redis = nodes.redis.client().await;
    assert!(kinds_with(&mut redis, NAME).await.contains("families"));
    let (status, answer) = nodes.api(0).delete(&format!("/v1/users/{NAME}")).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("conflict")), "{answer}");
    assert!(kinds_with(&mut redis, NAME).await.contains("events"), "nothing is erased");
    let (status, answer) = nodes.api(0).delete(&format!("/v1/users/{NAME}?undelivered=drop")).await;
    assert_eq!((status, &answer["hooks_dropped"]), (200, &json!(2)), "{answer}");
    is_unknown_to_redis(&nodes).await;
    // What the node that delivers had read of it is not sent any more.
    nodes.receiver.behave_for(NAME, Manner::Status(200));
    let other = Listener::connect(nodes.public(0), "bob").await;
    nodes.hears(&other.user, &["on"]).await;
    assert_eq!(nodes.receiver.story(NAME), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_answer_is_named_and_forgets_when_it_is_back() {
    // Long enough that nobody takes the node for gone.
    let patient = |it: String| it.replace("lease = \"8s\"", "lease = \"2m\"");
    let nodes = Nodes::start_on(Redis::start().await, 2, patient).await;
    let tab = client(nodes.public(1), NAME).await;
    nodes
        .api(1)
        .post("/v1/emit", &json!({"to": {"users": [NAME]}, "event": "n", "args": []}))
        .await;
    drop(tab);
    let lingers =
        async || nodes.api(0).get(&format!("/v1/users/{NAME}")).await["state"] == "lingering";
    eventually("its client is gone", PATIENCE, lingers).await;
    // Its visit and the emit are in the memory of the node that stands still now.
    assert_ne!(said_by(nodes.api(1)).await, Vec::<String>::new());
    nodes.signal(1, "-STOP").await;
    let (status, answer) = nodes.api(0).delete(&format!("/v1/users/{NAME}")).await;
    nodes.signal(1, "-CONT").await;
    let missing = answer["nodes_missing"].as_array().map(Vec::len);
    assert_eq!((status, missing), (202, Some(1)), "{answer}");
    let forgets = async || said_by(nodes.api(1)).await.is_empty();
    eventually("it forgets the user when it is back", PATIENCE, forgets).await;
    is_unknown_to_redis(&nodes).await;
}
