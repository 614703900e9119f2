//! Many nodes: what one of them says of all, whichever is asked.

use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::receiver::Manner;
use crate::rig::redis::Redis;
use crate::rig::server::HOOK_SECRET;
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_node_lists_all_with_what_they_do_and_names_one_that_is_silent() {
    let stream = Redis::start().await;
    let sections = format!(
        "\n[hooks]\nurl = \"http://127.0.0.1:9/\"\nsecret = \"{HOOK_SECRET}\"\nallow_private = true\n\
         [[ingest.redis_stream]]\nname = \"orders\"\nurl = \"{}\"\nstream = \"s\"\n",
        stream.url()
    );
    let nodes = Nodes::start_with(2, &sections).await;
    let _ann = Listener::connect(nodes.servers[0].public, "ann").await;
    let _bob = Listener::connect(nodes.servers[1].public, "bob").await;
    let _bob_too = Listener::connect(nodes.servers[1].public, "bob").await;
    // The name of each by its own word.
    let mut own = Vec::new();
    for api in &nodes.apis {
        let list = api.get("/v1/nodes").await;
        let here = list["nodes"].as_array().unwrap().iter().find(|it| it["here"] == true).unwrap();
        own.push(here["name"].as_str().unwrap().to_owned());
    }
    let mut sorted = own.clone();
    sorted.sort_unstable();

    for api in &nodes.apis {
        let takes_source = async || {
            let list = api.get("/v1/nodes").await;
            let has = |what: &str| {
                let nodes = list["nodes"].as_array().unwrap().iter();
                nodes.filter(|it| it[what].as_array().is_some_and(|it| it.len() == 1)).count() == 1
            };
            let seen = |it: &Value| it["last_sign_ms_ago"].is_u64();
            has("endpoints") && has("sources") && list["nodes"].as_array().unwrap().iter().all(seen)
        };
        eventually("somebody delivers and takes", PATIENCE, takes_source).await;
        let list = api.get("/v1/nodes").await;
        assert_eq!(names(&list["nodes"]), sorted, "{list}");
        for node in list["nodes"].as_array().unwrap() {
            let is_first = node["name"] == own[0];
            let expected = if is_first { (json!(1), json!(1)) } else { (json!(2), json!(1)) };
            assert_eq!((&node["sockets"], &node["users"]), (&expected.0, &expected.1), "{list}");
            assert_eq!(node["version"], env!("CARGO_PKG_VERSION"), "{list}");
            assert_eq!(
                (&node["draining"], node["host"].is_string()),
                (&json!(false), true),
                "{list}"
            );
            let incarnation = node["incarnation"].as_str().unwrap();
            assert!(incarnation.starts_with(node["name"].as_str().unwrap()), "{list}");
        }
        let ingest = api.get("/v1/ingest").await;
        let source = &ingest["sources"][0];
        assert_eq!(
            (&source["name"], &source["state"]),
            (&json!("orders"), &json!("active")),
            "{ingest}"
        );
        let takes = |it: &&Value| it["sources"] == json!(["orders"]);
        let taker = list["nodes"].as_array().unwrap().iter().find(takes).unwrap();
        assert_eq!(source["node"], taker["name"], "{ingest} {list}");
        assert_eq!(ingest["sources"].as_array().unwrap().len(), 1, "{ingest}");
    }

    nodes.servers[1].signal("-STOP").await;
    let list = nodes.apis[0].get("/v1/nodes").await;
    // Until the others take it for gone, Redis knows of it.
    let other = list["nodes"].as_array().unwrap().iter().find(|it| it["name"] == own[1].as_str());
    assert!(other.is_none_or(|it| it.get("sockets").is_none()), "{list}");
    assert!(other.is_none() || list["nodes_missing"] == json!([own[1]]), "{list}");
}

