//! Clients that come back without credentials, over nodes: each of their tokens is exchanged once, whichever node is asked.

use crate::rig::eventually;
use crate::rig::nodes::{Nodes, PATIENCE};
use crate::rig::server::token;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::SocketAddr;
use userline::client::{Client, ClientTransport};

/// Nodes that give resume tokens. Clients that are only held answer no pings.
pub(crate) fn resuming(configuration: &str) -> String {
    configuration.replace("[cluster]\n", "[cluster]\nsecret = \"of-production-0123\"\n")
        + "[sessions]\nresume_ttl = \"10m\"\n"
}

async fn nodes(count: usize) -> Nodes {
    let quiet = |it: String| resuming(&it) + "[socketio]\nping_interval = \"5m\"\n";
    let redis = crate::rig::redis::Redis::start().await;
    Nodes::start_on(redis, count, quiet).await
}

/// A client that came in, with its next token; or the code with which it was refused; nothing if it shall come again.
pub(crate) async fn enter(server: SocketAddr, auth: &Value) -> Result<(Client, String), String> {
    let again = |_| String::new();
    let mut client = Client::open(ClientTransport::WebSocket, server).await.map_err(again)?;
    match client.join(&auth.to_string()).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let refusal: Value = serde_json::from_str(&error.to_string()).unwrap();
            return Err(refusal["data"]["code"].as_str().unwrap_or_default().to_owned());
        }
        Err(error) => return Err(again(error)),
    }
    loop {
        let packet = client.receive().await.map_err(again)?;
        let Some(event) = packet.strip_prefix("42") else { continue };
        let event: Value = serde_json::from_str(event).unwrap();
        if event[0] == "userline:session" {
            let resume = event[1]["resume"].as_str().unwrap_or_else(|| panic!("{event}"));
            return Ok((client, resume.to_owned()));
        }
    }
}

/// A client with credentials; returns its first resume token.
pub(crate) async fn first(server: SocketAddr, user: &str) -> String {
    enter(server, &json!({"token": token(user)})).await.unwrap().1
}

/// What becomes of a client that brings a token, when it is known.
async fn with(server: SocketAddr, resume: &str) -> Result<String, String> {
    let mut became = Err(String::new());
    let is_known = async || {
        became = enter(server, &json!({"resume": resume})).await.map(|it| it.1);
        !matches!(&became, Err(code) if code.is_empty() || code.contains("unavailable"))
    };
    eventually("the token counts, or does not", PATIENCE, is_known).await;
    became
}

fn refused(code: &str) -> Result<String, String> {
    Err(code.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_counts_once_on_whichever_node_and_a_thief_ends_all_that_came_of_it() {
    let nodes = nodes(2).await;
    let [one, two] = [nodes.public(0), nodes.public(1)];
    let first_of_ann = first(one, "ann").await;
    let second = with(two, &first_of_ann).await.unwrap();
    let third = with(one, &second).await.unwrap();
    assert_ne!(second, third);
    // It was exchanged before the one that is out now, so its answer was not lost: somebody else has it.
    assert_eq!(with(two, &first_of_ann).await, refused("resume_reused"));
    assert_eq!(with(one, &third).await, refused("resume_revoked"));
    assert_eq!(with(two, &third).await, refused("resume_revoked"));
    // The owner comes with credentials.
    let again = first(two, "ann").await;
    assert!(with(one, &again).await.is_ok());

    // All nodes at once: one exchange, and the others are told the same.
    let race = first(one, "bob").await;
    let (here, there) = tokio::join!(with(one, &race), with(two, &race));
    let (here, there) = (here.unwrap(), there.unwrap());
    let next = with(two, &here).await.unwrap();
    assert!(with(one, &there).await.is_ok(), "both have the same one, which counts for a while");
    assert!(with(two, &next).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_logged_out_on_one_node_needs_credentials_on_all() {
    let nodes = nodes(2).await;
    let [one, two] = [nodes.public(0), nodes.public(1)];
    let unused = first(one, "ann").await;
    let used = with(two, &first(one, "ann").await).await.unwrap();
    let of_bob = first(two, "bob").await;
    nodes.api(1).post("/v1/users/ann/logout", &json!({})).await;
    for token in [&unused, &used] {
        assert_eq!(with(one, token).await, refused("resume_revoked"));
    }
    assert!(with(one, &of_bob).await.is_ok());

    // One client of several, by what names its tokens.
    let (_held, _) = enter(one, &json!({"token": token("cem")})).await.unwrap();
    let (_other, other) = enter(two, &json!({"token": token("cem")})).await.unwrap();
    let user = nodes.api(1).get("/v1/users/cem").await;
    let family = user["sockets"][0]["family"].as_str().unwrap_or_else(|| panic!("{user}"));
    let families: Vec<_> = user["sockets"].as_array().unwrap().iter().collect();
    assert_eq!(families.len(), 2, "{user}");
    let answer = nodes.api(1).post("/v1/users/cem/logout", &json!({"family": family})).await;
    assert_eq!(answer["disconnected"], 1, "{answer}");
    let left = nodes.api(0).get("/v1/users/cem").await;
    assert_eq!(left["sockets"].as_array().map(Vec::len), Some(1), "{left}");
    let is_in = with(one, &other).await.is_ok();
    assert_eq!(is_in, left["sockets"][0]["family"] != json!(family), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_a_client_keeps_its_token_and_what_redis_has_lost_does_not_count() {
    let mut nodes = nodes(2).await;
    let [one, two] = [nodes.public(0), nodes.public(1)];
    let kept = first(one, "ann").await;
    nodes.redis.stop();
    let refused_for_now = enter(two, &json!({"resume": kept})).await;
    assert!(
        refused_for_now.as_ref().is_err_and(|it| it.is_empty() || it.contains("unavailable")),
        "{refused_for_now:?}"
    );
    nodes.redis.run().await;
    let second = with(two, &kept).await.unwrap();

    nodes.redis.say(&["FLUSHALL"]).await;
    for token in [&kept, &second] {
        assert_eq!(with(one, token).await, refused("resume_revoked"));
        assert_eq!(with(two, token).await, refused("resume_revoked"));
    }
    let anew = first(one, "ann").await;
    assert!(with(two, &anew).await.is_ok());
}
