//! Every block of SQL in the documentation, as pasted.

use super::world::World;

/// The pages that hold SQL for PostgreSQL.
const PAGES: [&str; 1] = ["docs/from-postgres.md"];

#[tokio::test]
async fn every_block_of_sql_runs_as_pasted() {
    let world = World::start().await;
    let running = world.server("").await;
    running.is("active").await;
    let mut seen = 0;
    for page in PAGES {
        let text = std::fs::read_to_string(page).unwrap();
        for block in text.split("```pgsql\n").skip(1) {
            let (sql, _) = block.split_once("```").expect("it ends");
            let done = world.client.batch_execute(sql).await;
            assert!(done.is_ok(), "{page}: {sql}\n{done:?}");
            seen += 1;
        }
    }
    assert!(3 < seen, "{seen} blocks");

    world.drained().await;
    assert_eq!(world.count("failed").await, 0, "and every row that they write is an emit");
}
