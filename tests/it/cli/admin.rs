//! Commands over the admin API, against a server that only writes down what it is asked.

use super::{Ended, SECRET, end_of, run, text, userline};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use parking_lot::Mutex;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use userline::tasks::Tasks;

#[derive(Debug, Clone, PartialEq)]
struct Asked {
    line: String,
    key: String,
    body: String,
}

struct Admin {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    tasks: Tasks,
}

impl Admin {
    /// A server that gives these answers, one after the other.
    async fn start(answers: &[(u16, &str)]) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let answers: Vec<(u16, String)> =
            answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let key = headers.get("authorization").and_then(|value| value.to_str().ok());
            let mut log = log.lock();
            log.push(Asked {
                line: format!("{method} {uri}"),
                key: key.unwrap_or_default().to_owned(),
                body: String::from_utf8(body.to_vec()).unwrap(),
            });
            let (status, body) = answers[log.len() - 1].clone();
            async move { (StatusCode::from_u16(status).unwrap(), body) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tasks = Tasks::new();
        tasks.spawn("admin", async move {
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
        Self { url, asked, tasks }
    }

    async fn run(&self, args: &[&str]) -> Ended {
        let mut command = userline(args);
        command.args(["--url", &self.url]).env("USERLINE_KEY", "a-key");
        end_of(command).await
    }

    /// Everything that was asked; nothing more can be.
    async fn end(self) -> Vec<Asked> {
        assert!(self.tasks.stop(Duration::from_secs(5)).await);
        std::mem::take(&mut *self.asked.lock())
    }
}

fn asked(line: &str, body: &str) -> Asked {
    Asked { line: line.to_owned(), key: "Bearer a-key".to_owned(), body: body.to_owned() }
}

#[tokio::test]
async fn emit_sends_what_was_typed_and_prints_what_came_of_it() {
    let reply = r#"{"id":"msg_1","matched":2,"sent":1,"users":{"42":{"state":"online","matched":2,"sent":1}}}"#;
    let admin = Admin::start(&[(200, reply), (200, reply)]).await;

    let data = r#"{"id":1.0,"big":12345678901234567890}"#;
    let people = admin.run(&["emit", "--user", "42", "order:paid", data]).await;
    let to = ["--room", "a", "--room", "b", "--socket", "s", "--except-user", "1"];
    let how = ["--except-device", "d", "--namespace", "/chat", "--volatile", "--json"];
    let what = ["e", "-1", "null"];
    let machines = admin.run(&[&["emit"][..], &to, &how, &what].concat()).await;

    assert_eq!(people.code, Some(0), "{}", people.err);
    assert_eq!(people.out, "matched 2, sent 1\n  42: online, matched 2, sent 1\n");
    assert_eq!(machines.out, format!("{reply}\n"));
    let bodies = [
        r#"{"to":{"users":["42"]},"event":"order:paid","args":[{"id":1.0,"big":12345678901234567890}]}"#,
        r#"{"namespace":"/chat","to":{"rooms":["a","b"],"sockets":["s"]},"except":{"users":["1"],"devices":["d"]},"event":"e","args":[-1,null],"volatile":true}"#,
    ];
    assert_eq!(admin.end().await, bodies.map(|body| asked("POST /v1/emit", body)));
}

#[tokio::test]
async fn emit_prints_who_acked_and_who_did_not() {
    let reply = r#"{"id":"msg_1","matched":2,"sent":2,"users":{},"acked":1,"met":false,"acks":[{"user":"42","socket":"s1","ms":12,"args":["ok",{"n":1}]}],"missing":[{"user":"7","socket":"s2","why":"timeout"},{"user":"8","why":"offline"}]}"#;
    let admin = Admin::start(&[(200, reply), (200, reply)]).await;

    let all = admin.run(&["emit", "--all", "--ack", "3s", "e"]).await;
    let any = ["emit", "--all", "--ack", "3s", "--need", "any", "--binary", "e"];
    let any = admin.run(&any).await;
    let alone = admin.run(&["emit", "--all", "--need", "any", "e"]).await;

    let expected = "matched 2, sent 2\nacked 1\n  42 s1: 12 ms, [\"ok\",{\"n\":1}]\nmissing 2\n  7 s2: timeout\n  8: offline\n";
    assert_eq!((all.code, all.out.as_str()), (Some(0), expected), "{}", all.err);
    assert_eq!(any.code, Some(0), "{}", any.err);
    assert_ne!(alone.code, Some(0), "--need without --ack means nothing");
    let bodies = [
        r#"{"to":{"all":true},"event":"e","args":[],"ack":{"timeout":"3s"}}"#,
        r#"{"to":{"all":true},"event":"e","args":[],"binary":true,"ack":{"timeout":"3s","need":"any"}}"#,
    ];
    assert_eq!(admin.end().await, bodies.map(|body| asked("POST /v1/emit", body)));
}

#[tokio::test]
async fn emit_stores_what_must_not_be_lost_and_prints_where_it_is() {
    let user = |seq: u64, duplicate: bool| {
        let inbox = format!(r#"{{"seq":{seq},"id":"order-7","duplicate":{duplicate}}}"#);
        let counts = r#""state":"offline","matched":0,"sent":0"#;
        format!(
            r#"{{"id":"msg_1","matched":0,"sent":0,"users":{{"42":{{{counts},"inbox":{inbox}}}}}}}"#
        )
    };
    let admin = Admin::start(&[(200, &user(7, false)), (200, &user(7, true))]).await;

    let all = ["--store", "always", "--id", "order-7", "--ttl", "7d", "--collapse-key", "o"];
    let first = admin.run(&[&["emit", "--user", "42"], &all[..], &["e"]].concat()).await;
    let again = admin.run(&["emit", "--user", "42", "--store", "if_offline", "e"]).await;
    let alone = admin.run(&["emit", "--user", "42", "--ttl", "7d", "e"]).await;

    let line = "matched 0, sent 0\n  42: offline, matched 0, sent 0, inbox 7 (order-7";
    assert_eq!(first.out, format!("{line})\n"), "{}", first.err);
    assert_eq!(again.out, format!("{line}, was there already)\n"), "{}", again.err);
    assert_eq!(alone.code, Some(2), "--ttl without --store means nothing");
    let bodies = [
        r#"{"to":{"users":["42"]},"event":"e","args":[],"store":"always","ttl":"7d","id":"order-7","collapse_key":"o"}"#,
        r#"{"to":{"users":["42"]},"event":"e","args":[],"store":"if_offline"}"#,
    ];
    assert_eq!(admin.end().await, bodies.map(|body| asked("POST /v1/emit", body)));
}

#[tokio::test]
async fn users_are_listed_page_by_page_up_to_the_limit() {
    let page = |user: &str, next: &str| {
        format!(
            r#"{{"users":[{{"user":"{user}","state":"online","since":"2026-01-01T00:00:00Z","sockets":2}}],"next":{next}}}"#
        )
    };
    let pages = [page("ann", "\"c 1\""), page("ben", "\"c2\""), page("ann", "\"c\"")];
    let answers = pages.iter().map(|page| (200, page.as_str()));
    let admin = Admin::start(&answers.collect::<Vec<_>>()).await;

    let people = admin.run(&["users", "--limit", "2", "--state", "online"]).await;
    let machines = admin.run(&["users", "--limit", "1", "--json"]).await;

    assert_eq!(people.code, Some(0), "{}", people.err);
    let expected = "USER  STATE   SINCE                 SOCKETS\n\
                    ann   online  2026-01-01T00:00:00Z  2\n\
                    ben   online  2026-01-01T00:00:00Z  2\n\
                    … there are more: --limit\n";
    assert_eq!(people.out, expected);
    assert_eq!(machines.out, format!("{}\n", pages[2]));
    let lines = [
        "GET /v1/users?limit=2&state=online",
        "GET /v1/users?limit=1&state=online&cursor=c+1",
        "GET /v1/users?limit=1",
    ];
    assert_eq!(admin.end().await, lines.map(|line| asked(line, "")));
}

#[tokio::test]
async fn names_in_paths_may_hold_anything() {
    let admin = Admin::start(&[
        (200, r#"{"user":"a/b?c","state":"offline","sockets":[]}"#),
        (200, r#"{"user":"ä b","disconnected":3}"#),
    ])
    .await;

    let user = admin.run(&["user", "a/b?c"]).await;
    let kick = admin.run(&["kick", "ä b", "--reason", "banned", "--keep-grace"]).await;
    let step = admin.run(&["kick", ".."]).await;

    assert_eq!(user.out, "user       a/b?c\nstate      offline\nno sockets\n", "{}", user.err);
    assert_eq!(kick.out, "ä b: 3 sockets disconnected\n");
    assert_eq!(step.code, Some(2), "{}", step.err);
    let kicked = "POST /v1/users/%C3%A4%20b/disconnect";
    let expected =
        [asked("GET /v1/users/a%2Fb%3Fc", ""), asked(kicked, r#"{"now":false,"reason":"banned"}"#)];
    assert_eq!(admin.end().await, expected);
}

#[tokio::test]
async fn users_are_blocked_and_let_in_again() {
    let blocked = r#"{"user":"ann","disconnected":2,"sockets":["a","b"],"block":{"reason":"spam","by":"k","since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}}"#;
    let list = r#"{"blocks":[{"user":"ann","reason":null,"by":"k","since":"2026-01-01T00:00:00Z","until":null}],"next":null}"#;
    let admin = Admin::start(&[
        (200, blocked),
        (200, r#"{"user":"ann","lifted":true}"#),
        (200, r#"{"user":"ann","lifted":false}"#),
        (200, list),
    ])
    .await;

    let block = admin.run(&["block", "ann", "--for", "1h", "--reason", "spam"]).await;
    let unblock = admin.run(&["unblock", "ann"]).await;
    let again = admin.run(&["unblock", "ann"]).await;
    let blocks = admin.run(&["blocks"]).await;

    let until = "ann: blocked until 2026-01-02T00:00:00Z, 2 sockets disconnected\n";
    assert_eq!(block.out, until, "{}", block.err);
    assert_eq!(unblock.out, "ann: not blocked any more\n");
    assert_eq!(again.out, "ann: was not blocked\n");
    let table = "USER  SINCE                 UNTIL  BY  REASON\n\
                 ann   2026-01-01T00:00:00Z  -      k   -\n";
    assert_eq!(blocks.out, table, "{}", blocks.err);
    let expected = [
        asked("PUT /v1/users/ann/block", r#"{"for":"1h","reason":"spam"}"#),
        asked("DELETE /v1/users/ann/block", ""),
        asked("DELETE /v1/users/ann/block", ""),
        asked("GET /v1/blocks?limit=100", ""),
    ];
    assert_eq!(admin.end().await, expected);
}

#[tokio::test]
async fn a_user_is_logged_out_and_its_tokens_revoked() {
    let revoked =
        r#"{"user":"ann","disconnected":1,"sockets":["s"],"not_before":"2026-01-01T00:00:00Z"}"#;
    let admin = Admin::start(&[
        (200, r#"{"user":"ann","disconnected":2,"sockets":["s","t"]}"#),
        (200, r#"{"user":"ann","disconnected":1,"sockets":["s"]}"#),
        (200, revoked),
        (200, revoked),
        (200, r#"{"user":"ann","lifted":true}"#),
    ])
    .await;
    let family = "8f14e45fceea167a5a36dedd4bea2543";

    let everywhere = admin.run(&["logout", "ann"]).await;
    let there = admin.run(&["logout", "ann", "--family", family, "--reason", "lost"]).await;
    let now = admin.run(&["revoke", "ann"]).await;
    let since = admin.run(&["revoke", "ann", "--before", "2026-01-01T00:00:00Z"]).await;
    let undo = admin.run(&["revoke", "ann", "--undo"]).await;

    assert_eq!(everywhere.out, "ann: logged out, 2 sockets disconnected\n", "{}", everywhere.err);
    assert_eq!(there.out, "ann: logged out, 1 sockets disconnected\n");
    let line = "ann: tokens count from 2026-01-01T00:00:00Z on, 1 sockets disconnected\n";
    assert_eq!((now.out.as_str(), since.out.as_str()), (line, line));
    assert_eq!(undo.out, "ann: every token counts\n");
    let expected = [
        asked("POST /v1/users/ann/logout", "{}"),
        asked("POST /v1/users/ann/logout", &format!(r#"{{"family":"{family}","reason":"lost"}}"#)),
        asked("PUT /v1/users/ann/not_before", "{}"),
        asked("PUT /v1/users/ann/not_before", r#"{"at":"2026-01-01T00:00:00Z"}"#),
        asked("DELETE /v1/users/ann/not_before", ""),
    ];
    assert_eq!(admin.end().await, expected);
}

#[tokio::test]
async fn a_user_is_erased() {
    let reply = r#"{"user":"ann","disconnected":2,"hooks_dropped":1}"#;
    let admin = Admin::start(&[(200, reply), (200, reply)]).await;

    let people = admin.run(&["erase", "ann", "--drop-hooks"]).await;
    let machines = admin.run(&["erase", "ann", "--json"]).await;

    let expected = "ann: erased, 2 sockets disconnected, 1 hooks dropped\n";
    assert_eq!(people.out, expected, "{}", people.err);
    assert_eq!(machines.out, format!("{reply}\n"));
    let lines = ["DELETE /v1/users/ann?undelivered=drop", "DELETE /v1/users/ann"];
    assert_eq!(admin.end().await, lines.map(|line| asked(line, "")));
}

#[tokio::test]
async fn one_user_is_shown_with_its_sockets() {
    let reply = r#"{"user":"ann","state":"online","since":"2026-01-01T00:00:00Z","session":7,"sockets":[{"id":"s1","namespace":"/","transport":"websocket","address":"10.0.0.1","connected_at":"2026-01-01T00:00:00Z","rooms":["org:7","s1"],"user_agent":null}]}"#;
    let admin = Admin::start(&[(200, reply)]).await;

    let ended = admin.run(&["user", "ann"]).await;

    let last = "s1      /          websocket  10.0.0.1  2026-01-01T00:00:00Z  org:7,s1  -";
    assert_eq!(ended.out.lines().last(), Some(last), "{}", ended.out);
    assert!(ended.out.starts_with("user       ann\nstate      online\n"), "{}", ended.out);
}

#[tokio::test]
async fn nodes_are_listed_and_those_that_are_missing_are_named() {
    let nodes = r#"{"nodes":[{"name":"na","here":true,"host":"web-1","version":"0.1.0","started_at":"2026-01-01T00:00:00Z","sockets":3,"users":2,"draining":false,"endpoints":["default"],"sources":[]},{"name":"nb","here":false,"last_sign_ms_ago":9000}],"nodes_missing":["nb"]}"#;
    let admin = Admin::start(&[(200, nodes)]).await;

    let listed = admin.run(&["nodes"]).await;

    let lines: Vec<&str> = listed.out.lines().collect();
    assert!(
        lines[1].starts_with("na    web-1  0.1.0    2026-01-01T00:00:00Z  3"),
        "{}",
        listed.out
    );
    assert!(lines[2].starts_with("nb    -      -"), "{}", listed.out);
    assert_eq!(lines[3], "no answer from nb");
    assert_eq!(admin.end().await, [asked("GET /v1/nodes", "")]);
}

#[tokio::test]
async fn rooms_and_deliveries_are_filtered_by_the_server() {
    let delivery = r#"{"id":9,"endpoint":"default","state":"dead","attempts":5}"#;
    let deliveries = format!(r#"{{"deliveries":[{delivery}],"next":null}}"#);
    let admin = Admin::start(&[
        (200, r#"{"rooms":[{"room":"org:7","namespace":"/","sockets":3}],"next":null}"#),
        (200, &deliveries),
        (200, "{}"),
    ])
    .await;

    let rooms = admin.run(&["rooms", "--prefix", "org:"]).await;
    let list = ["hooks", "deliveries", "--state", "dead", "--endpoint", "default"];
    let deliveries = admin.run(&[&list[..], &["--user", "a b"]].concat()).await;
    let replay = admin.run(&["hooks", "replay", "9"]).await;

    assert_eq!(rooms.out, "ROOM   NAMESPACE  SOCKETS\norg:7  /          3\n");
    let row = "9   default   dead   -     -     5         -     -";
    assert_eq!(deliveries.out.lines().nth(1), Some(row), "{}", deliveries.out);
    assert_eq!(replay.out, "will be sent again\n");
    let expected = [
        asked("GET /v1/rooms?limit=100&prefix=org%3A", ""),
        asked("GET /v1/hooks/deliveries?limit=100&state=dead&endpoint=default&user=a+b", ""),
        asked("POST /v1/hooks/deliveries/9/replay", "{}"),
    ];
    assert_eq!(admin.end().await, expected);
}

#[tokio::test]
async fn sockets_are_moved_and_disconnected_as_was_typed() {
    let admin = Admin::start(&[
        (200, r#"{"matched":3,"changed":2,"full":1,"denied":0}"#),
        (200, r#"{"matched":3,"changed":2}"#),
        (200, r#"{"disconnected":2}"#),
    ])
    .await;

    let join = admin.run(&["rooms", "join", "--user", "42", "--room", "r", "p", "q"]).await;
    let leave = ["rooms", "leave", "--all", "--except-user", "1", "--namespace", "/chat", "p"];
    let leave = admin.run(&leave).await;
    let gone = ["rooms", "disconnect", "--room", "p", "--reason", "over", "--keep-grace"];
    let gone = admin.run(&gone).await;
    let nobody = admin.run(&["rooms", "join", "p"]).await;

    assert_eq!(
        (join.code, join.out.as_str()),
        (Some(0), "matched 3, changed 2, full 1, denied 0\n")
    );
    assert_eq!(leave.out, "matched 3, changed 2\n");
    assert_eq!(gone.out, "disconnected 2\n");
    assert_eq!(nobody.code, Some(2), "{}", nobody.err);
    let expected = [
        asked(
            "POST /v1/sockets/join",
            r#"{"to":{"users":["42"],"rooms":["r"]},"rooms":["p","q"]}"#,
        ),
        asked(
            "POST /v1/sockets/leave",
            r#"{"namespace":"/chat","to":{"all":true},"except":{"users":["1"]},"rooms":["p"]}"#,
        ),
        asked(
            "POST /v1/sockets/disconnect",
            r#"{"to":{"rooms":["p"]},"reason":"over","now":false}"#,
        ),
    ];
    assert_eq!(admin.end().await, expected);
}

#[tokio::test]
async fn users_are_put_into_rooms_and_taken_out() {
    let list =
        r#"{"user":"42","rooms":[{"room":"org:7","namespace":null,"denied":false,"until":null}]}"#;
    let admin =
        Admin::start(&[(200, r#"{"changed":2}"#), (200, r#"{"changed":1}"#), (200, list)]).await;

    let put = admin.run(&["rooms", "put", "42", "org:7", "--for", "1h"]).await;
    let out = ["rooms", "remove", "42", "a/b", "--namespace", "/chat", "--deny"];
    let out = admin.run(&out).await;
    let of = admin.run(&["rooms", "of", "42"]).await;

    assert_eq!(put.out, "42: in org:7, 2 sockets have come in\n", "{}", put.err);
    assert_eq!(out.out, "42: denied a/b, 1 sockets have gone out\n", "{}", out.err);
    assert_eq!(of.out.lines().nth(1), Some("org:7  -          false   -"), "{}", of.out);
    let expected = [
        asked("PUT /v1/users/42/rooms/org:7", r#"{"for":"1h"}"#),
        asked("DELETE /v1/users/42/rooms/a%2Fb?namespace=%2Fchat", r#"{"deny":true}"#),
        asked("GET /v1/users/42/rooms", ""),
    ];
    assert_eq!(admin.end().await, expected);
}

#[tokio::test]
async fn dead_letters_of_an_endpoint_are_replayed_and_it_is_said_when_there_are_more() {
    let more = r#"{"replayed":10000,"more":true}"#;
    let admin = Admin::start(&[(200, more), (200, r#"{"replayed":3,"more":false}"#)]).await;
    let range = ["--from", "2026-08-01T00:00:00Z", "--to", "2026-08-02T00:00:00Z"];

    let first = admin.run(&["hooks", "replay", "--endpoint", "default"]).await;
    let second =
        admin.run(&[&["hooks", "replay", "--endpoint", "default"], &range[..]].concat()).await;

    assert_eq!(first.out, "10000 will be sent again\n… there are more: make the same call again\n");
    assert_eq!(second.out, "3 will be sent again\n");
    let body =
        r#"{"endpoint":"default","from":"2026-08-01T00:00:00Z","to":"2026-08-02T00:00:00Z"}"#;
    let expected = [
        asked("POST /v1/hooks/replay", r#"{"endpoint":"default"}"#),
        asked("POST /v1/hooks/replay", body),
    ];
    assert_eq!(admin.end().await, expected);
}

#[tokio::test]
async fn a_refusal_ends_with_1_and_says_why() {
    let error = r#"{"error":{"code":"reserved_event","message":"`connect` is reserved","field":"event","request_id":"r1"}}"#;
    let admin = Admin::start(&[(422, error), (404, "nothing here")]).await;

    let refused = admin.run(&["emit", "--all", "connect"]).await;
    let lost = admin.run(&["users"]).await;

    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    let said = "userline: `connect` is reserved (reserved_event, field event, request r1)\n";
    assert_eq!(refused.err, said);
    assert_eq!(lost.code, Some(1));
    assert!(lost.err.contains("404 Not Found: is this the admin listener"), "{}", lost.err);
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_with_69() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let page = Admin::start(&[(200, "<html>")]).await;

    let gone = run(&["users", "--url", &url, "--key", "a-key"]).await;
    let other = page.run(&["users"]).await;

    assert_eq!(gone.code, Some(69), "{}", gone.err);
    assert!(gone.err.contains("no answer from http://127.0.0.1:"), "{}", gone.err);
    assert_eq!(other.code, Some(69), "{}", other.err);
}

#[tokio::test]
async fn address_and_key_come_from_the_configuration_of_the_server() {
    let admin = Admin::start(&[(200, r#"{"rooms":[],"next":null}"#)]).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("userline.toml");
    let address = admin.url.trim_start_matches("http://");
    let config = format!(
        "[listen]\nadmin = \"{address}\"\n[auth.jwt]\nsecret = \"{SECRET}\"\n[admin]\nkeys = [\n\
         {{ name = \"a\", key = \"only-emits-0123456\", scopes = [\"emit\"] }},\n\
         {{ name = \"b\", key = \"reads-too-01234567\", scopes = [\"read\"] }},\n]\n"
    );
    fs::write(&path, config).unwrap();

    let ended = run(&["rooms", "--config", text(&path)]).await;
    let without = run(&["kick", "ann", "--config", text(&path)]).await;

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(admin.end().await[0].key, "Bearer reads-too-01234567");
    assert_eq!(without.code, Some(2));
    assert!(without.err.contains("a key with the scope `control` is needed"), "{}", without.err);
}

#[tokio::test]
async fn inbox_shows_what_waits_and_how_to_see_more() {
    let item = r#"{"seq":7,"id":"order-7","namespace":"/","event":"paid","args":[{"n":1}],"created_at":"2026-08-01T09:41:00.000Z","expires_at":"2026-08-31T09:41:00.000Z","read":false}"#;
    let numbers = r#""head":7,"unread":2,"read_upto":3,"min_seq":1"#;
    let full = format!(r#"{{"items":[{item}],"next":7,{numbers}}}"#);
    let empty = format!(r#"{{"items":[],"next":null,{numbers}}}"#);
    let admin = Admin::start(&[(200, &full), (200, &empty)]).await;

    let first = admin.run(&["inbox", "ann", "--limit", "1", "--unread"]).await;
    let second = admin.run(&["inbox", "ann", "--before", "7"]).await;

    assert!(first.out.contains("7    order-7  paid"), "{}", first.out);
    assert!(first.out.ends_with("2 unread; more: --before 7\n"), "{}", first.out);
    assert_eq!(second.out, "2 unread\n");
    let asked = [
        asked("GET /v1/users/ann/inbox?limit=1&unread=true", ""),
        asked("GET /v1/users/ann/inbox?limit=100&before=7", ""),
    ];
    assert_eq!(admin.end().await, asked);
}
