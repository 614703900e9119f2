//! The admin API as commands call it.

use super::exit::CommandFailure;
use super::settings::Hidden;
use crate::config::{AdminConfig, Config, Scope, Sources, shown_url};
use clap::Args;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const URL_HELP: &str = "Address of the admin listener [default: that of --config, else USERLINE_URL, \
     else http://127.0.0.1:4001]";
const URL_VARIABLE: &str = "USERLINE_URL";
/// Longer than the longest wait for acks.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Most bytes of an answer: a page of the longest list is smaller.
const ANSWER_BYTES_MAX: usize = 64_000_000;
/// Most entries of a list asked for at once.
const PAGE_LEN: usize = 1000;

/// Where the admin listener is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerArgs {
    #[arg(long, help = URL_HELP)]
    url: Option<Url>,
    /// The server's configuration: its address and its first key that is allowed to do this
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where the admin API is and how to show the answer.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ApiArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Admin key; other users of this machine can see arguments, so rather set the variable
    #[arg(long, env = "USERLINE_KEY", hide_env_values = true, allow_hyphen_values = true)]
    key: Option<Hidden>,
    /// Print the answer of the server as it is
    #[arg(long)]
    pub(super) json: bool,
}

/// A client of the admin API with its key.
#[derive(Debug)]
pub(super) struct ApiClient {
    client: Client,
    base: Url,
    key: Hidden,
}

/// What the server answered, as it was written.
#[derive(Debug)]
pub(super) struct ApiAnswer(String);

/// Entries of a list, from as many pages as were needed.
#[derive(Debug)]
pub(super) struct ApiList {
    pub(super) items: Vec<Box<RawValue>>,
    /// Where the list goes on; none at its end.
    pub(super) next: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct ErrorReply {
    error: ErrorReplyBody,
}

#[derive(Debug, Deserialize)]
struct ErrorReplyBody {
    code: String,
    message: String,
    field: Option<String>,
    request_id: Option<String>,
}

impl ServerArgs {
    fn config(&self) -> Result<Option<Config>, CommandFailure> {
        let Some(path) = &self.config else { return Ok(None) };
        Ok(Some(Config::load(&Sources::new().with_process_environment().with_file(path))?))
    }

    /// The address. What the command line says, a configuration too, goes before the variable: that one may stay from
    /// work on another server.
    fn base(&self, config: Option<&Config>) -> Result<Url, CommandFailure> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        if let Some(config) = config {
            return local_url(config.listen.admin);
        }
        let Some(text) = std::env::var_os(URL_VARIABLE) else {
            return parse_url("http://127.0.0.1:4001");
        };
        let url = text.to_str().and_then(|text| Url::parse(text).ok());
        url.filter(|url| ["http", "https"].contains(&url.scheme())).ok_or_else(|| {
            CommandFailure::Usage(format!(
                "{URL_VARIABLE} must be an address such as http://127.0.0.1:4001"
            ))
        })
    }

    /// The status of the server's answer to a GET of `path`, and where it was asked.
    pub(super) async fn status(
        &self,
        path: &str,
        timeout: Duration,
    ) -> Result<(String, StatusCode), CommandFailure> {
        let mut url = self.base(self.config()?.as_ref())?;
        let client = client(&url, timeout)?;
        extend_path(&mut url, &[path])?;
        let asked = client.get(url.clone()).send().await;
        let response = asked.map_err(|error| unreachable(&url, &error))?;
        Ok((shown_url(url.as_str()), response.status()))
    }
}

impl ApiClient {
    /// Finds address and key; `scope` is what the command needs.
    pub(super) fn new(args: &ApiArgs, scope: Scope) -> Result<Self, CommandFailure> {
        let config = args.server.config()?;
        let base = args.server.base(config.as_ref())?;
        let configured = config.as_ref().and_then(|config| find_key(&config.admin, scope));
        let Some(key) = args.key.clone().or(configured) else {
            let why = format!(
                "a key with the scope `{}` is needed: --key, USERLINE_KEY or --config",
                scope.as_str()
            );
            return Err(CommandFailure::Usage(why));
        };
        Ok(Self { client: client(&base, TIMEOUT)?, base, key })
    }

