//! `userline cluster`: what concerns a cluster and no node of it.

use super::acl::{self, AclArgs};
use super::exit::CommandFailure;
use super::output;
use super::settings::ConfigArgs;
use crate::clock::Clock;
use crate::cluster::{Import, ImportError};
use crate::config::Config;
use crate::store::LoneStore;
use crate::types::Seq;
use clap::{Args, Subcommand};

/// Look after a cluster of several nodes
#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    Import(ImportArgs),
    Acl(AclArgs),
}

/// Move what a node has that was alone into Redis, before any node of the cluster runs
///
/// The configuration is that of the cluster, with the `store.data_dir` of the node that was alone. That has been stopped.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Leave in the data folder what cannot be moved; without this nothing is moved then
    #[arg(long)]
    leave_rest: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(command: ClusterCommand) -> Result<(), CommandFailure> {
    let args = match command {
        ClusterCommand::Import(args) => args,
        ClusterCommand::Acl(args) => return acl::run(args),
    };
    let config = Config::load(&args.config.sources())?;
    let Some(cluster) = &config.cluster else {
        return Err(CommandFailure::ConfigValue("cluster.redis must be set".to_owned()));
    };
    let dir = &config.store.data_dir;
    let store = LoneStore::open(dir).map_err(CommandFailure::internal)?;
    let Some(mut store) = store else {
        let why = format!("there is no userline.sqlite in store.data_dir, `{}`", dir.display());
        return Err(CommandFailure::Refused(why));
    };
    let contents = store.contents().map_err(CommandFailure::internal)?;
    let rest = contents.rest;
    if !rest.is_empty() && !args.leave_rest {
        return Err(CommandFailure::Refused(format!(
            "nothing was moved, because these cannot be: {} hooks of sockets and of messages that did not arrive, which the node \
             that was alone sends if it runs. With --leave-rest they stay in the data folder",
            rest.other_hooks
        )));
    }
    let now = Clock::start(Seq(0)).wall();
    let begun = Import::begin(cluster, config.inbox.keep, &contents, now).await;
    let import = begun.map_err(failure)?;
    import.take(&contents).await.map_err(failure)?;
    let (mut items, mut after) = (0, None);
    loop {
        let inboxes = store.inboxes(after.as_ref()).map_err(CommandFailure::internal)?;
        let Some(last) = inboxes.last() else { break };
        import.take_inboxes(&inboxes).await.map_err(failure)?;
        items += inboxes.iter().map(|it| it.items.len()).sum::<usize>();
        after = Some(last.user.clone());
    }
    store.forget_moved().map_err(CommandFailure::internal)?;
    output::line(&format!(
        "moved: {} users who were online, {} blocked or with revoked tokens, {} memberships, {} hooks that wait, \
         {items} stored events",
        contents.sessions.len(),
        contents.restrictions.len(),
        contents.memberships.len(),
        contents.hooks.len()
    ))?;
    if !rest.is_empty() {
        output::line(&format!("left in the data folder: {} hooks", rest.other_hooks))?;
    }
    Ok(())
}

fn failure(error: ImportError) -> CommandFailure {
    match error {
        ImportError::Link(error) => CommandFailure::Unreachable(error.to_string()),
        ImportError::Running(_) | ImportError::Newer | ImportError::Full => {
            CommandFailure::Refused(error.to_string())
        }
        ImportError::Answer => CommandFailure::internal(error),
    }
}
