//! Where Redis is: one server, or sentinels that know which server it is at the moment.

use crate::config::reader::{Checked, SettingsReader};
use crate::types::Secret;
use reqwest::Url;

const RULE: &str = "must be a URL such as redis://:password@redis.example.com:6379, rediss://… for TLS, \
                    unix:///run/redis.sock, or redis+sentinel://:password@a:26379,b:26379/mymaster";
/// Most sentinels that are asked.
const SENTINELS_LEN_MAX: usize = 16;
/// The port of a sentinel that is named without one.
const SENTINEL_PORT: u16 = 26_379;

/// Where Redis or Valkey is.
#[derive(Debug, Clone)]
pub enum RedisLocation {
    /// The URL of a server, with its password.
    Server(Secret),
    /// Sentinels are asked, each time a connection is made.
    Sentinels(SentinelLocation),
}

/// Sentinels, and what they watch.
#[derive(Debug, Clone)]
pub struct SentinelLocation {
    /// Hosts and ports, asked in this order.
    pub addresses: Vec<(String, u16)>,
    /// The name under which they watch the server.
    pub service: String,
    /// The URL of the server with `sentinel.invalid` in the place of its host: scheme, user, password, database.
    pub server: Secret,
}

/// Reads `key` or `{key}_file`; `None` if neither is written.
pub(super) fn read(reader: &mut SettingsReader, key: &str) -> Checked<Option<RedisLocation>> {
    let Some(text) = reader.secret(key)? else { return Ok(None) };
    parse(&text).map(Some).ok_or_else(|| reader.reject(key, RULE))
}

fn parse(text: &str) -> Option<RedisLocation> {
    let (scheme, rest) = text.split_once("://")?;
    match scheme {
        "redis+sentinel" => sentinels("redis", rest),
        "rediss+sentinel" => sentinels("rediss", rest),
        "redis" | "rediss" => {
            let url = Url::parse(text).ok()?;
            // What stands behind `#` would switch off that certificates are verified.
            let is_whole = url.host_str().is_some_and(|it| !it.is_empty());
            let is_whole = is_whole && url.fragment().is_none();
            is_whole.then(|| server(text))
        }
        "unix" | "redis+unix" => rest.starts_with('/').then(|| server(text)),
        _ => None,
    }
}

fn server(text: &str) -> RedisLocation {
    RedisLocation::Server(Secret::new(text.as_bytes()))
}

/// `[user:password@]host[:port],host[:port]/service[/database]`
fn sentinels(scheme: &str, rest: &str) -> Option<RedisLocation> {
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (format!("{credentials}@"), rest),
        None => (String::new(), rest),
    };
    let mut parts = rest.trim_end_matches('/').split('/');
    let addresses: Option<Vec<(String, u16)>> = parts.next()?.split(',').map(address).collect();
    let addresses = addresses.filter(|it| it.len() <= SENTINELS_LEN_MAX)?;
    let service = parts.next().filter(|it| !it.is_empty())?.to_owned();
    let database = match parts.next() {
        Some(number) => format!("/{}", number.parse::<u8>().ok()?),
        None => String::new(),
    };
    if parts.next().is_some() {
        return None;
    }
    let server = format!("{scheme}://{credentials}sentinel.invalid{database}");
    Url::parse(&server).ok()?;
    let server = Secret::new(server.into_bytes());
    Some(RedisLocation::Sentinels(SentinelLocation { addresses, service, server }))
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
    use super::{RedisLocation, parse};

    fn shown(text: &str) -> String {
        let text_of =
            |secret: &crate::types::Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
        match parse(text) {
            None => "refused".to_owned(),
            Some(RedisLocation::Server(url)) => text_of(&url),
            Some(RedisLocation::Sentinels(it)) => {
                let addresses: Vec<_> =
                    it.addresses.iter().map(|(host, port)| format!("{host} {port}")).collect();
                format!("{} of {}: {}", it.service, addresses.join(", "), text_of(&it.server))
            }
        }
    }

    #[test]
    fn a_location_is_a_server_or_sentinels() {
        for (text, expected) in [
            ("redis://localhost", "redis://localhost"),
            ("rediss://:pw@redis.example.com:6380/2", "rediss://:pw@redis.example.com:6380/2"),
            ("unix:///run/redis.sock", "unix:///run/redis.sock"),
            ("redis+sentinel://a/main", "main of a 26379: redis://sentinel.invalid"),
            (
                "rediss+sentinel://user:p%40w@a:1,[::1]:2,[::2]/main/3/",
                "main of a 1, ::1 2, ::2 26379: rediss://user:p%40w@sentinel.invalid/3",
            ),
            ("redis+sentinel://a,b", "refused"),
            ("redis+sentinel://a,/main", "refused"),
            ("redis+sentinel://a/main/3/4", "refused"),
            ("redis+sentinel://a/main/x", "refused"),
            ("redis+sentinel://a:99999/main", "refused"),
            ("redis://", "refused"),
            ("rediss://redis.example.com/#insecure", "refused"),
            ("http://localhost", "refused"),
            ("localhost:6379", "refused"),
            ("unix://run/redis.sock", "refused"),
            ("", "refused"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
