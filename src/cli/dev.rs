//! `userline dev`: a server to try things with, without any configuration.

use super::exit::CommandFailure;
use super::output;
use super::serve::{self, ListenAddresses};
use super::settings::OverrideArgs;
use crate::app::DevPage;
use crate::config::{Config, Dev, Sources};
use crate::core::backend::signature;
use crate::entropy;
use crate::types::Secret;
use anyhow::Context as _;
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Try it: no configuration, both listeners on this machine only, every client believed
///
/// Clients say who they are with `auth: {user: "ann"}`. The admin key is made for this run and printed. Pages may
/// connect if this machine serves them (`http://localhost:5173`, any port), not those opened as files; with
/// `--set listen.origins=*` every page you visit may. Reads no file and no `USERLINE__…` variable: `--set` is the way
/// to change a setting.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Folder with the stock client (node_modules/socket.io-client/dist), served as socket.io.js
    #[arg(long, value_name = "DIR")]
    client_dir: Option<PathBuf>,
    /// Folder of the database; a temporary one unless given
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address for clients, on loopback; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4000")]
    public: SocketAddr,
    /// Address of the admin API and the page, on loopback; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4001")]
    admin: SocketAddr,
    #[arg(long, value_name = "URL", help = HOOK_URL_HELP)]
    hook_url: Vec<String>,
    #[command(flatten)]
    overrides: OverrideArgs,
}

const HOOK_URL_HELP: &str =
    "Receiver of hooks, such as http://127.0.0.1:9000/hook; may be repeated";

pub(super) async fn run(args: DevArgs) -> Result<(), CommandFailure> {
    let key = entropy::secret();
    let secret = Secret::new(entropy::bytes::<32>());
    let hook_secret = signature::format_secret(&secret);
    let page = DevPage { key: Secret::new(key.as_bytes()), hook_secret: secret };
    let temporary = match args.data_dir {
        Some(_) => None,
        None => Some(TemporaryDir::new().map_err(CommandFailure::Internal)?),
    };
    let data_dir = args.data_dir.or_else(|| temporary.as_ref().map(|dir| dir.0.clone()));
    let has_hooks = !args.hook_url.is_empty();
    let dev = Dev {
        public: args.public,
        admin: args.admin,
        data_dir: data_dir.unwrap_or_default(),
        client_dir: args.client_dir,
        hook_urls: args.hook_url,
        key: key.clone(),
        hook_secret: hook_secret.clone(),
    };
    let config = Config::dev(args.overrides.add_to(Sources::new()), dev)?;
    let secret = has_hooks.then_some(hook_secret);
    let running = serve::run_server(config, Some(page), |bound| {
        output::line(&banner(bound, &key, secret.as_deref()))
    });
    Box::pin(running).await
}

/// What to open and what to type. Programs read the lines `public`, `console` and `key`.
fn banner(bound: ListenAddresses, key: &str, hook_secret: Option<&str>) -> String {
    let ListenAddresses { public, admin } = bound;
    let program = std::env::args().next().unwrap_or_else(|| "userline".to_owned());
    let secret = hook_secret.map(|it| format!("\nsecret   {it}")).unwrap_or_default();
    let api = format!("--url http://{admin} --key {key}");
    format!(
        r#"
public   http://{public}
console  http://{admin}/
key      {key}{secret}

Open the console in a browser: two tabs of one user and a live log of hooks. Then try:

  curl http://{admin}/v1/emit -H 'Authorization: Bearer {key}' \
       -d '{{"to":{{"users":["ann"]}},"event":"hello","data":{{"n":1}}}}'

  {program} users {api}

  {program} kick ann {api}

Ctrl-C ends it."#
    )
}

/// A folder of our own that goes when the server has ended.
struct TemporaryDir(PathBuf);

impl TemporaryDir {
    fn new() -> Result<Self, anyhow::Error> {
        let path = std::env::temp_dir().join(format!("userline-dev-{}", entropy::token("")));
        make_private(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "`{}` is left behind", self.0.display());
        }
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}
