//! `[listen]`: where the two listeners are and whom they believe.

use super::reader::{Read, Reader};
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
    /// Exactly these, as `scheme://host[:port]`, lower case; empty: no page, only clients that send none.
    List(Vec<String>),
}

/// Most entries of `origins`, and of `trusted_proxies`.
const LIST_LEN_MAX: usize = 1000;

/// Stands for every page of the client's own machine.
const LOCAL: &str = "localhost";

impl ListenConfig {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let address = "must be an address such as 0.0.0.0:4000";
        let public = reader.parsed("listen.public", address, |text| text.parse().ok());
        let admin = reader.parsed("listen.admin", address, |text| text.parse().ok());
        let path = reader.parsed(
            "listen.path",
            "must begin and end with \"/\", such as \"/socket.io/\", of letters, digits and -._~/",
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
        let config = Self {
            public: public?,
            admin: admin?,
            path: path?,
            trusted_proxies: trusted_proxies?,
            origins: origins?,
            drain: drain?,
        };
        if config.public == config.admin && config.public.port() != 0 {
            return Err(reader.reject("listen.admin", "must not be the address of listen.public"));
        }
        Ok(config)
    }
}

fn parse_path(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let good = text.starts_with('/')
        && text.ends_with('/')
        && !text.contains("//")
        && text.chars().all(is_plain);
    good.then(|| text.to_owned())
}

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| IpNet::from(address)))
}

fn read_origins(reader: &mut Reader) -> Read<Origins> {
    let key = "listen.origins";
    let rule = "must be pages such as https://app.example.com (scheme://host[:port], no path), * or localhost";
    let origins = reader.list(key, LIST_LEN_MAX, rule, parse_origin)?;
    match origins.as_slice() {
        [any] if any == "*" => Ok(Origins::Any),
        [local] if local == LOCAL => Ok(Origins::Local),
        list if list.iter().any(|it| it == "*") => {
            Err(reader.reject(key, "must not name pages beside \"*\", which is every page"))
        }
        list if list.iter().any(|it| it == LOCAL) => {
            let rule = "must not name pages beside \"localhost\", which is every page of the \
                        client's own machine";
            Err(reader.reject(key, rule))
        }
        _ => Ok(Origins::List(origins)),
    }
}

/// As a browser writes it: lower case, without the port that goes without saying.
fn parse_origin(text: &str) -> Option<String> {
    if text == "*" || text == LOCAL {
        return Some(text.to_owned());
    }
    let text = text.to_ascii_lowercase();
    let (scheme, host) = text.split_once("://")?;
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let outside_host = |c: char| c.is_whitespace() || c.is_control() || "/?#@\\*,\"".contains(c);
    let plain = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(in_scheme)
        && !host.is_empty()
        && !host.contains(outside_host);
    if !plain {
        return None;
    }
    if scheme != "http" && scheme != "https" {
        // Apps have origins of their own, such as `capacitor://localhost`.
        return Some(text);
    }
    Some(reqwest::Url::parse(&text).ok()?.origin().ascii_serialization())
}
