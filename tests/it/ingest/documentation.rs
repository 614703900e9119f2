//! Every block of SQL and of Redis' commands in the documentation, as pasted.

use super::redis_stream::StreamWorld;
use super::world::World;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The pages that hold SQL for PostgreSQL.
const PAGES: [&str; 1] = ["docs/from-postgres.md"];
/// The pages that hold commands for Redis.
const REDIS_PAGES: [&str; 1] = ["docs/from-redis-stream.md"];

fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|it| it.split_once("```").expect("it ends").0.to_owned()).collect()
}

#[tokio::test]
async fn every_block_of_sql_runs_as_pasted() {
    let world = World::start().await;
    let running = world.server("").await;
    running.is("active").await;
    let mut seen = 0;
    for page in PAGES {
        for sql in blocks(page, "pgsql") {
            let done = world.client.batch_execute(&sql).await;
            assert!(done.is_ok(), "{page}: {sql}\n{done:?}");
            seen += 1;
        }
    }
    assert!(3 < seen, "{seen} blocks");

    world.drained().await;
    assert_eq!(world.count("failed").await, 0, "and every row that they write is an emit");
}

#[tokio::test]
async fn every_block_of_commands_for_redis_runs_as_pasted() {
    let mut world = StreamWorld::start().await;
    let running = world.server("").await;
    running.is("active").await;
    let mut seen = 0;
    for block in REDIS_PAGES.iter().flat_map(|it| blocks(it, "redis")) {
        let mut cli = Command::new("redis-cli")
            .args(["-u", &world.redis.url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli is missing: it comes with redis-server");
        cli.stdin.take().unwrap().write_all(block.as_bytes()).unwrap();
        let printed = String::from_utf8(cli.wait_with_output().unwrap().stdout).unwrap();
        assert!(!printed.contains("ERR") && !printed.contains("WRONG"), "{block}\n{printed}");
        seen += 1;
    }
    assert_eq!(seen, 2);

    world.drained().await;
    let counts = running.source().await["counts"].clone();
    assert_eq!(counts["refused"], 0, "every entry that they write is an emit: {counts}");
    assert_eq!((&counts["emitted"], &counts["unmatched"]), (&1.into(), &1.into()), "{counts}");
}