    /// GET of a path, whose segments may hold anything.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<ApiAnswer, CommandFailure> {
        self.send(Method::GET, self.url_with(path, query)?, None).await
    }

    /// DELETE of a path, whose segments may hold anything.
    pub(super) async fn delete(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<ApiAnswer, CommandFailure> {
        self.send(Method::DELETE, self.url_with(path, query)?, None).await
    }

    /// POST of JSON to a path, whose segments may hold anything.
    pub(super) async fn post(
        &self,
        path: &[&str],
        body: String,
    ) -> Result<ApiAnswer, CommandFailure> {
        self.send(Method::POST, self.url(path)?, Some(body)).await
    }

    /// PUT of JSON to a path, whose segments may hold anything.
    pub(super) async fn put(
        &self,
        path: &[&str],
        body: String,
    ) -> Result<ApiAnswer, CommandFailure> {
        self.send(Method::PUT, self.url(path)?, Some(body)).await
    }

    /// PUT or DELETE with JSON of a path, whose segments may hold anything.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: String,
    ) -> Result<ApiAnswer, CommandFailure> {
        self.send(method, self.url_with(path, query)?, Some(body)).await
    }

    /// The first `limit` entries under `name`, page by page.
    pub(super) async fn list(
        &self,
        path: &[&str],
        name: &str,
        filters: &[(&str, Option<String>)],
        limit: usize,
    ) -> Result<ApiList, CommandFailure> {
        let mut list = ApiList { items: Vec::new(), next: None };
        loop {
            let missing = limit.saturating_sub(list.items.len()).min(PAGE_LEN);
            let mut query = vec![("limit", missing.to_string())];
            let cursor = list.next.as_ref().map(|next| cursor_text(next));
            let filters = filters.iter().filter_map(|(key, it)| Some((*key, it.clone()?)));
            query.extend(filters.chain(cursor.map(|cursor| ("cursor", cursor))));
            let answer = self.get(path, &query).await?;
            let mut page = answer.page(name)?;
            let is_last = page.next.is_none() || page.items.is_empty();
            list.items.append(&mut page.items);
            list.next = page.next;
            if is_last || limit <= list.items.len() {
                return Ok(list);
            }
        }
    }

    fn url(&self, path: &[&str]) -> Result<Url, CommandFailure> {
        // No encoding keeps a URL from taking these for steps in the tree.
        if let Some(step) = path.iter().find(|segment| [".", ".."].contains(*segment)) {
            return Err(CommandFailure::Usage(format!("`{step}` cannot be part of an address")));
        }
        let mut url = self.base.clone();
        extend_path(&mut url, &["v1"])?;
        extend_path(&mut url, path)?;
        Ok(url)
    }

    fn url_with(&self, path: &[&str], query: &[(&str, String)]) -> Result<Url, CommandFailure> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<String>,
    ) -> Result<ApiAnswer, CommandFailure> {
        let mut request = self
            .client
            .request(method, url)
            .header(AUTHORIZATION, format!("Bearer {}", self.key.0));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| unreachable(&self.base, &error))?;
        let status = response.status();
        let text = self.read(response).await?;
        if status.is_success() {
            return Ok(ApiAnswer(text));
        }
        let Ok(ErrorReply { error }) = serde_json::from_str(&text) else {
            let base = shown_url(self.base.as_str());
            let why = format!("{base} answered {status}: is this the admin listener of userline?");
            return Err(CommandFailure::Refused(why));
        };
        let part = |name: &str, value: Option<String>| {
            value.map(|value| format!(", {name} {value}")).unwrap_or_default()
        };
        let details = part("field", error.field) + &part("request", error.request_id);
        Err(CommandFailure::Refused(format!("{} ({}{details})", error.message, error.code)))
    }

    async fn read(&self, mut response: Response) -> Result<String, CommandFailure> {
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| unreachable(&self.base, &error))?
        {
            bytes.extend_from_slice(&chunk);
            if ANSWER_BYTES_MAX < bytes.len() {
                return Err(self.not_the_api("the answer is too large"));
            }
        }
        String::from_utf8(bytes).map_err(|_| self.not_the_api("the answer is not UTF-8"))
    }

    fn not_the_api(&self, why: &str) -> CommandFailure {
        let base = shown_url(self.base.as_str());
        CommandFailure::Unreachable(format!("{base}: {why}: is this the admin listener?"))
    }
}