/// Of an emit to two sockets of ann and one of bob, and of one to dan, who says nothing.
async fn what_clients_said_is_known(nodes: &Nodes) {
    let asks = |users: Value, timeout: &str| json!({"to": {"users": users}, "event": "q", "ack": {"timeout": timeout}});
    let asked = nodes.apis[0].post("/v1/emit", &asks(json!(["ann", "bob"]), "30s")).await;
    let path = format!("/v1/messages/{}", asked["id"].as_str().unwrap());
    let message = nodes.apis[1].get(&path).await;
    let ack = &message["ack"];
    assert_eq!((&ack["state"], &ack["met"]), (&json!("ended"), &json!(true)), "{message}");
    assert_eq!((&ack["matched"], &ack["sent"], &ack["acked"]), (&json!(3), &json!(3), &json!(3)));
    let said = |it: &Value| it["acks"].as_array().unwrap().clone();
    assert_eq!(said(ack), said(&asked), "{message}");
    let waiting = asks(json!(["dan"]), "60s");
    let api = nodes.apis[0].clone();
    let tasks = userline::tasks::Tasks::new();
    tasks.spawn("emit", async move { drop(api.post_any("/v1/emit", &waiting).await) });
    let is_under_way = async || {
        let newest = nodes.apis[1].get("/v1/messages?limit=1").await["messages"][0].clone();
        let path = format!("/v1/messages/{}", newest["id"].as_str().unwrap());
        let ack = nodes.apis[1].get(&path).await["ack"].clone();
        ack["state"] == "under_way" && ack["matched"] == 1 && newest.get("acked").is_none()
    };
    eventually("it is waited for, and known whom it was for", PATIENCE, is_under_way).await;
}

