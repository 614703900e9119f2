//! Whatever breaks: nothing is lost, nothing is stored twice, and it is said what is wrong.

use super::listener::Listener;
use super::world::{PATIENCE, World};
use crate::rig::server::{Server, logged};
use crate::rig::{Random, eventually, seed};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

fn stored(number: u64) -> Value {
    json!({"to": {"users": ["ann"]}, "event": "n", "data": number, "store": "always"})
}

#[tokio::test]
async fn a_server_that_is_killed_loses_no_row_and_stores_none_twice() {
    const ROWS: u64 = 600;
    let world = World::start().await;
    let mut running = world.server("batch = 20").await;
    running.is("active").await;
    let mut random = Random::new(seed("INGEST_SEED"));
    let client = world.postgres.client().await;
    let writing = async {
        for number in 0..ROWS {
            let sql = format!("INSERT INTO userline_outbox (emit) VALUES ('{}')", stored(number));
            client.batch_execute(&sql).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let killing = async {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(random.of(50..400))).await;
            let super::world::Running { mut server, dir, .. } = running;
            server.kill().await;
            let configuration = std::fs::read_to_string(dir.path().join("userline.toml")).unwrap();
            let server = Server::run(dir.path(), &configuration).await;
            running =
                super::world::Running { api: crate::rig::api::Api::new(server.admin), server, dir };
        }
        running
    };

    let ((), running) = tokio::join!(writing, killing);
    world.drained().await;

    let inbox = running.api.get("/v1/users/ann/inbox?limit=1000").await;
    let numbers: Vec<u64> = inbox["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|it| it["args"][0].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..ROWS).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test]
async fn a_database_that_restarts_loses_no_row_and_nobody_hears_one_twice() {
    const ROWS: u64 = 2000;
    let mut world = World::start().await;
    let running = world.server("batch = 50").await;
    running.is("active").await;
    let ann = Listener::connect("ann", running.server.public).await;
    let fill = format!(
        "INSERT INTO userline_outbox (emit) SELECT json_build_object('to', json_build_object('users', \
         json_build_array('ann')), 'event', 'n', 'data', n) FROM generate_series(0, {}) AS n",
        ROWS - 1
    );

    world.client.batch_execute(&fill).await.unwrap();
    ann.numbers(100).await;
    world.postgres.stop();
    running.fails("unreachable").await;
    world.postgres.run().await;
    world.client = world.postgres.client().await;

    let numbers = ann.numbers(usize::try_from(ROWS).unwrap()).await;
    running.is("active").await;
    world.drained().await;
    assert_eq!(numbers, (0..ROWS).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(ann.heard().len(), numbers.len());
    ann.leave().await;
}

#[tokio::test]
async fn one_server_reads_and_another_takes_over_when_it_is_gone() {
    for how in ["listen = true", "listen = false\npoll = \"100ms\""] {
        let world = World::start().await;
        let mut first = world.server(how).await;
        first.is("active").await;
        let second = world.server(how).await;
        second.is("standby").await;
        let on_first = Listener::connect("ann", first.server.public).await;
        let on_second = Listener::connect("ann", second.server.public).await;

        for number in 0..50 {
            world.write(&json!({"to": {"users": ["ann"]}, "event": "n", "data": number})).await;
        }
        assert_eq!(on_first.numbers(50).await, (0..50).collect::<Vec<_>>());
        assert_eq!(first.server.terminate().await.code(), Some(0));
        second.is("active").await;
        world.write(&json!({"to": {"users": ["ann"]}, "event": "n", "data": 50})).await;

        assert_eq!(on_second.numbers(1).await, [50], "{how}: only what the first did not take");
        on_first.leave().await;
        on_second.leave().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_database_is_said_with_a_code_and_mended_without_a_restart() {
    let mut world = World::start().await;
    world.client.batch_execute("ALTER ROLE userline PASSWORD 'right'").await.unwrap();
    let port = world.postgres.port;
    let dir = tempfile::tempdir().unwrap();
    let by_tcp = format!("url = \"postgres://userline:wrong@127.0.0.1:{port}/postgres\"");
    let running = world.server_in(dir, &by_tcp).await;

    let said = running.fails("credentials").await;
    assert!(said.contains("password authentication failed") && !said.contains("wrong"), "{said}");
    world.client.batch_execute("ALTER ROLE userline PASSWORD 'wrong'").await.unwrap();
    running.is("active").await;

    for (harm, code, mend) in [
        (
            "ALTER TABLE userline_outbox RENAME TO elsewhere",
            "no_table",
            "ALTER TABLE elsewhere RENAME TO userline_outbox",
        ),
        (
            "REVOKE SELECT ON userline_outbox FROM userline",
            "forbidden",
            "GRANT SELECT ON userline_outbox TO userline",
        ),
        (
            "ALTER TABLE userline_outbox RENAME key TO other",
            "wrong_table",
            "ALTER TABLE userline_outbox RENAME other TO key",
        ),
    ] {
        world.client.batch_execute(harm).await.unwrap();
        let said = running.fails(code).await;
        assert!(said.contains("`userline ingest postgres sql` prints what is needed"), "{said}");
        world.client.batch_execute(mend).await.unwrap();
        running.is("active").await;
    }

    // Rows that were emitted and could not be marked are not emitted again.
    let ann = Listener::connect("ann", running.server.public).await;
    world.client.batch_execute("REVOKE DELETE ON userline_outbox FROM userline").await.unwrap();
    world.write(&json!({"to": {"users": ["ann"]}, "event": "n", "data": 1})).await;
    running.fails("forbidden").await;
    world.client.batch_execute("GRANT DELETE ON userline_outbox TO userline").await.unwrap();
    world.drained().await;
    world.write(&json!({"to": {"users": ["ann"]}, "event": "n", "data": 2})).await;
    assert_eq!(ann.numbers(2).await, [1, 2]);
    ann.leave().await;

    world.postgres.stop();
    running.fails("unreachable").await;
    world.postgres.run().await;
    running.is("active").await;
    let waits = async || running.source().await["backlog"] == 0;
    eventually("what waits is counted", PATIENCE, waits).await;
}

/// The queue holds 8 GB and cannot be made smaller, so what PostgreSQL says of it is said by functions of the test.
#[tokio::test]
async fn a_full_queue_of_notifications_is_said_and_rows_are_read_all_the_same() {
    let world = World::start().await;
    let full = "CREATE FUNCTION public.pg_notification_queue_usage() RETURNS double precision LANGUAGE sql AS 'SELECT 0.99'; \
                CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN \
                  RAISE program_limit_exceeded USING MESSAGE = 'too many notifications in the NOTIFY queue'; END $$; \
                ALTER ROLE userline SET search_path = public, pg_catalog";
    world.client.batch_execute(full).await.unwrap();

    let running = world.server("poll = \"100ms\"").await;

    running.is("active").await;
    let ann = Listener::connect("ann", running.server.public).await;
    world.write(&json!({"to": {"users": ["ann"]}, "event": "n", "data": 1})).await;
    assert_eq!(ann.numbers(1).await, [1]);
    let percent = "userline_ingest_notify_queue_percent{source=\"orders\"} 99";
    let is_told = async || running.api.text("/metrics").await.contains(percent);
    eventually("the metric says it", PATIENCE, is_told).await;
    let said = async || {
        let log = logged(running.dir.path());
        ["notify_queue_full", "notifications fills up"]
            .map(|text| log.lines().filter(|line| line.contains(text)).count())
            == [1, 1]
    };
    eventually("the log says it", PATIENCE, said).await;
    let check = Command::new(env!("CARGO_BIN_EXE_userline"))
        .args(["ingest", "postgres", "check", "--config"])
        .arg(running.dir.path().join("userline.toml"))
        .output()
        .unwrap();
    let told = String::from_utf8(check.stdout).unwrap() + &String::from_utf8(check.stderr).unwrap();
    assert!(!check.status.success() && told.contains("notify_queue_full"), "{told}");
    assert!(told.contains("pg_stat_activity"), "{told}");
    ann.leave().await;
}
