//! `userline token`: a token for trying things out.

use super::exit::CommandFailure;
use super::output;
use super::settings::ConfigArgs;
use crate::auth::{self, TokenClaims};
use crate::clock::Clock;
use crate::config::{AuthMode, Config};
use crate::types::{Room, Seq, UserId};
use clap::Args;
use std::time::Duration;

/// Make a token with the configured secret
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// The user that the token is for
    #[arg(long, value_parser = parse_user, allow_hyphen_values = true)]
    user: UserId,
    /// Rooms to join, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = parse_room, allow_hyphen_values = true)]
    rooms: Vec<Room>,
    /// How long it is good for
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,
    /// JSON shown beside the socket in the API
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    data: Option<serde_json::Value>,
    #[command(flatten)]
    settings: ConfigArgs,
}

pub(super) fn run(args: TokenArgs) -> Result<(), CommandFailure> {
    let config = Config::load(&args.settings.sources())?;
    let jwt = match config.auth.mode {
        AuthMode::Jwt(jwt) | AuthMode::JwtOrHook(jwt, _) => jwt,
        AuthMode::Hook(_) => {
            let why =
                "auth.mode is \"hook\": clients need no token, your backend says who they are";
            return Err(CommandFailure::Usage(why.to_owned()));
        }
        AuthMode::Trust => {
            let why = "auth.mode is \"trust\": clients need no token, only `auth: {user: …}`";
            return Err(CommandFailure::Usage(why.to_owned()));
        }
    };
    let grant = TokenClaims { user: args.user, rooms: args.rooms, ttl: args.ttl, data: args.data };
    let token = auth::mint(&jwt, grant, Clock::start(Seq(0)).wall())
        .map_err(|error| CommandFailure::Usage(error.to_string()))?;
    output::line(&token)
}

fn parse_user(text: &str) -> Result<UserId, String> {
    UserId::parse(text).map_err(|error| error.to_string())
}

fn parse_room(text: &str) -> Result<Room, String> {
    Room::parse_grantable(text).map_err(|error| error.to_string())
}

fn parse_json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))
}
