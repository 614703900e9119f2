//! `userline ingest`: how emits come by other ways than the admin API.

use super::api::{ApiArgs, ApiClient};
use super::config;
use super::exit::CommandFailure;
use super::output;
use super::settings::ConfigArgs;
use crate::config::{
    Config, IngestConfig, PostgresConfig, RedisEmitterConfig, RedisStreamConfig, Scope, TableName,
};
use crate::ingest::{self, SourceCheck};
use crate::types::SourceName;
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
    /// Try a Redis
    #[command(subcommand)]
    Redis(RedisCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum PostgresCommand {
    Sql(SqlArgs),
    /// Try whether a source can be read: the connection, notifications, the table, the rights; no row is touched
    Check(SourceArgs),
    /// Show how the sources of a running server are doing
    Status(ApiArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum RedisCommand {
    /// Try whether a source can be read: the connection, the rights, the stream; nothing is published, no entry is touched
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
    /// Name of the source in the configuration; needed if there are several of the kind
    #[arg(value_name = "SOURCE")]
    name: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(command: IngestCommand) -> Result<(), CommandFailure> {
    match command {
        IngestCommand::Status(api)
        | IngestCommand::Postgres(PostgresCommand::Status(api))
        | IngestCommand::Redis(RedisCommand::Status(api)) => status(&api).await,
        IngestCommand::Postgres(PostgresCommand::Sql(args)) => print_sql(&args),
        IngestCommand::Postgres(PostgresCommand::Check(args)) => {
            let source = args.find_postgres()?;
            say(&source.name, ingest::check_postgres(&source).await)
        }
        IngestCommand::Redis(RedisCommand::Check(args)) => match args.find_redis()? {
            RedisSource::Emitter(it) => say(&it.name, ingest::check_redis_emitter(&it).await),
            RedisSource::Stream(it) => say(&it.name, ingest::check_redis_stream(&it).await),
        },
    }
}

fn print_sql(args: &SqlArgs) -> Result<(), CommandFailure> {
    let source = match &args.source.config.config {
        // Nothing of the server is needed to print it.
        None => None,
        Some(_) => Some(args.source.find_postgres()?),
    };
    let (table, channel) = match source {
        Some(source) => (source.table, source.channel),
        None => (TableName::usual(), Some(PostgresConfig::CHANNEL.to_owned())),
    };
    output::line(&ingest::postgres_sql(&table, channel.as_deref(), &args.role))
}

/// A source on a Redis.
enum RedisSource {
    Emitter(RedisEmitterConfig),
    Stream(RedisStreamConfig),
}

impl RedisSource {
    fn name(&self) -> &SourceName {
        match self {
            Self::Emitter(it) => &it.name,
            Self::Stream(it) => &it.name,
        }
    }
}

/// Says what trying a source has shown.
fn say(name: &SourceName, found: SourceCheck) -> Result<(), CommandFailure> {
    let SourceCheck { good, notes, bad } = found;
    for (mark, lines) in [("ok   ", good), ("note ", notes)] {
        for line in lines {
            output::line(&format!("{mark} {}", output::plain(&line)))?;
        }
    }
    match bad {
        None => output::line(&format!("`{name}` can be read")),
        Some((code, message)) => Err(CommandFailure::Refused(format!(
            "`{name}` cannot be read: {code}: {}",
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
    fn find_postgres(&self) -> Result<PostgresConfig, CommandFailure> {
        self.find("[[ingest.postgres]]", self.load()?.postgres, |it| &it.name)
    }

    fn find_redis(&self) -> Result<RedisSource, CommandFailure> {
        let IngestConfig { redis_emitter, redis_stream, .. } = self.load()?;
        let emitters = redis_emitter.into_iter().map(RedisSource::Emitter);
        let sources = emitters.chain(redis_stream.into_iter().map(RedisSource::Stream)).collect();
        self.find("[[ingest.redis_emitter]] or [[ingest.redis_stream]]", sources, RedisSource::name)
    }

    fn load(&self) -> Result<IngestConfig, CommandFailure> {
        let Config { ingest, .. } = config::load(&self.config.sources())?;
        Ok(ingest)
    }

    /// The one that is named, or the only one; `section` says where there should be one.
    fn find<T>(
        &self,
        section: &str,
        mut sources: Vec<T>,
        name_of: impl Fn(&T) -> &SourceName,
    ) -> Result<T, CommandFailure> {
        let usage = |why: String| CommandFailure::Usage(why);
        match &self.name {
            Some(name) => {
                sources.retain(|it| name_of(it).as_str() == name);
                sources.pop().ok_or_else(|| usage(format!("no source `{name}` in {section}")))
            }
            None if 1 < sources.len() => {
                Err(usage("there are several sources: say which one".to_owned()))
            }
            None => {
                sources.pop().ok_or_else(|| usage(format!("no {section} in the configuration")))
            }
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
