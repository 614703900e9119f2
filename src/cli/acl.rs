//! `userline cluster acl`: what nodes need of Redis.

use super::exit::CommandFailure;
use super::output;
use super::settings::ConfigArgs;
use crate::cluster::acl_command;
use crate::config::{Config, Durability};
use clap::Args;

/// The usual name of a cluster, and of its user in Redis.
const USUAL: &str = "userline";

/// Print the command that makes a user in Redis who may do what userline needs, and no more
///
/// With a configuration for the user of cluster.redis and the keys of cluster.name, else for the usual names. Put a password in
/// the place of PASSWORD.
#[derive(Debug, Args)]
pub(super) struct AclArgs {
    /// The user, if it is not that of cluster.redis
    #[arg(long, value_parser = parse_name)]
    user: Option<String>,
    #[command(flatten)]
    settings: ConfigArgs,
}

pub(super) fn run(args: AclArgs) -> Result<(), CommandFailure> {
    let AclArgs { user, settings } = args;
    let (named, name, durability) = if settings.config.is_none() {
        // Nothing of the server is needed to print it.
        (None, USUAL.to_owned(), Durability::Async)
    } else {
        let config = Config::load(&settings.sources())?;
        let cluster = config.cluster.ok_or_else(|| {
            CommandFailure::Usage("the configuration has no cluster.redis".to_owned())
        })?;
        let user = cluster.redis.server.redis_settings().username().map(str::to_owned);
        (user, cluster.name, cluster.durability)
    };
    let user = user.or(named).unwrap_or_else(|| USUAL.to_owned());
    output::line(&output::plain(&acl_command(&user, &name, durability)))
}

/// A name that stands for itself in what is printed.
fn parse_name(text: &str) -> Result<String, &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let is_good = !text.is_empty() && text.chars().all(is_plain);
    is_good.then(|| text.to_owned()).ok_or("must be letters, digits, \"-\", \"_\", \".\" or \"@\"")
}
