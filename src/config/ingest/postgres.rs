//! `[[ingest.postgres]]`: rows of a table that are emits.

use super::{SourceNames, or};
use crate::config::allowed::{self, Need};
use crate::config::reader::{Checked, SettingsReader};
use crate::core::emit::allow::AllowList;
use crate::types::{Secret, SourceName};
use std::fmt;
use std::time::Duration;

const POLL: Duration = Duration::from_secs(1);
const BATCH: usize = 500;
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
const URL_RULE: &str = "must be a URL such as postgres://userline@db.example.com/app";

/// One table whose rows are emits.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// Its name in logs, metrics, the API and the ids of stored events.
    pub name: SourceName,
    /// Where the database is, with the password.
    pub url: Secret,
    /// PEM of the authorities believed besides those of the system.
    pub ca: Option<String>,
    /// The table.
    pub table: TableName,
    /// The channel whose notifications say that there are new rows; `None`: rows are only looked for.
    pub channel: Option<String>,
    /// How often rows are looked for if no notification comes.
    pub poll: Duration,
    /// Rows read at once.
    pub batch: usize,
    /// What becomes of rows that are done.
    pub done: DoneRows,
    /// Rows that are older are not sent; `None`: however old they are.
    pub max_age: Option<Duration>,
    /// Whether the payload of a notification is an emit.
    pub payload_emits: bool,
    /// What may be emitted, and to whom.
    pub allow: AllowList,
}

/// What becomes of rows that are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoneRows {
    /// They are deleted.
    Delete,
    /// They stay, marked.
    Keep,
}

/// The name of a table, perhaps with its schema; each part is letters, digits and underscores, as it stands in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    schema: Option<String>,
    table: String,
}

impl TableName {
    /// Longest name that PostgreSQL does not cut, in bytes.
    const BYTES_MAX: usize = 63;
    const RULE: &str = "must be the name of a table, such as userline_outbox or app.userline_outbox: letters, digits and \
                        underscores, at most 63 bytes each";

    /// The one that is meant if none is written.
    pub fn usual() -> Self {
        Self { schema: None, table: "userline_outbox".to_owned() }
    }

    /// Takes the text as it is; `None` if it is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        let (schema, table) = match text.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, text),
        };
        let all_good = schema.into_iter().chain([table]).all(is_identifier);
        all_good.then(|| Self { schema: schema.map(str::to_owned), table: table.to_owned() })
    }

    /// The same schema, another table.
    #[must_use]
    pub fn sibling(&self, table: &str) -> Self {
        Self { schema: self.schema.clone(), table: table.to_owned() }
    }

    /// The schema, if it was given.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table without its schema.
    pub fn table(&self) -> &str {
        &self.table
    }
}

/// As SQL names it.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "\"{schema}\".")?;
        }
        write!(f, "\"{}\"", self.table)
    }
}

fn is_identifier(text: &str) -> bool {
    (1..=TableName::BYTES_MAX).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

impl PostgresConfig {
    /// The channel that is meant if none is written.
    pub const CHANNEL: &str = "userline";

    pub(super) fn read(
        reader: &mut SettingsReader,
        prefix: &str,
        names: &mut SourceNames,
    ) -> Checked<Self> {
        let key = |name: &str| format!("{prefix}.{name}");
        let name = names.read(reader, prefix);
        let url = read_url(reader, &key("url"));
        let ca = reader.authorities(&key("ca_file"));
        let table = or(reader, &key("table"), TableName::usual(), |reader, key| {
            reader.parsed(key, TableName::RULE, TableName::parse)
        });
        let listen = or(reader, &key("listen"), true, SettingsReader::switch);
        let channel = read_channel(reader, &key("channel"));
        let poll = or(reader, &key("poll"), POLL, |reader, key| {
            reader.duration(key, Duration::from_millis(100)..=Duration::from_mins(10))
        });
        let batch = or(reader, &key("batch"), BATCH, |reader, key| reader.number(key, 1..=10_000));
        let done = or(reader, &key("done"), DoneRows::Delete, |reader, key| {
            reader.parsed(key, "must be delete or keep", |text| match text {
                "delete" => Some(DoneRows::Delete),
                "keep" => Some(DoneRows::Keep),
                _ => None,
            })
        });
        let max_age = or(reader, &key("max_age"), None, |reader, key| {
            reader.duration(key, Duration::from_secs(1)..=Duration::from_hours(365 * 24)).map(Some)
        });
        let payload_emits = or(reader, &key("payload_emits"), false, SettingsReader::switch);
        let need = match payload_emits {
            Ok(true) => Need::MustBeWritten,
            Ok(false) | Err(_) => Need::MayBeLeftOut,
        };
        let allow = allowed::read(reader, prefix, need);
        if let (Ok(false), Ok(true)) = (&listen, &payload_emits) {
            let rule = "needs `listen`: without it nobody hears the payloads";
            return Err(reader.reject(&key("payload_emits"), rule));
        }
        let (listen, channel) = (listen?, channel?);
        Ok(Self {
            name: name?,
            url: url?,
            ca: ca?,
            table: table?,
            channel: listen.then_some(channel),
            poll: poll?,
            batch: batch?,
            done: done?,
            max_age: max_age?,
            payload_emits: payload_emits?,
            allow: allow?,
        })
    }
}

fn read_url(reader: &mut SettingsReader, key: &str) -> Checked<Secret> {
    match reader.secret(key)? {
        None => Err(reader.reject(key, format!("is missing (or url_file): {URL_RULE}"))),
        Some(text) if !SCHEMES.iter().any(|it| text.starts_with(it)) => {
            Err(reader.reject(key, URL_RULE))
        }
        Some(text) => Ok(Secret::new(text.into_bytes())),
    }
}

/// A name that needs no quotes in `NOTIFY`, for whoever writes one by hand.
fn read_channel(reader: &mut SettingsReader, key: &str) -> Checked<String> {
    or(reader, key, PostgresConfig::CHANNEL.to_owned(), |reader, key| {
        let rule = "must be letters a to z, digits and underscores, at most 63 bytes";
        reader.parsed(key, rule, |text| {
            let is_good = is_identifier(text) && !text.contains(|c: char| c.is_ascii_uppercase());
            is_good.then(|| text.to_owned())
        })
    })
}
