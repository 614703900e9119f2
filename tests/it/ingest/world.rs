//! What the tests of PostgreSQL stand on: a database with the table, and servers that read it.

use super::database::Postgres;
use crate::rig::api::Api;
use crate::rig::eventually;
use crate::rig::server::{Server, common};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_postgres::Client;

pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// A database with the table that `userline ingest postgres sql` prints.
pub(super) struct World {
    pub(super) postgres: Postgres,
    pub(super) client: Client,
}

impl World {
    pub(super) async fn start() -> Self {
        let postgres = Postgres::start().await;
        let client = postgres.client().await;
        client.batch_execute(&printed_sql()).await.unwrap();
        Self { postgres, client }
    }

    /// Writes a row.
    pub(super) async fn write(&self, emit: &Value) {
        self.write_with(emit, "").await;
    }

    /// Writes a row with more columns, such as `, key) = ('a'`.
    pub(super) async fn write_with(&self, emit: &Value, columns: &str) {
        let (names, values) = columns.split_once(") = (").unwrap_or_default();
        let emit = emit.to_string().replace('\'', "''");
        let sql = format!("INSERT INTO userline_outbox (emit{names}) VALUES ('{emit}'{values})");
        self.client.batch_execute(&sql).await.unwrap();
    }

    /// Rows in a state.
    pub(super) async fn count(&self, state: &str) -> i64 {
        let sql = "SELECT count(*) FROM userline_outbox WHERE state = $1";
        self.client.query_one(sql, &[&state]).await.unwrap().get(0)
    }

    /// Waits until no row waits.
    pub(super) async fn drained(&self) {
        eventually("no row waits", PATIENCE, async || self.count("new").await == 0).await;
    }

    /// A server that reads the table.
    pub(super) async fn server(&self, more: &str) -> Running {
        let dir = tempfile::tempdir().unwrap();
        let url = self.postgres.url("userline", "postgres");
        self.server_in(dir, &format!("url = \"{url}\"\n{more}")).await
    }

    /// The same with a URL and a folder of the test's own.
    pub(super) async fn server_in(&self, dir: TempDir, source: &str) -> Running {
        let server = Server::run(dir.path(), &configuration(&dir, source)).await;
        Running { api: Api::new(server.admin), server, dir }
    }
}

/// A running server.
pub(super) struct Running {
    pub(super) server: Server,
    pub(super) api: Api,
    pub(super) dir: TempDir,
}

impl Running {
    /// How the source is doing.
    pub(super) async fn source(&self) -> Value {
        self.api.get("/v1/ingest").await["sources"][0].clone()
    }

    /// Waits until the source is in a state.
    pub(super) async fn is(&self, state: &str) {
        let mut source = Value::Null;
        let is_so = async || {
            source = self.source().await;
            source["state"] == state
        };
        let in_time = timeout(PATIENCE, eventually("its state", PATIENCE * 2, is_so)).await.is_ok();
        assert!(in_time, "it is not {state}: {source}");
    }

    /// Waits until the source fails, and says with which code and why.
    pub(super) async fn fails(&self, code: &str) -> String {
        let what = format!("the source fails with {code}");
        let fails = async || {
            let source = self.source().await;
            source["state"] == "failing" && source["trouble"]["code"] == code
        };
        eventually(&what, PATIENCE, fails).await;
        self.source().await["trouble"]["message"].as_str().unwrap().to_owned()
    }
}

/// A configuration with one source.
pub(super) fn configuration(dir: &TempDir, source: &str) -> String {
    let common = common(&dir.path().join("data").to_string_lossy(), "0s");
    format!(
        r#"
{common}[[ingest.postgres]]
name = "orders"
{source}
"#
    )
}

/// What the command prints for the owner of the database.
pub(super) fn printed_sql() -> String {
    let printed = Command::new(env!("CARGO_BIN_EXE_userline"))
        .args(["ingest", "postgres", "sql"])
        .output()
        .unwrap();
    assert!(printed.status.success());
    String::from_utf8(printed.stdout).unwrap()
}