impl ApiAnswer {
    /// As it was written.
    pub(super) fn text(&self) -> &str {
        self.0.trim_end()
    }

    /// For people; numbers may lose precision.
    pub(super) fn value(&self) -> Result<Value, CommandFailure> {
        serde_json::from_str(&self.0).map_err(|_| not_json())
    }

    fn page(&self, name: &str) -> Result<ApiList, CommandFailure> {
        let mut fields: std::collections::BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&self.0).map_err(|_| not_json())?;
        let items = fields.remove(name).ok_or_else(not_json)?;
        let items = serde_json::from_str(items.get()).map_err(|_| not_json())?;
        Ok(ApiList { items, next: fields.remove("next").filter(|next| next.get() != "null") })
    }
}

impl ApiList {
    /// The entries for people.
    pub(super) fn values(&self) -> Result<Vec<Value>, CommandFailure> {
        let parse = |item: &RawValue| serde_json::from_str(item.get()).map_err(|_| not_json());
        self.items.iter().map(|item| parse(item)).collect()
    }

    /// As one page of the API.
    pub(super) fn json(&self, name: &str) -> String {
        let items: Vec<&str> = self.items.iter().map(|item| item.get()).collect();
        let next = self.next.as_ref().map_or("null", |next| next.get());
        format!("{{\"{name}\":[{}],\"next\":{next}}}", items.join(","))
    }
}

/// Adds segments, which may hold anything, to the path of an address.
fn extend_path(url: &mut Url, path: &[&str]) -> Result<(), CommandFailure> {
    let not_http = |()| CommandFailure::Usage("--url must be an http or https address".to_owned());
    url.path_segments_mut().map_err(not_http)?.pop_if_empty().extend(path);
    Ok(())
}

fn client(base: &Url, timeout: Duration) -> Result<Client, CommandFailure> {
    let client = Client::builder().connect_timeout(CONNECT_TIMEOUT.min(timeout)).timeout(timeout);
    let client = if is_local(base) { client.no_proxy() } else { client };
    // Without TLS a machine needs no certificates of authorities: a small image has none.
    let client = if base.scheme() == "http" { client.tls_certs_only([]) } else { client };
    client.build().map_err(CommandFailure::internal)
}

fn unreachable(base: &Url, error: &reqwest::Error) -> CommandFailure {
    let mut why = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        why = error.to_string();
        cause = error.source();
    }
    CommandFailure::Unreachable(format!("no answer from {}: {why}", shown_url(base.as_str())))
}

fn not_json() -> CommandFailure {
    CommandFailure::Unreachable("the answer is not what the admin API of userline says".to_owned())
}

fn cursor_text(next: &RawValue) -> String {
    serde_json::from_str(next.get()).unwrap_or_else(|_| next.get().to_owned())
}

fn parse_url(text: &str) -> Result<Url, CommandFailure> {
    Url::parse(text).map_err(CommandFailure::internal)
}

/// The address a client on the same machine uses for this listener.
fn local_url(listener: SocketAddr) -> Result<Url, CommandFailure> {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    parse_url(&format!("http://{}", SocketAddr::new(ip, listener.port())))
}

/// Whether the address is on this machine, where no proxy stands between.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn find_key(admin: &AdminConfig, scope: Scope) -> Option<Hidden> {
    let key = admin.keys.iter().find(|key| key.scopes.contains(&scope))?;
    String::from_utf8(key.key.expose().to_vec()).ok().map(Hidden)
}

/// The value of `--limit`.
pub(super) fn parse_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit) if 0 < limit && limit <= 1_000_000 => Ok(limit),
        Ok(_) | Err(_) => Err("must be a number from 1 to 1000000".to_owned()),
    }
}
