//! What all kinds of load are told on the command line.

use crate::bench::{
    BenchError, BenchReport, BrowserHeaders, LoadPlan, MARKER_BYTES_MAX, PostTemplate,
    ServerAddress, Template, TokenGrants, TokenSigner,
};
use crate::cli::exit::CommandFailure;
use crate::cli::output;
use crate::cli::settings::Hidden;
use clap::{Args, ValueEnum};
use reqwest::Url;
use std::time::Duration;

/// In help texts, clap takes `{n}` for a line end, unless something is between the braces: a style that changes nothing.
const AUTH_HELP: &str = "JSON that each socket sends as `auth`; {\u{1b}[0mn} is its number, {user} its user, \
     {token} a token of its user";
const USER_HELP: &str = "Name of a user; {\u{1b}[0mn} is the user's number";
const USERLINE_URL: &str = "http://127.0.0.1:4001/v1/emit";
const DURATION_MIN: Duration = Duration::from_millis(100);
const DURATION_MAX: Duration = Duration::from_mins(10);

/// The sockets.
#[derive(Debug, Args)]
pub(super) struct SocketArgs {
    /// Where clients connect: http://HOST:PORT or ws://HOST:PORT
    url: Url,
    /// Sockets, each on a connection of its own; 1 to 60000
    #[arg(long, value_name = "N", default_value = "100", value_parser = number::<1, 60_000>)]
    sockets: usize,
    /// Handshakes under way at once; 1 to 10000
    #[arg(long, value_name = "N", default_value = "64", value_parser = number::<1, 10_000>)]
    concurrency: usize,
    #[arg(long, value_name = "JSON", default_value = r#"{"user":"{user}"}"#, help = AUTH_HELP)]
    auth: Template,
    /// Secret that {token} is signed with (HS256); others can see arguments, so rather set the variable
    #[arg(
        long,
        value_name = "SECRET",
        env = "USERLINE_JWT_SECRET",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    jwt_secret: Option<Hidden>,
    /// Rooms that each {token} grants; the next user has all but one of them, too
    #[arg(long, value_name = "N", default_value = "0", value_parser = number::<0, 1000>)]
    token_rooms: usize,
    /// Bytes of the `data` in each {token}
    #[arg(long, value_name = "N", default_value = "0", value_parser = number::<0, 100_000>)]
    token_data: usize,
    #[arg(long, value_name = "NAME", default_value = "u{n}", help = USER_HELP)]
    user: Template,
    /// Users that the sockets are dealt out to [default: one for each socket]
    #[arg(long, value_name = "N", value_parser = number::<1, 60_000>)]
    users: Option<usize>,
    /// Path of the server
    #[arg(long, default_value = "/socket.io/")]
    path: String,
    /// Namespace to join
    #[arg(long, default_value = "/")]
    namespace: String,
    /// Header of the handshake, as NAME: VALUE; may be repeated
    #[arg(long = "header", value_name = "HEADER", value_parser = parse_header)]
    headers: Vec<HeaderLine>,
    /// Send the headers of a browser with the handshake, a session cookie included
    #[arg(long)]
    browser_headers: bool,
    /// How long nothing may happen before what is missing counts as lost
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    patience: Duration,
    /// How long to let all be at the end, before memory is measured: some servers give back only after a while; 0s to 10m
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_pause)]
    rest: Duration,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// Process of the server, on this machine: tells its CPU time and memory
    #[arg(long)]
    pid: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// End with 1 if anything was lost, repeated, out of order, refused or disconnected
    #[arg(long)]
    strict: bool,
}

/// How long to measure.
#[derive(Debug, Args)]
pub(super) struct TimeArgs {
    /// How long to measure; 100ms to 10m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(super) duration: Duration,
}

/// What events are like.
#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    #[command(flatten)]
    pub(super) time: TimeArgs,
    /// How long to do the same before it is measured; 0s to 10m
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_pause)]
    pub(super) warmup: Duration,
    /// Bytes of the data of an event; 46 to 100000, because order and time are written into them
    #[arg(long, value_name = "N", default_value = "128", value_parser = number::<{ MARKER_BYTES_MAX }, 100_000>)]
    pub(super) bytes: usize,
    /// At most so many a second, all together [default: as fast as it goes]
    #[arg(long, value_name = "N", value_parser = number::<1, 10_000_000>)]
    pub(super) rate: Option<usize>,
}

/// Who publishes, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Publishing")]
pub(super) struct PublishArgs {
    /// A server whose API is known; sets the three below
    #[arg(long)]
    preset: Option<Preset>,
    /// Admin key for the preset; others can see arguments, so rather set the variable
    #[arg(long, env = "USERLINE_KEY", hide_env_values = true, allow_hyphen_values = true)]
    key: Option<Hidden>,
    /// Where to POST
    #[arg(long, value_name = "URL")]
    publish_url: Option<Url>,
    /// Header of the POST, as NAME: VALUE; may be repeated
    #[arg(long = "publish-header", value_name = "HEADER", value_parser = parse_header)]
    publish_headers: Vec<HeaderLine>,
    /// Body of the POST; {payload} is the data (a JSON text without its quotes), {user} and {seq} are filled in, too
    #[arg(long, value_name = "TEMPLATE")]
    publish_body: Option<Template>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// POST /v1/emit with --key
    Userline,
}

