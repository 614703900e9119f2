//! Where a Redis or Valkey is: one server, or sentinels that know which server it is at the moment. The one reader of such URLs.

use super::reader::{Checked, SettingsReader};
use redis::{ConnectionInfo, IntoConnectionInfo as _};
use reqwest::Url;

/// What such a URL is like.
pub(super) const RULE: &str = "must be a URL such as redis://:password@redis.example.com:6379 (a database other than 0 stands at the \
                               end: /2), rediss://… for TLS, unix:///run/redis.sock, or \
                               redis+sentinel://:password@a:26379,b:26379/mymaster; in a password, / ? # @ % are percent-encoded";
const FRAGMENT: &str = "must have nothing behind #: certificates are always verified, those of your own authorities with ca_file";
const QUERY: &str = "must have nothing behind ?, but for db, user and pass of a Unix socket";
/// Most sentinels that are asked.
const SENTINELS_LEN_MAX: usize = 16;
/// The port of a sentinel that is named without one.
const SENTINEL_PORT: u16 = 26_379;

/// Where Redis or Valkey is.
#[derive(Debug, Clone)]
pub struct RedisLocation {
    /// Address, user, password, database. With sentinels, an address that leads nowhere; whether there is TLS is said by it.
    pub server: ConnectionInfo,
    /// They are asked where the server is, each time a connection is made.
    pub sentinels: Option<SentinelService>,
    /// PEM of the authorities that are believed; `None`: those of the system.
    pub ca: Option<String>,
}

/// Sentinels, and what they watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelService {
    /// Hosts and ports.
    pub addresses: Vec<(String, u16)>,
    /// The name under which they watch the server.
    pub name: String,
}

impl RedisLocation {
    /// Reads a URL without authorities of its own; the error is the rule that it breaks, and does not repeat it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or(RULE)?;
        match scheme {
            "redis+sentinel" => sentinels("redis", rest),
            "rediss+sentinel" => sentinels("rediss", rest),
            _ => Ok(Self { server: server(text)?, sentinels: None, ca: None }),
        }
    }

    /// Reads `url` or `{url}_file`, and the authorities that `ca` names; `None` if no URL is written.
    pub(super) fn read(reader: &mut SettingsReader, url: &str, ca: &str) -> Checked<Option<Self>> {
        let text = reader.secret(url);
        let authorities = reader.authorities(ca);
        let Some(text) = text? else { return authorities.map(|_| None) };
        let read = Self::parse(&text).map_err(|rule| reader.reject(url, rule));
        Ok(Some(Self { ca: authorities?, ..read? }))
    }
}

fn server(text: &str) -> Result<ConnectionInfo, &'static str> {
    let url = Url::parse(text).map_err(|_| RULE)?;
    if url.fragment().is_some() {
        return Err(FRAGMENT);
    }
    let known: &[&str] = match url.scheme() {
        "unix" | "redis+unix" => &["db", "user", "pass"],
        "redis" | "rediss" | "valkey" | "valkeys" => &[],
        _ => return Err(RULE),
    };
    if url.query_pairs().any(|(name, _)| !known.contains(&&*name)) {
        return Err(QUERY);
    }
    let info = text.into_connection_info().map_err(|_| RULE)?;
    if info.redis_settings().db() < 0 { Err(RULE) } else { Ok(info) }
}

/// `[user:password@]host[:port],host[:port]/service[/database]`
fn sentinels(scheme: &str, rest: &str) -> Result<RedisLocation, &'static str> {
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (format!("{credentials}@"), rest),
        None => (String::new(), rest),
    };
    if rest.contains('#') {
        return Err(FRAGMENT);
    }
    let mut parts = rest.trim_end_matches('/').split('/');
    let addresses = parts.next().unwrap_or_default().split(',');
    let addresses: Option<Vec<(String, u16)>> = addresses.map(address).collect();
    let addresses = addresses.filter(|it| it.len() <= SENTINELS_LEN_MAX).ok_or(RULE)?;
    let name = parts.next().filter(|it| !it.is_empty()).ok_or(RULE)?.to_owned();
    let database = parts.next().map(|it| format!("/{it}")).unwrap_or_default();
    if parts.next().is_some() {
        return Err(RULE);
    }
    let server = server(&format!("{scheme}://{credentials}sentinel.invalid{database}"))?;
    Ok(RedisLocation { server, sentinels: Some(SentinelService { addresses, name }), ca: None })
}

fn address(text: &str) -> Option<(String, u16)> {
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        Some(_) | None => (text, SENTINEL_PORT),
    };
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::{FRAGMENT, QUERY, RULE, RedisLocation};

    fn shown(text: &str) -> String {
        let location = match RedisLocation::parse(text) {
            Ok(location) => location,
            Err(rule) => return rule.to_owned(),
        };
        let settings = location.server.redis_settings();
        let [user, password] =
            [settings.username(), settings.password()].map(Option::unwrap_or_default);
        let at = match location.sentinels {
            None => location.server.addr().to_string(),
            Some(it) => format!("{} of {:?}, {}", it.name, it.addresses, location.server.addr()),
        };
        format!("{at} {user}:{password} {}", settings.db())
    }

    #[test]
    fn a_url_says_where_redis_is() {
        for (text, expected) in [
            ("redis://localhost", "localhost:6379 : 0"),
            ("valkey://localhost:1/7", "localhost:1 : 7"),
            ("rediss://:p%2Fw%40@redis.example.com:6380/2", "redis.example.com:6380 :p/w@ 2"),
            ("unix:///run/redis.sock?user=ann&pass=pw&db=3", "/run/redis.sock ann:pw 3"),
            ("redis+sentinel://a/main", "main of [(\"a\", 26379)], sentinel.invalid:6379 : 0"),
            (
                "rediss+sentinel://user:p%40w@a:1,[::1]:2,[::2]/main/3/",
                "main of [(\"a\", 1), (\"::1\", 2), (\"::2\", 26379)], sentinel.invalid:6379 user:p@w 3",
            ),
            ("redis+sentinel://a,b", RULE),
            ("redis+sentinel://a,/main", RULE),
            ("redis+sentinel://a/main/3/4", RULE),
            ("redis+sentinel://a/main/x", RULE),
            ("redis+sentinel://a:99999/main", RULE),
            ("rediss+sentinel://a/main#insecure", FRAGMENT),
            ("redis://", RULE),
            ("redis://localhost/x", RULE),
            ("redis://localhost/-1", RULE),
            ("redis://:%FF@localhost", RULE),
            ("redis://:a/b@localhost", RULE),
            ("rediss://redis.example.com/#insecure", FRAGMENT),
            ("redis://localhost/?protocol=resp3", QUERY),
            ("redis://localhost/?db=3", QUERY),
            ("http://localhost", RULE),
            ("localhost:6379", RULE),
            ("unix://run/redis.sock", RULE),
            ("unix:/run/redis.sock", RULE),
            ("", RULE),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_of_it_shows_the_password() {
        for text in ["redis://ann:hush@a", "rediss+sentinel://:hush@a/b", "unix:///a?pass=hush"] {
            let location = RedisLocation::parse(text).unwrap();
            assert!(!format!("{location:?}").contains("hush"), "{location:?}");
        }
    }
}
