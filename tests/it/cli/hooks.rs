//! Tools for whoever writes a receiver: `hooks verify` and `hooks listen`.

use super::{DEADLINE, end_of, userline};
use crate::rig::eventually;
use crate::rig::receiver::Manner;
use crate::rig::server::KEY;
use crate::rig::stage::Stage;
use std::fs;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;
use userline::clock::Clock;
use userline::core::backend::signature::{parse_secret, sign};
use userline::types::Seq;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
const BODY: &str = r#"{"type":"user.offline","timestamp":"2026-01-01T00:00:00.000Z","data":{"user":"ann","seq":2,"reason":"transport_close"}}"#;

fn signed(timestamp_s: u64) -> String {
    sign(&[parse_secret(SECRET).unwrap()], "pr_1", timestamp_s, BODY.as_bytes())
}

fn now_s() -> u64 {
    Clock::start(Seq(0)).wall().0 / 1000
}

#[tokio::test]
async fn a_signature_is_checked_without_any_server() {
    let dir = tempfile::tempdir().unwrap();
    let (body, changed) = (dir.path().join("body"), dir.path().join("changed"));
    fs::write(&body, BODY).unwrap();
    fs::write(&changed, format!("{BODY}\n")).unwrap();
    let verify = async |file: &str, at: u64, more: &[&str]| {
        let (timestamp, signature) = (at.to_string(), signed(at));
        let mut command = userline(&["hooks", "verify", "--id", "pr_1", "--timestamp", &timestamp]);
        command.args(["--signature", &signature]).args(more).arg(file);
        command.env("USERLINE_HOOK_SECRET", SECRET);
        end_of(command).await
    };
    let (body, changed) = (body.to_str().unwrap(), changed.to_str().unwrap());

    let good = verify(body, now_s(), &[]).await;
    let old = verify(body, now_s() - 3600, &[]).await;
    let old_enough = verify(body, now_s() - 3600, &["--tolerance", "2h"]).await;
    let other = verify(changed, now_s(), &[]).await;

    assert_eq!((good.code, good.out.as_str()), (Some(0), "the signature is good\n"));
    assert_eq!(old.code, Some(1), "{}", old.err);
    assert_eq!(old_enough.code, Some(0), "{}", old_enough.err);
    assert_eq!(other.code, Some(1), "{}", other.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_of_a_real_server_are_shown_with_the_time_of_the_next_attempt() {
    let stage = Stage::start().await;
    stage.receiver.behave(Manner::Status(500));
    let ann = stage.tab("ann", crate::rig::client::Transport::WebSocket);
    ann.come();
    let api = stage.api();
    let run = async |more: &[&str]| {
        let mut command = userline(&["hooks", "deliveries", "--url", api.url()]);
        command.args(more).env("USERLINE_KEY", KEY);
        let ended = end_of(command).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out
    };

    let mut shown = String::new();
    eventually("it fails", DEADLINE, async || {
        shown = run(&["--state", "failing", "--user", "ann"]).await;
        shown.lines().count() == 2
    })
    .await;

    let row: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
    let [_, endpoint, state, kind, user, attempts, next, error, status] = row[..] else {
        panic!("{shown}");
    };
    assert_eq!([endpoint, state, kind, user], ["default", "failing", "user.online", "ann"]);
    assert!(1 <= attempts.parse::<u32>().unwrap(), "{shown}");
    assert!(humantime::parse_rfc3339(next).is_ok(), "{shown}");
    assert_eq!([error, status], ["status", "500"]);
    assert_eq!(run(&["--user", "bob"]).await.lines().count(), 1, "only the heads");
}

#[tokio::test]
async fn json_output_is_hooks_only_and_the_address_is_told_beside_it() {
    let mut command = userline(&["hooks", "listen", "--port", "0", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program is there");
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = timeout(DEADLINE, notes.next_line()).await.unwrap().unwrap().unwrap();
    let url = told.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    client.post(url).header("webhook-id", "pr_1").body(BODY).send().await.unwrap();

    let first = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["headers"]["webhook-id"], "pr_1");
    assert_eq!(first["body"]["data"]["user"], "ann");
    child.kill().await.unwrap();
}

/// A body that no JSON parser writes again as it was.
#[tokio::test]
async fn the_raw_body_of_json_output_can_be_verified() {
    let body = r#"{"type":"user.offline", "data":{"user":"ann","amount":1.50,"big":12345678901234567890123}}"#;
    let at = now_s();
    let signature = sign(&[parse_secret(SECRET).unwrap()], "pr_1", at, body.as_bytes());
    let mut command = userline(&["hooks", "listen", "--port", "0", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program is there");
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = timeout(DEADLINE, notes.next_line()).await.unwrap().unwrap().unwrap();
    let url = told.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.post(url).header("webhook-id", "pr_1").body(body).send().await.unwrap();
    let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("body");
    fs::write(&file, line["raw"].as_str().unwrap()).unwrap();

    let at = at.to_string();
    let mut verify = userline(&["hooks", "verify", "--id", "pr_1", "--timestamp", &at]);
    verify.args(["--signature", &signature]).arg(file).env("USERLINE_HOOK_SECRET", SECRET);
    let verified = end_of(verify).await;

    assert_eq!(verified.code, Some(0), "{}", verified.err);
    child.kill().await.unwrap();
}

#[tokio::test]
async fn a_wrong_secret_is_not_repeated() {
    let mut command = userline(&["hooks", "listen", "--port", "0"]);
    command.env("USERLINE_HOOK_SECRET", "hush-hush");

    let ended = end_of(command).await;

    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("must be `whsec_`") && !ended.err.contains("hush"), "{}", ended.err);
}

#[tokio::test]
async fn hooks_are_printed_as_they_arrive_and_forged_ones_refused() {
    let mut command = userline(&["hooks", "listen", "--port", "0"]);
    command.env("USERLINE_HOOK_SECRET", SECRET).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program is there");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let first = next().await;
    let url = first.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
    let client = client.unwrap();
    let post = async |timestamp_s: u64, signature: String| {
        let request = client
            .post(format!("{url}hook"))
            .header("webhook-id", "pr_1")
            .header("webhook-timestamp", timestamp_s.to_string())
            .header("webhook-signature", signature)
            .body(BODY);
        request.send().await.unwrap().status().as_u16()
    };
    let now = now_s();

    let good = post(now, signed(now)).await;
    let good_line = next().await;
    let forged = post(now, "v1,AAAA".to_owned()).await;
    let forged_line = next().await;

    assert_eq!(good, 204);
    let expected = "2026-01-01T00:00:00.000Z  user.offline  ann  seq 2  reason transport_close  \
                    id pr_1  [verified]";
    assert_eq!(good_line, expected);
    assert_eq!(forged, 401);
    assert!(forged_line.contains("[REFUSED: no `v1` signature"), "{forged_line}");
    child.kill().await.unwrap();
}