/// A header line, which may hold a secret.
#[derive(Clone)]
struct HeaderLine(String);

impl std::fmt::Debug for HeaderLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[header]")
    }
}

impl SocketArgs {
    /// The plan of a run that only connects, for so long.
    pub(super) fn plan(&self, duration: Duration) -> Result<LoadPlan, BenchError> {
        let server = ServerAddress::resolve(&self.url)?;
        let as_browser =
            if self.browser_headers { BrowserHeaders::Yes } else { BrowserHeaders::No };
        let users = self.users.unwrap_or(self.sockets);
        if self.sockets < users {
            return Err(BenchError::Usage("--users cannot be more than --sockets".to_owned()));
        }
        let grants = TokenGrants { rooms: self.token_rooms, data_bytes: self.token_data };
        Ok(LoadPlan {
            upgrade: server.upgrade(&self.path, &lines(&self.headers), as_browser),
            server,
            prefix: match self.namespace.as_str() {
                "/" => String::new(),
                namespace => format!("{namespace},"),
            },
            auth: self.auth.clone(),
            user: self.user.clone(),
            tokens: self.jwt_secret.as_ref().map(|Hidden(secret)| TokenSigner::new(secret, grants)),
            sockets: self.sockets,
            users,
            concurrency: self.concurrency,
            bytes: 0,
            duration,
            warmup: Duration::ZERO,
            rest: self.rest,
            patience: self.patience,
            server_pid: self.common.pid,
        })
    }

    /// The plan of a run that sends events.
    pub(super) fn load_plan(&self, load: &LoadArgs) -> Result<LoadPlan, BenchError> {
        let plan = self.plan(load.time.duration)?;
        Ok(LoadPlan { bytes: load.bytes, warmup: load.warmup, ..plan })
    }

    /// Prints what a run found, and fails if it was to be strict and something went wrong.
    pub(super) fn show(&self, report: &BenchReport) -> Result<(), CommandFailure> {
        let text = if self.common.json {
            serde_json::to_string(report).map_err(CommandFailure::internal)?
        } else {
            report.text()
        };
        output::line(&text)?;
        if self.common.strict && !report.is_clean() {
            let why = "not everything arrived once, in order and on a connection that held";
            return Err(CommandFailure::Refused(why.to_owned()));
        }
        Ok(())
    }
}

impl PublishArgs {
    /// Where and what to POST; `body` is that of the preset.
    pub(super) fn post(&self, body: &str) -> Result<(ServerAddress, PostTemplate), CommandFailure> {
        let mut headers = lines(&self.publish_headers);
        let (url, body) = match self.preset {
            Some(Preset::Userline) => {
                let Some(Hidden(key)) = &self.key else {
                    let why = "--preset userline needs --key or USERLINE_KEY";
                    return Err(CommandFailure::Usage(why.to_owned()));
                };
                headers.push(format!("authorization: Bearer {key}"));
                headers.push("content-type: application/json".to_owned());
                let url = self.publish_url.clone().map_or_else(|| Url::parse(USERLINE_URL), Ok);
                let body = self.publish_body.clone().unwrap_or_else(|| Template::from(body));
                (url.map_err(CommandFailure::internal)?, body)
            }
            None => {
                let given = self.publish_url.clone().zip(self.publish_body.clone());
                given.ok_or_else(|| {
                    let why = "--preset, or --publish-url and --publish-body are needed";
                    CommandFailure::Usage(why.to_owned())
                })?
            }
        };
        let server = ServerAddress::resolve(&url)?;
        let post = PostTemplate::new(&server, &headers, body);
        Ok((server, post))
    }
}

fn lines(headers: &[HeaderLine]) -> Vec<String> {
    headers.iter().map(|HeaderLine(line)| line.clone()).collect()
}

fn parse_header(text: &str) -> Result<HeaderLine, String> {
    let is_line = text.split_once(':').is_some_and(|(name, _)| !name.is_empty());
    if is_line && !text.contains(['\r', '\n']) {
        return Ok(HeaderLine(text.to_owned()));
    }
    Err("must be NAME: VALUE, on one line".to_owned())
}

pub(super) fn number<const MIN: usize, const MAX: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if MIN <= number && number <= MAX => Ok(number),
        Ok(_) | Err(_) => Err(format!("must be a number from {MIN} to {MAX}")),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    duration_from(DURATION_MIN, text)
}

fn parse_pause(text: &str) -> Result<Duration, String> {
    duration_from(Duration::ZERO, text)
}

fn duration_from(min: Duration, text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if min <= time && time <= DURATION_MAX => Ok(time),
        Ok(_) | Err(_) => Err(format!(
            "must be a time from {} to 10m, such as 5s",
            humantime::format_duration(min)
        )),
    }
}
