//! `userline erase`: forget a user.

use super::api::{ApiArgs, ApiClient};
use super::exit::CommandFailure;
use super::output;
use crate::config::Scope;
use clap::Args;

/// Disconnect a user and delete everything that names it
#[derive(Debug, Args)]
pub(super) struct EraseArgs {
    /// The user to erase
    #[arg(allow_hyphen_values = true)]
    user: String,
    /// Do not send the hooks that are still to be sent; without this they are sent first
    #[arg(long)]
    drop_hooks: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: EraseArgs) -> Result<(), CommandFailure> {
    let api = ApiClient::new(&args.api, Scope::Control)?;
    let drop = args.drop_hooks.then(|| ("undelivered", "drop".to_owned()));
    let answer = api.delete(&["users", &args.user], drop.as_slice()).await?;
    if args.api.json {
        return output::line(answer.text());
    }
    let reply = answer.value()?;
    let [sockets, hooks] = ["disconnected", "hooks_dropped"].map(|it| output::field(&reply, it));
    let user = output::plain(&args.user);
    output::line(&format!("{user}: erased, {sockets} sockets disconnected, {hooks} hooks dropped"))
}
