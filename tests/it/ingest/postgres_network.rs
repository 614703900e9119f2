//! What is between a server and its database: a network that swallows everything, PgBouncer, TLS.

use super::listener::Listener;
use super::world::World;
use crate::rig::proxy::{Flow, Proxy};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use userline::tasks::Tasks;

/// How long nothing passes.
const HOLE: Duration = Duration::from_secs(20);

fn stored(number: u64) -> Value {
    json!({"to": {"users": ["ann"]}, "event": "n", "data": number, "store": "always"})
}

/// Has the role log in by TCP, where nobody is believed.
async fn give_password(world: &World) {
    world.client.batch_execute("ALTER ROLE userline PASSWORD 'secret'").await.unwrap();
}

#[tokio::test]
async fn a_network_that_swallows_everything_loses_no_row_and_stores_none_twice() {
    const ROWS: u64 = 300;
    let world = World::start().await;
    give_password(&world).await;
    let tasks = Tasks::new();
    let proxy = Proxy::start(&tasks).await;
    proxy.lead_to(SocketAddr::from(([127, 0, 0, 1], world.postgres.port)));
    let url = format!(
        "url = \"postgres://userline:secret@{}/postgres?sslmode=disable\"\nbatch = 10",
        proxy.address
    );
    let running = world.server_in(tempfile::tempdir().unwrap(), &url).await;
    running.is("active").await;
    let ann = Listener::connect("ann", running.server.public).await;

    for number in 0..100 {
        world.write(&stored(number)).await;
    }
    // In the middle of it: both ends believe that all is well, and what is written meanwhile waits.
    ann.numbers(20).await;
    proxy.set_all(Flow::Stall);
    for number in 100..ROWS {
        world.write(&stored(number)).await;
    }
    tokio::time::sleep(HOLE).await;
    proxy.set_all(Flow::Pass);

    world.drained().await;
    running.is("active").await;
    let numbers = ann.numbers(usize::try_from(ROWS).unwrap()).await;
    assert_eq!(numbers, (0..ROWS).collect::<Vec<_>>(), "each once, in order");
    let inbox = running.api.get("/v1/users/ann/inbox?limit=1000").await;
    assert_eq!(inbox["items"].as_array().unwrap().len(), numbers.len());
    ann.leave().await;
    tasks.stop(HOLE).await;
}

#[tokio::test]
async fn through_pgbouncer_in_transaction_mode_listening_is_refused_and_looking_works() {
    let world = World::start().await;
    let (_pooler, url) = world.postgres.pgbouncer("userline");
    let through = |more: &str| format!("url = \"{url}\"\n{more}");

    let deaf = world.server_in(tempfile::tempdir().unwrap(), &through("")).await;
    let why = deaf.fails("no_notifications").await;
    assert!(why.contains("PgBouncer") && why.contains("listen = false"), "{why}");

    let looking = through("listen = false\npoll = \"100ms\"");
    let looking = world.server_in(tempfile::tempdir().unwrap(), &looking).await;
    looking.is("active").await;
    let ann = Listener::connect("ann", looking.server.public).await;
    for number in 0..50 {
        world.write(&stored(number)).await;
    }
    assert_eq!(ann.numbers(50).await, (0..50).collect::<Vec<_>>());
    world.drained().await;
    ann.leave().await;
}

#[tokio::test]
async fn tls_is_used_and_a_certificate_that_nobody_knows_is_refused() {
    let mut world = World::start().await;
    world.postgres.use_tls().await;
    world.client = world.postgres.client().await;
    give_password(&world).await;
    let url = format!("postgres://userline:secret@localhost:{}/postgres", world.postgres.port);
    let ca = std::fs::canonicalize(Path::new("tests/it/keys/ca.cert.pem")).unwrap();

    let strange = format!("url = \"{url}?sslmode=require\"");
    let strange = world.server_in(tempfile::tempdir().unwrap(), &strange).await;
    strange.fails("tls").await;

    let known = format!("url = \"{url}?sslmode=require\"\nca_file = \"{}\"", ca.display());
    let known = world.server_in(tempfile::tempdir().unwrap(), &known).await;
    known.is("active").await;
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'userline'";
    assert!(world.client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0), "it is encrypted");
}
