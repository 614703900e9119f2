//! `[listen]`: where the two listeners are and whom they believe.

use super::reader::{Checked, SettingsReader};
use crate::types::OriginRule;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Where the two listeners are and whom they believe.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// Address of the Socket.IO listener; port 0 takes a free one.
    pub public: SocketAddr,
    /// Address of the admin listener; port 0 takes a free one.
    pub admin: SocketAddr,
    /// Path of Socket.IO on the public listener; begins and ends with `/`.
    pub path: String,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Pages that may connect: one list for CORS and for WebSocket handshakes.
    pub origins: Origins,
    /// How long a graceful stop may take to close the connections, spread evenly.
    pub drain: Duration,
}

/// Which `Origin` headers are accepted. Clients that send none (not browsers) are always accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every page (`["*"]`).
    Any,
    /// Every page of the client's own machine (`["localhost"]`), at any port.
    Local,
    /// Those that one of these names; empty: no page, only clients that send none.
    List(Vec<OriginRule>),
}

/// Most entries of `origins`, and of `trusted_proxies`.
const LIST_LEN_MAX: usize = 1000;

/// What load balancers ask on the same listener.
const HEALTH_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Stands for every page of the client's own machine.
const LOCAL: &str = "localhost";

/// Where the two listeners are, each by itself.
pub(super) struct Addresses {
    pub(super) public: Checked<SocketAddr>,
    pub(super) admin: Checked<SocketAddr>,
}

impl Addresses {
    pub(super) fn read(reader: &mut SettingsReader) -> Self {
        let address = "must be an address such as 0.0.0.0:4000";
        let public = reader.parsed("listen.public", address, |text| text.parse().ok());
        let admin = reader.parsed("listen.admin", address, |text| text.parse().ok());
        if let (Ok(public), Ok(admin)) = (&public, &admin) {
            let admin: &SocketAddr = admin;
            if public == admin && admin.port() != 0 {
                reader.reject("listen.admin", "must not be the address of listen.public");
            }
        }
        Self { public, admin }
    }
}

impl ListenConfig {
    pub(super) fn read(reader: &mut SettingsReader, addresses: Addresses) -> Checked<Self> {
        let path = reader.parsed(
            "listen.path",
            "must begin and end with \"/\", such as \"/socket.io/\", of letters, digits and -._~/, and \
             not be that of a health check",
            parse_path,
        );
        let trusted_proxies = reader.list(
            "listen.trusted_proxies",
            LIST_LEN_MAX,
            "must be addresses or networks such as 10.0.0.0/8",
            parse_network,
        );
        let origins = read_origins(reader);
        let drain = reader.duration("listen.drain", Duration::ZERO..=Duration::from_mins(10));
        Ok(Self {
            public: addresses.public?,
            admin: addresses.admin?,
            path: path?,
            trusted_proxies: trusted_proxies?,
            origins: origins?,
            drain: drain?,
        })
    }
}

fn parse_path(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let good = text.starts_with('/')
        && text.ends_with('/')
        && !text.contains("//")
        && !HEALTH_PATHS.contains(&text.trim_end_matches('/'))
        && text.chars().all(is_plain);
    good.then(|| text.to_owned())
}

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| IpNet::from(address)))
}

fn read_origins(reader: &mut SettingsReader) -> Checked<Origins> {
    let key = "listen.origins";
    let rule = "must be pages such as https://app.example.com or https://*.example.com \
                (scheme://host[:port], no path), null, file://, * or localhost";
    let origins = reader.list(key, LIST_LEN_MAX, rule, parse_origin)?;
    match origins.as_slice() {
        [WrittenOrigin::Any] => return Ok(Origins::Any),
        [WrittenOrigin::Local] => return Ok(Origins::Local),
        _ => {}
    }
    if origins.iter().any(|it| matches!(it, WrittenOrigin::Any)) {
        return Err(reader.reject(key, "must not name pages beside \"*\", which is every page"));
    }
    let rules: Option<Vec<OriginRule>> = origins.into_iter().map(WrittenOrigin::rule).collect();
    rules.map(Origins::List).ok_or_else(|| {
        let rule = "must not name pages beside \"localhost\", which is every page of the \
                    client's own machine";
        reader.reject(key, rule)
    })
}

/// One entry of `listen.origins`.
enum WrittenOrigin {
    Any,
    Local,
    Rule(OriginRule),
}

impl WrittenOrigin {
    fn rule(self) -> Option<OriginRule> {
        if let Self::Rule(rule) = self { Some(rule) } else { None }
    }
}

fn parse_origin(text: &str) -> Option<WrittenOrigin> {
    match text {
        "*" => Some(WrittenOrigin::Any),
        LOCAL => Some(WrittenOrigin::Local),
        _ if text.is_ascii() => OriginRule::parse(text).map(WrittenOrigin::Rule),
        // Browsers send the names of such hosts in ASCII (IDNA).
        _ => OriginRule::parse(&ascii_origin(text)?).map(WrittenOrigin::Rule),
    }
}

/// An origin whose host has other letters than ASCII, as browsers send it.
fn ascii_origin(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let is_origin = url.path() == "/" && url.query().is_none() && !text.ends_with('/');
    let is_origin = is_origin && url.username().is_empty() && url.fragment().is_none();
    is_origin.then(|| Some(format!("{}://{}{port}", url.scheme(), url.host_str()?)))?
}
