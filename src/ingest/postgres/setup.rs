//! What the database needs, as SQL to be read and run by its owner.

use super::database::SOURCES_TABLE;
use crate::config::TableName;

/// The table, its notification, and a role that may do no more than read and mark its rows. Can be run again.
pub(in crate::ingest) fn sql(table: &TableName, channel: Option<&str>, role: &str) -> String {
    let schema = table.schema().unwrap_or("public");
    let name = table.table();
    let outbox = format!("\"{schema}\".\"{name}\"");
    let sources = format!("\"{schema}\".\"{SOURCES_TABLE}\"");
    let notify = channel.map(|channel| notify_sql(schema, name, channel)).unwrap_or_default();
    format!(
        "\
-- For userline, run as the owner of the schema: psql \"$DATABASE_URL\" -v ON_ERROR_STOP=1 -f this.sql
BEGIN;

-- Each row is an emit. Write it in the transaction of what it tells of.
CREATE TABLE IF NOT EXISTS {outbox} (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- The JSON of POST /v1/emit. `json`, not `jsonb`, keeps numbers and the order of keys as you wrote them.
  emit       json NOT NULL,
  -- Your name for what is stored (`\"store\": \"always\"`): the same again is not stored again. The id if null.
  key        text,
  -- Rows with the same one are sent in their order. If null: those for the same user.
  order_key  text,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- Not sent afterwards.
  expires_at timestamptz,
  -- From here on for userline. To send a failed row again: UPDATE … SET state = 'new', error = NULL.
  state      text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'done', 'failed', 'expired')),
  error      text,
  ended_at   timestamptz
);
CREATE INDEX IF NOT EXISTS \"{name}_new\" ON {outbox} (id) WHERE state = 'new';
CREATE INDEX IF NOT EXISTS \"{name}_failed\" ON {outbox} (id) WHERE state = 'failed';

-- Which server reads which source.
CREATE TABLE IF NOT EXISTS {sources} (
  source     text PRIMARY KEY,
  generation bigint NOT NULL,
  pooled     boolean NOT NULL,
  seen_at    timestamptz NOT NULL
);
{notify}
-- For roles that may emit and not touch the table: GRANT EXECUTE ON FUNCTION \"{schema}\".\"{name}_emit\" TO app;
CREATE OR REPLACE FUNCTION \"{schema}\".\"{name}_emit\"(
  emit json, key text DEFAULT NULL, order_key text DEFAULT NULL, expires_in interval DEFAULT NULL
) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO {outbox} (emit, key, order_key, expires_at)
  VALUES ($1, $2, $3, now() + $4) RETURNING id
$$;
REVOKE ALL ON FUNCTION \"{schema}\".\"{name}_emit\"(json, text, text, interval) FROM PUBLIC;

-- The role that userline connects as. Give it a password: ALTER ROLE \"{role}\" PASSWORD '…';
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    CREATE ROLE \"{role}\" LOGIN;
  END IF;
END $$;
GRANT USAGE ON SCHEMA \"{schema}\" TO \"{role}\";
GRANT SELECT, UPDATE, DELETE ON {outbox} TO \"{role}\";
GRANT SELECT, INSERT, UPDATE ON {sources} TO \"{role}\";

COMMIT;"
    )
}

fn notify_sql(schema: &str, table: &str, channel: &str) -> String {
    format!(
        "
-- Says that there are new rows, once per statement, when it commits.
CREATE OR REPLACE FUNCTION \"{schema}\".\"{table}_notify\"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('{channel}', '');
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS \"{table}_notify\" ON \"{schema}\".\"{table}\";
CREATE TRIGGER \"{table}_notify\" AFTER INSERT ON \"{schema}\".\"{table}\"
  FOR EACH STATEMENT EXECUTE FUNCTION \"{schema}\".\"{table}_notify\"();
"
    )
}