#[tokio::test]
async fn what_was_emitted_and_who_was_here_is_known_whichever_node_is_asked() {
    // Whoever stands still is missing for long.
    let lasting = |it: String| it.replace("lease = \"8s\"", "lease = \"10m\"");
    let nodes = Nodes::start_on(Redis::start().await, 2, lasting).await;
    let [here, there] = [0, 1].map(|node| nodes.servers[node].public);
    let ann = Listener::connect(here, "ann").await;
    let ann_too = Listener::connect(there, "ann").await;
    let _bob = Listener::connect(there, "bob").await;
    let _dan = Listener::connect_silent(there, "dan").await;
    let join = json!({"to": {"users": ["bob"]}, "rooms": ["r"]});
    nodes.apis[0].post("/v1/sockets/join", &join).await;

    let mut emitted = Vec::new();
    for (node, to) in [
        (0, json!({"users": ["ann", "bob", "nobody"]})),
        (1, json!({"users": ["ann"]})),
        (0, json!({"rooms": ["r"]})),
        (1, json!({"all": true})),
    ] {
        let answer = nodes.apis[node].post("/v1/emit", &json!({"to": to, "event": "x"})).await;
        emitted.push((answer["id"].clone(), answer["matched"].clone(), answer["users"].clone()));
    }
    emitted.reverse();
    for api in &nodes.apis {
        let list = api.get("/v1/messages").await;
        let messages = list["messages"].as_array().unwrap();
        let counted = messages.iter().map(|it| (it["id"].clone(), it["matched"].clone()));
        let expected = emitted.iter().map(|(id, matched, _)| (id.clone(), matched.clone()));
        assert_eq!(counted.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{list}");
        assert!(messages.iter().all(|it| it["matched"] == it["sent"]), "{list}");
        let first = &messages[3]["users"];
        assert_eq!(first["ann"]["sent"], 2, "{list}");
        assert_eq!((&first["bob"]["sent"], &first["bob"]["state"]), (&json!(1), &json!("online")));
        assert_eq!(first["nobody"]["matched"], 0, "{list}");
        // Bob is in the room on the other node than the one that was asked for the emit.
        let of_bob = api.get("/v1/messages?user=bob&limit=2").await;
        let ids: Vec<&Value> =
            of_bob["messages"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
        assert_eq!(ids, [&emitted[0].0, &emitted[1].0], "{of_bob}");
    }

    what_clients_said_is_known(&nodes).await;
    nodes.apis[1].post("/v1/users/ann/disconnect", &json!({})).await;
    ann.is_disconnected().await;
    ann_too.is_disconnected().await;
    for api in &nodes.apis {
        let history = api.get("/v1/users/ann/history").await;
        let sockets = history["sockets"].as_array().unwrap();
        let mut ids: Vec<&str> = sockets.iter().map(|it| it["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        let mut expected = [ann.id.as_str(), ann_too.id.as_str()];
        expected.sort_unstable();
        assert_eq!(ids, expected, "{history}");
        assert!(sockets.iter().all(|it| it["reason"] == "kicked"), "{history}");
        assert_eq!(history["messages"].as_array().unwrap().len(), 4, "{history}");
    }

    nodes.servers[1].signal("-STOP").await;
    let (list, nothing, history) = tokio::join!(
        nodes.apis[0].get("/v1/messages"),
        nodes.apis[0].get("/v1/messages/msg_AAAAAAAAAAAAAAAAAAAA"),
        nodes.apis[0].get("/v1/users/ann/history"),
    );
    for answer in [&list, &nothing, &history] {
        assert_eq!(answer["nodes_missing"].as_array().map(Vec::len), Some(1), "{answer}");
    }
    assert_eq!(list["messages"].as_array().unwrap().len(), 4, "those of this node: {list}");
}

/// All that was told after an event, a page of two at each node in turn, and whether something was missing.
async fn pulled(nodes: &Nodes, mut after: u64) -> (Vec<(u64, String, String)>, bool, u64) {
    let (mut all, mut is_gap) = (Vec::new(), false);
    for api in nodes.apis.iter().cycle() {
        let (path, mut page) = (format!("/v1/events?after={after}&limit=2"), Value::Null);
        // A node that has just lost what Redis had says so.
        let is_answered = async || {
            page = api.get(&path).await;
            page["error"]["code"] != "unavailable"
        };
        eventually("the node is in the cluster", PATIENCE, is_answered).await;
        is_gap |= page["gap"].as_bool().unwrap();
        after = page["next"].as_u64().unwrap();
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            break;
        }
        for event in events {
            let text = |it: &Value| it.as_str().unwrap().to_owned();
            let (kind, user) = (text(&event["body"]["type"]), text(&event["body"]["data"]["user"]));
            assert!(event["webhook_id"].as_str().unwrap().starts_with("pr_"), "{event}");
            all.push((event["id"].as_u64().unwrap(), kind, user));
        }
    }
    (all, is_gap, after)
}

#[tokio::test]
async fn what_changed_is_pulled_from_any_node_by_one_cursor_and_a_loss_is_said() {
    let nodes = Nodes::start(2).await;
    let begin = nodes.apis[1].get("/v1/users").await["events_after"].as_u64().unwrap();
    assert_eq!(begin, 0);
    let mut expected = Vec::new();
    for (node, user) in [(0, "ann"), (1, "bob"), (0, "cem")] {
        let _client = Listener::connect(nodes.servers[node].public, user).await;
        expected.push(("user.online".to_owned(), user.to_owned()));
        let has_come = async || pulled(&nodes, begin).await.0.len() == expected.len();
        eventually("it is told of", PATIENCE, has_come).await;
        nodes.apis[1 - node].post(&format!("/v1/users/{user}/disconnect"), &json!({})).await;
        expected.push(("user.offline".to_owned(), user.to_owned()));
        let has_gone = async || pulled(&nodes, begin).await.0.len() == expected.len();
        eventually("it is told of", PATIENCE, has_gone).await;
    }
    let (all, is_gap, end) = pulled(&nodes, begin).await;
    assert!(!is_gap);
    assert!(all.is_sorted_by(|a, b| a.0 < b.0), "{all:?}");
    assert_eq!(all.iter().map(|it| (it.1.clone(), it.2.clone())).collect::<Vec<_>>(), expected);
    for api in &nodes.apis {
        let ann = api.get("/v1/users/ann").await;
        assert_eq!(
            (&ann["state"], ann["last_seen"].is_string()),
            (&json!("offline"), true),
            "{ann}"
        );
        let list = api.get("/v1/users").await;
        assert_eq!(list["events_after"], end, "{list}");
    }

    nodes.redis.say(&["FLUSHALL"]).await;
    let _dan = Listener::connect(nodes.servers[1].public, "dan").await;
    let is_told = async || {
        let (new, is_gap, _) = pulled(&nodes, end).await;
        is_gap && new.iter().any(|it| it.1 == "user.online" && it.2 == "dan")
    };
    eventually("the puller hears of the loss, and of what came after", PATIENCE, is_told).await;
}

#[tokio::test]
async fn dead_letters_are_listed_and_sent_again_by_whichever_node_is_asked() {
    // Nobody goes meanwhile, and an answer may take long.
    let once = |it: String| {
        it.replace("[hooks]\n", "[hooks]\nreject_after = 1\n")
            .replace("\ntimeout = \"1s\"", "\ntimeout = \"30s\"")
            .replace("ping_timeout = \"1s\"", "ping_timeout = \"1m\"")
            .replace("\ngrace = \"1000ms\"", "\ngrace = \"1m\"")
            .replace("lease = \"3000ms\"", "lease = \"1m\"")
    };
    let nodes = Nodes::start_hooked_with(2, once).await;
    nodes.receiver.behave(Manner::Status(422));
    let _ann = Listener::connect(nodes.servers[0].public, "ann").await;
    let _bob = Listener::connect(nodes.servers[1].public, "bob").await;
    let dead = async |node: usize| {
        let list = nodes.apis[node].get("/v1/hooks/deliveries?state=dead").await;
        list["deliveries"].as_array().unwrap().clone()
    };
    let are_dead = async || dead(0).await.len() == 2;
    eventually("both are given up", PATIENCE, are_dead).await;
    let letters = dead(1).await;
    assert_eq!(letters, dead(0).await);
    for letter in &letters {
        assert_eq!(
            (&letter["attempts"], &letter["state"]),
            (&json!(1), &json!("dead")),
            "{letter}"
        );
        assert_eq!(
            (&letter["type"], &letter["error"]),
            (&json!("user.online"), &json!("status 422"))
        );
        let time = |name: &str| letter[name].as_str().unwrap_or_default().to_owned();
        let (created, ended) = (time("created_at"), time("ended_at"));
        assert!(!created.is_empty() && created <= ended, "{letter}");
    }
    let of_bob = nodes.apis[0].get("/v1/hooks/deliveries?user=bob").await;
    assert_eq!(of_bob["deliveries"].as_array().unwrap().len(), 1, "{of_bob}");
    let path = format!("/v1/hooks/deliveries/{}", of_bob["deliveries"][0]["id"]);
    let bob = nodes.apis[1].get(&path).await;
    assert_eq!(
        (&bob["user"], &bob["body"]["data"]["user"]),
        (&json!("bob"), &json!("bob")),
        "{bob}"
    );
    let ended_well = nodes.apis[0].get("/v1/hooks/deliveries?state=delivered").await;
    assert_eq!(ended_well["deliveries"], json!([]), "{ended_well}");

    nodes.receiver.behave(Manner::Status(200));
    // Of these two one does not deliver.
    let unknown = nodes.apis[0].post_any("/v1/hooks/deliveries/7/replay", &json!({})).await;
    assert_eq!(unknown.0, 404, "{}", unknown.1);
    let again = nodes.apis[1].post(&format!("{path}/replay"), &json!({})).await;
    assert_eq!(again["state"], "pending", "{again}");
    let has_bob = async || nodes.receiver.accepted("bob").len() == 1;
    eventually("it is sent again", PATIENCE, has_bob).await;
    assert_eq!(nodes.receiver.accepted("bob")[0].id, bob["webhook_id"].as_str().unwrap());
    assert_eq!(dead(0).await.len(), 1);
    assert_eq!(nodes.receiver.accepted("ann").len(), 0);
    let rest = nodes.apis[0].post("/v1/hooks/replay", &json!({"endpoint": "default"})).await;
    assert_eq!((&rest["replayed"], &rest["more"]), (&json!(1), &json!(false)), "{rest}");
    let has_all = async || {
        let waiting = nodes.apis[1].get("/v1/hooks/deliveries").await;
        nodes.receiver.accepted("ann").len() == 1 && waiting["deliveries"] == json!([])
    };
    eventually("the rest is sent, too", PATIENCE, has_all).await;
    assert_eq!(dead(1).await, Vec::<Value>::new());
    assert_eq!(nodes.receiver.accepted("bob").len(), 1, "each was sent again once");
}
