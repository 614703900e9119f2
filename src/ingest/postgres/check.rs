//! Tries, from end to end, whether a source can be read, without reading it.

use super::connection::{self, Opened};
use super::database::{Database, Generation};
use super::session;
use super::{PostgresSetupError, target};
use crate::config::PostgresConfig;
use crate::ingest::check::SourceCheck;
use crate::ingest::trouble::{Trouble, TroubleKind};

/// Tries all that reading the source needs. No row is touched.
pub async fn check_postgres(config: &PostgresConfig) -> SourceCheck {
    let mut found = SourceCheck::default();
    let tried = try_all(config, &mut found.good).await.map_err(|error| match error {
        PostgresSetupError::Url(trouble) => trouble,
        PostgresSetupError::Tls(error) => Trouble::new(TroubleKind::Tls, error.to_string()),
    });
    found.end(tried)
}

async fn try_all(
    config: &PostgresConfig,
    good: &mut Vec<String>,
) -> Result<(), PostgresSetupError> {
    let (url, tls) = target(config)?;
    let Opened { client, mut notices, drive } = connection::open(&url, &tls).await?;
    let database = Database::new(client, config);
    let asking = async {
        good.push(format!("connected to PostgreSQL {}", database.version().await?));
        database.begin_session().await?;
        if let Some(channel) = &config.channel {
            database.listen(channel).await?;
            session::hear_another((&url, &tls), config, channel, &mut notices).await?;
            good.push(format!("notifications on `{channel}` arrive"));
        }
        let missing = database.missing_rights().await?;
        if !missing.is_empty() {
            let why = format!(
                "the role lacks {}; `userline ingest postgres sql` prints what is needed",
                missing.join(", ")
            );
            return Err(Trouble::new(TroubleKind::Forbidden, why));
        }
        database.fetch(1, 0).await?;
        // Nobody has this generation: the statement is checked, and marks nothing.
        database.settle(Generation::NOBODY, &[]).await?;
        good.push(format!(
            "the table {} has its columns, and the role may read and mark rows",
            config.table
        ));
        let (waiting, queue_percent) = database.waiting().await?;
        good.push(format!(
            "{} rows wait, the first for {} s; {} have failed; the queue of notifications is {queue_percent} % full",
            waiting.backlog,
            waiting.lag.as_secs(),
            waiting.failed
        ));
        Ok(())
    };
    tokio::select! {
        done = asking => done?,
        broken = drive => return Err(broken.into()),
    }
    Ok(())
}
