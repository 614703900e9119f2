//! Tries whether what others publish can be heard. Nothing is published.

use super::subscription::{Subscription, patterns};
use crate::config::RedisEmitterConfig;
use crate::ingest::check::SourceCheck;
use crate::ingest::redis::{quote, server, with_rights};
use crate::ingest::trouble::Trouble;

/// The commands that hearing needs.
const COMMANDS: &str = "+hello +psubscribe +ping +pubsub";

/// Tries all that the source needs: the connection and the subscription.
pub async fn check_redis_emitter(config: &RedisEmitterConfig) -> SourceCheck {
    let mut found = SourceCheck::default();
    let tried = try_all(config, &mut found).await;
    found.end(tried)
}

async fn try_all(config: &RedisEmitterConfig, found: &mut SourceCheck) -> Result<(), Trouble> {
    let server = server(&config.server);
    let patterns = patterns(config);
    // Redis compares a pattern that is subscribed to with the channels of a user by their letters.
    let channels = patterns.iter().map(|it| quote(&format!("&{it}"))).collect::<Vec<_>>();
    let rights = format!("{COMMANDS} {}", channels.join(" "));
    let mend = |trouble| with_rights(trouble, server.user(), &rights);
    let mut subscription = Subscription::connect(&server).await.map_err(mend)?;
    let version = subscription.version().await.map_err(mend)?;
    found.good.push(format!("connected to Redis {version}"));
    subscription.subscribe(config).await.map_err(mend)?;
    subscription.ping().await.map_err(mend)?;
    found.good.push(format!("hears what is published on {}", patterns.join(", ")));
    if let Some(channel) = subscription.sharded_channel(&config.key).await {
        found.notes.push(format!(
            "a server with the sharded adapter is there (`{channel}`): what it emits cannot be heard; use createAdapter"
        ));
    }
    Ok(())
}
