//! `userline ingest`: how emits come by other ways than the admin API.

use super::api::{ApiArgs, ApiClient};
use super::config;
use super::exit::CommandFailure;
use super::output;
use super::settings::ConfigArgs;
use crate::config::{Config, PostgresConfig, Scope, TableName};
use crate::ingest::{self, PostgresCheck};
use clap::{Args, Subcommand};
use serde_json::Value;

/// Emits from what a backend has already
#[derive(Debug, Subcommand)]
pub(super) enum IngestCommand {
    /// Show how the sources of a running server are doing
    Status(ApiArgs),
    /// Set up and try a table in PostgreSQL
    #[command(subcommand)]
    Postgres(PostgresCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum PostgresCommand {
    Sql(SqlArgs),
    /// Try whether a source can be read: the connection, notifications, the table, the rights; no row is touched
    Check(SourceArgs),
    /// Show how the sources of a running server are doing
    Status(ApiArgs),
}

/// Print what the database needs: the table, its notification, a role that may do no more than it must
///
/// The names are those of the configuration, or the usual ones without one.
#[derive(Debug, Args)]
pub(super) struct SqlArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The role that userline connects as
    #[arg(long, default_value = "userline", value_parser = parse_role)]
    role: String,
}

/// One source of the configuration.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// Name of the source in [[ingest.postgres]]; needed if there are several
    #[arg(value_name = "SOURCE")]
    name: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(command: IngestCommand) -> Result<(), CommandFailure> {
    match command {
        IngestCommand::Status(api) | IngestCommand::Postgres(PostgresCommand::Status(api)) => {
            status(&api).await
        }
        IngestCommand::Postgres(PostgresCommand::Sql(args)) => print_sql(&args),
        IngestCommand::Postgres(PostgresCommand::Check(args)) => check(&args).await,
    }
}

fn print_sql(args: &SqlArgs) -> Result<(), CommandFailure> {
    let source = match &args.source.config.config {
        // Nothing of the server is needed to print it.
        None => None,
        Some(_) => Some(args.source.find()?),
    };
    let (table, channel) = match source {
        Some(source) => (source.table, source.channel),
        None => (TableName::usual(), Some(PostgresConfig::CHANNEL.to_owned())),
    };
    output::line(&ingest::postgres_sql(&table, channel.as_deref(), &args.role))
}

async fn check(args: &SourceArgs) -> Result<(), CommandFailure> {
    let source = args.find()?;
    let PostgresCheck { good, bad } = ingest::check_postgres(&source).await;
    for line in good {
        output::line(&format!("ok    {}", output::plain(&line)))?;
    }
    match bad {
        None => output::line(&format!("`{}` can be read", source.name)),
        Some((code, message)) => Err(CommandFailure::Refused(format!(
            "`{}` cannot be read: {code}: {}",
            source.name,
            output::plain(&message)
        ))),
    }
}

async fn status(args: &ApiArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(args, Scope::Read)?;
    let answer = api.get(&["ingest"], &[]).await?;
    if args.json {
        return output::line(answer.text());
    }
    let value = answer.value()?;
    let rows: Vec<Vec<String>> =
        value.get("sources").and_then(Value::as_array).into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return output::line("no sources: see [ingest] in the configuration");
    }
    let heads = [
        "SOURCE",
        "KIND",
        "STATE",
        "BACKLOG",
        "LAG MS",
        "FAILED",
        "EMITTED",
        "UNMATCHED",
        "REFUSED",
        "TROUBLE",
    ];
    output::line(&output::table(&heads, &rows))
}

fn row(source: &Value) -> Vec<String> {
    let mut row = output::row(source, &["name", "kind", "state", "backlog", "lag_ms", "failed"]);
    let counts = source.get("counts").unwrap_or(&Value::Null);
    row.extend(output::row(counts, &["emitted", "unmatched", "refused"]));
    let is_failing = source.get("state").and_then(Value::as_str) == Some("failing");
    let trouble = source.get("trouble").filter(|_| is_failing).unwrap_or(&Value::Null);
    row.push(output::field(trouble, "message"));
    row
}

impl SourceArgs {
    fn find(&self) -> Result<PostgresConfig, CommandFailure> {
        let Config { ingest, .. } = config::load(&self.config.sources())?;
        let mut sources = ingest.postgres;
        match &self.name {
            Some(name) => {
                sources.retain(|it| it.name.as_str() == name);
                let none = || format!("no source `{name}` in [[ingest.postgres]]");
                sources.pop().ok_or_else(|| CommandFailure::Usage(none()))
            }
            None if 1 < sources.len() => {
                let why = "there are several sources: say which one";
                Err(CommandFailure::Usage(why.to_owned()))
            }
            None => sources.pop().ok_or_else(|| {
                CommandFailure::Usage("no [[ingest.postgres]] in the configuration".to_owned())
            }),
        }
    }
}

fn parse_role(text: &str) -> Result<String, String> {
    // What names a table may name a role.
    let is_good = TableName::parse(text).is_some_and(|it| it.schema().is_none());
    is_good
        .then(|| text.to_owned())
        .ok_or_else(|| "must be letters, digits and underscores".to_owned())
}
