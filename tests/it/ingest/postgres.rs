//! Rows of a table become emits.

use super::listener::Listener;
use super::world::{PATIENCE, World, configuration, printed_sql};
use crate::rig::eventually;
use serde_json::{Value, json};
use std::process::Command;

fn to_user(user: &str, number: u64) -> Value {
    json!({"to": {"users": [user]}, "event": "n", "data": number})
}

#[tokio::test]
async fn rows_are_emitted_in_their_order_and_gone_afterwards() {
    let world = World::start().await;
    // Written before anybody reads.
    for number in 0..5 {
        world.write(&to_user("eve", number)).await;
    }
    let running = world.server("poll = \"10m\"").await;
    running.is("active").await;
    world.drained().await;
    let ann = Listener::connect("ann", running.server.public).await;

    // From here on the notification alone tells of new rows.
    for number in 0..300 {
        world.write(&to_user("ann", number)).await;
    }

    assert_eq!(ann.numbers(300).await, (0..300).collect::<Vec<_>>());
    let all = "SELECT count(*) FROM userline_outbox";
    let is_empty = async || world.client.query_one(all, &[]).await.unwrap().get::<_, i64>(0) == 0;
    eventually("the rows are gone", PATIENCE, is_empty).await;
    let counts = running.source().await["counts"].clone();
    assert_eq!((&counts["emitted"], &counts["unmatched"]), (&json!(300), &json!(5)), "{counts}");
    let last = running.api.get("/v1/messages?limit=1").await["messages"][0].clone();
    assert_eq!((&last["source"], &last["matched"]), (&json!("orders"), &json!(1)), "{last}");
    let metrics = running.api.text("/metrics").await;
    for line in [
        "userline_ingest_active{source=\"orders\"} 1",
        "userline_ingest_messages_total{source=\"orders\",outcome=\"emitted\"} 300",
        "userline_ingest_messages_total{source=\"orders\",outcome=\"unmatched\"} 5",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
    }
    ann.leave().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_emitted_says_why_and_keeps_nobody_waiting() {
    let world = World::start().await;
    let running = world
        .server(
            "done = \"keep\"\nallow_events = [\"n\", \"big\"]\nallow_rooms = []\nmax_age = \"1h\"",
        )
        .await;
    running.is("active").await;
    let ann = Listener::connect("ann", running.server.public).await;

    world.write(&to_user("ann", 1)).await;
    let bad = [
        (json!({"to": {"users": ["ann"]}}), "invalid_argument: event: missing field `event`"),
        (json!([1]), "invalid_argument: "),
        (json!({"to": {"users": [""]}, "event": "n"}), "invalid_argument: to.users[0]"),
        (json!({"to": {"all": true}, "event": "n"}), "forbidden: to.all"),
        (json!({"to": {"rooms": ["lobby"]}, "event": "n"}), "forbidden: to.rooms: `lobby`"),
        (json!({"to": {"users": ["ann"]}, "event": "other"}), "forbidden: event: `other`"),
        (json!({"to": {"users": ["ann"]}, "event": "connect"}), "reserved_event: event"),
        (
            json!({"to": {"users": ["ann"]}, "event": "n", "namespace": "/no"}),
            "not_found: namespace",
        ),
        (
            json!({"to": {"users": ["ann"]}, "event": "big", "data": "x".repeat(1_100_000)}),
            "payload_too_large: an emit has at most 1000000 bytes",
        ),
    ];
    for (emit, _) in &bad {
        world.write(emit).await;
    }
    world.write_with(&to_user("ann", 7), ", expires_at) = (, now() - interval '1 s'").await;
    world.write_with(&to_user("ann", 8), ", created_at) = (, now() - interval '2 h'").await;
    world.write_with(&to_user("ann", 9), ", expires_at) = (, 'infinity'").await;
    world.write_with(&to_user("ann", 10), ", created_at, key) = (, '-infinity', 'k'").await;
    world.write(&to_user("ann", 2)).await;

    assert_eq!(ann.numbers(4).await, [1, 9, 10, 2]);
    world.drained().await;
    let sql = "SELECT error FROM userline_outbox WHERE state = 'failed' ORDER BY id";
    let errors: Vec<String> =
        world.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(errors.len(), bad.len(), "{errors:?}");
    for (error, (emit, expected)) in errors.iter().zip(&bad) {
        assert!(error.starts_with(expected), "{emit}: {error}");
    }
    assert_eq!((world.count("expired").await, world.count("done").await), (2, 4));
    let source = running.source().await;
    assert_eq!(source["counts"]["refused"], bad.len(), "{source}");
    assert_eq!(source["counts"]["expired"], 2, "{source}");
    assert_eq!(source["refused"]["code"], "payload_too_large", "{source}");

    // Mended, and sent again.
    let mend = "UPDATE userline_outbox SET state = 'new', error = NULL, emit = '{\"to\":{\"users\":[\"ann\"]},\
                \"event\":\"n\",\"data\":3}' WHERE error LIKE 'reserved_event%'";
    world.client.batch_execute(mend).await.unwrap();
    assert_eq!(ann.numbers(5).await, [1, 9, 10, 2, 3]);
    ann.leave().await;
}

#[tokio::test]
async fn what_is_stored_is_called_by_the_source_and_its_key_and_stored_once() {
    let world = World::start().await;
    let running = world.server("").await;
    running.is("active").await;
    let stored = json!({"to": {"users": ["ann"]}, "event": "n", "data": 1, "store": "always"});
    let mut named = stored.clone();
    named["id"] = "own".into();

    // By a role that may do nothing but this.
    world
        .client
        .batch_execute(
            "CREATE ROLE app; GRANT EXECUTE ON FUNCTION userline_outbox_emit TO app; SET ROLE app",
        )
        .await
        .unwrap();
    for (emit, key) in [(&stored, "'a'"), (&stored, "'a'"), (&named, "NULL"), (&stored, "NULL")] {
        let sql = format!("SELECT userline_outbox_emit('{emit}', {key})");
        world.client.batch_execute(&sql).await.unwrap();
    }
    let refused =
        world.client.batch_execute("INSERT INTO userline_outbox (emit) VALUES ('1')").await;
    assert!(refused.is_err(), "the function is the only way for it");
    world.client.batch_execute("RESET ROLE").await.unwrap();
    world.drained().await;

    let inbox = running.api.get("/v1/users/ann/inbox").await;
    let ids: Vec<&str> =
        inbox["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["orders:4", "orders:own", "orders:a"], "{inbox}");
    assert_eq!(running.source().await["counts"]["repeated"], 1);
    let status = running.api.get("/v1/messages/orders:a").await;
    assert_eq!(status["inbox"]["ann"]["state"], "unread", "{status}");
}

#[tokio::test]
async fn a_payload_is_an_emit_only_where_that_is_allowed() {
    let world = World::start().await;
    let allow = "allow_users = [\"ann\"]\nallow_rooms = []\nallow_events = [\"n\"]\n";
    let running = world.server(&format!("payload_emits = true\n{allow}")).await;
    running.is("active").await;
    let ann = Listener::connect("ann", running.server.public).await;

    for payload in [to_user("ann", 1), to_user("bob", 2), json!("nonsense"), to_user("ann", 3)] {
        let sql = format!("SELECT pg_notify('userline', '{payload}')");
        world.client.batch_execute(&sql).await.unwrap();
    }

    assert_eq!(ann.numbers(2).await, [1, 3]);
    let refused = async || running.source().await["counts"]["refused"] == 2;
    eventually("two are refused", PATIENCE, refused).await;
    let said = running.source().await["refused"]["message"].as_str().unwrap().to_owned();
    assert!(said.starts_with("a notification: "), "{said}");
    ann.leave().await;
}

#[tokio::test]
async fn commands_say_whether_a_source_can_be_read() {
    let world = World::start().await;
    let running = world.server("").await;
    running.is("active").await;
    let config = running.dir.path().join("userline.toml");
    let run = |args: &[&str]| {
        let ended = Command::new(env!("CARGO_BIN_EXE_userline"))
            .args(["ingest", "postgres"])
            .args(args)
            .args(["--config", config.to_str().unwrap()])
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (ended.status.code(), text(ended.stdout), text(ended.stderr))
    };

    let (code, out, err) = run(&["check"]);
    assert_eq!(code, Some(0), "{out}{err}");
    for part in
        ["ok    connected to PostgreSQL ", "notifications on `userline` arrive", "0 rows wait"]
    {
        assert!(out.contains(part), "{out}");
    }
    assert!(run(&["check", "other"]).2.contains("no source `other`"));
    assert_eq!(run(&["sql"]).1, printed_sql(), "the names of the source are the usual ones");

    let url = running.api.url().to_owned();
    let key = crate::rig::server::KEY;
    let (code, out, err) = run(&["status", "--url", &url, "--key", key]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("orders") && out.contains("active"), "{out}");

    for (sql, expected) in [
        ("REVOKE DELETE ON userline_outbox FROM userline", "forbidden: the role lacks DELETE"),
        ("ALTER TABLE userline_outbox RENAME order_key TO lane", "wrong_table: "),
        ("DROP TABLE userline_outbox", "no_table: "),
    ] {
        world.client.batch_execute(sql).await.unwrap();
        let (code, _, err) = run(&["check"]);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains(expected), "{sql}: {err}");
        world.client.batch_execute("GRANT DELETE ON userline_outbox TO userline").await.ok();
    }
}

#[test]
fn what_cannot_be_a_source_is_said_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("userline.toml");
    for (source, expected) in [
        ("", "ingest.postgres[0].url: is missing"),
        ("url = \"mysql://a@b\"", "ingest.postgres[0].url: must be a URL such as"),
        ("url = \"postgres://db/app\"", "names no user"),
        ("url = \"postgres://u:secret@db/app?sslmode=never\"", "cannot be used"),
        ("url = \"postgres://u@db\"\npayload_emits = true", "allow_users: is missing"),
        ("url = \"postgres://u@db\"\ntable = \"a b\"", "must be the name of a table"),
        ("url = \"postgres://u@db\"\nchannel = \"A\"", "must be letters a to z"),
        ("url = \"postgres://u@db\"\nallow_rooms = [\"*a\"]", "must be a name, or the beginning"),
        ("url = \"postgres://u@db\"\n[[ingest.postgres]]\nname = \"orders\"", "must be unique"),
        (
            "url = \"postgres://u@db\"\n[[ingest.postgres]]\nname = \"clients\"",
            "must not be `events` or",
        ),
    ] {
        std::fs::write(&config, configuration(&dir, source)).unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_userline"))
            .args(["config", "check", "--config", config.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(78), "{source}: {said}");
        assert!(said.contains(expected) && !said.contains("secret@"), "{source}: {said}");
    }
}
