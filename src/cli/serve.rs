//! `userline serve`: the server, until a signal ends it.

use super::exit::CommandFailure;
use super::output;
use super::settings::ConfigArgs;
use crate::app::{App, BuildError, DevPage, JoinError};
use crate::config::Config;
use crate::tasks::Tasks;
use crate::telemetry::Log;
use crate::types::saturating_u64;
use clap::Args;
use std::net::SocketAddr;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Open files that are no client connections: listeners, the store, hooks, the admin API.
const FILES_RESERVED: u64 = 512;

/// Run the server
///
/// SIGTERM or SIGINT ends it in an orderly way (listen.drain), a second one at once. SIGHUP is ignored.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: ConfigArgs,
    /// Address for clients; as --set listen.public=ADDR
    #[arg(long, value_name = "ADDR")]
    listen_public: Option<String>,
    /// Address of the admin API; as --set listen.admin=ADDR
    #[arg(long, value_name = "ADDR")]
    listen_admin: Option<String>,
}

pub(super) async fn run(args: ServeArgs) -> Result<(), CommandFailure> {
    let mut sources = args.settings.sources();
    let shortcuts = [
        ("--listen-public", "listen.public", args.listen_public),
        ("--listen-admin", "listen.admin", args.listen_admin),
    ];
    for (flag, key, value) in shortcuts {
        if let Some(value) = value {
            sources = sources.with_flag(flag, key, &value);
        }
    }
    let (config, _) = super::config::load_to_run(&sources)?;
    let running = run_server(config, None, |bound| {
        output::line(&format!("public http://{}", bound.public))?;
        output::line(&format!("admin http://{}", bound.admin))
    });
    Box::pin(running).await
}

/// Where the server listens, ports that were free included.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListenAddresses {
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// Binds both ports, tells where, and serves until a signal comes.
pub(super) async fn run_server(
    config: Config,
    page: Option<DevPage>,
    tell: impl FnOnce(ListenAddresses) -> Result<(), CommandFailure>,
) -> Result<(), CommandFailure> {
    let log = Log::init(&config.log).map_err(CommandFailure::internal)?;
    let ended = run_logged(config, page, tell, &log).await;
    log.flush();
    ended
}

async fn run_logged(
    config: Config,
    page: Option<DevPage>,
    tell: impl FnOnce(ListenAddresses) -> Result<(), CommandFailure>,
    log: &Log,
) -> Result<(), CommandFailure> {
    if config.admin.keys.is_empty() {
        tracing::warn!("admin.keys is empty: the admin API refuses everybody");
    }
    let (limits, grace, is_dev) = (config.limits, config.presence.grace, page.is_some());
    let store = config.store.data_dir.display();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %store, "starting");
    let forwards = config.cluster.as_ref().is_some_and(|it| it.forward.is_some());
    let connections = capacity(limits.connections, if forwards { 3 } else { 1 }, is_dev);
    let (tasks, shutdown) = (Tasks::new(), CancellationToken::new());
    // Before the ports are bound: whoever sees them open may send a signal.
    let signals = Signals::new(is_dev).map_err(CommandFailure::internal)?;
    tasks.spawn("signals", signals.obey(shutdown.clone(), log.clone()));
    let app = App::build(config, page).await.map_err(failure)?;
    let bound = ListenAddresses { public: app.public_addr(), admin: app.admin_addr() };
    tracing::info!(
        public = %bound.public, admin = %bound.admin, connections, payload_bytes = limits.payload_bytes,
        buffer_bytes = limits.buffer_bytes, ?grace, "listening"
    );
    tell(bound)?;
    app.run_until(shutdown).await;
    tracing::info!("stopped");
    Ok(())
}

/// What is wrong with a configuration may show only when it meets that of others.
fn failure(error: BuildError) -> CommandFailure {
    if let BuildError::Join(apart @ JoinError::Apart(_)) = &error {
        return CommandFailure::ConfigValue(format!("{error}: {apart}"));
    }
    CommandFailure::internal(error)
}

/// Raises the limit of open files: most systems start with 1024 and allow more. Returns how many connections there can be that
/// take so many `files_each`: one for itself, and two where another node's passes through.
fn capacity(connections_max: usize, files_each: u64, is_dev: bool) -> u64 {
    let wanted = saturating_u64(connections_max);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => {
            let capacity = wanted.min(files.saturating_sub(FILES_RESERVED) / files_each);
            if capacity < wanted && !is_dev {
                tracing::warn!(
                    files,
                    "limits.connections is {wanted}: raise the limit of open files (ulimit -n) to reach it"
                );
            }
            capacity
        }
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            wanted
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whether SIGHUP ends the process: a trial ends with the terminal in which it was begun.
    hangup_ends: bool,
}

impl Signals {
    fn new(hangup_ends: bool) -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            hangup_ends,
        })
    }

    async fn obey(mut self, shutdown: CancellationToken, log: Log) {
        let name = self.next().await;
        tracing::info!(signal = name, "stopping; a second signal ends the process at once");
        shutdown.cancel();
        let name = self.next().await;
        tracing::warn!(signal = name, "ended by a second signal");
        log.flush();
        // What a shell reports for a process that SIGINT ended.
        std::process::exit(130);
    }

    /// The next signal that ends the process.
    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    if self.hangup_ends {
                        return "SIGHUP";
                    }
                    tracing::info!("SIGHUP is ignored: settings are read at the start only, so restart");
                }
            }
        }
    }
}
