//! Web origins: where a page came from, and the rules that name such places.

use std::fmt;

/// Where a page came from, as its browser says in the `Origin` header (RFC 6454): `scheme://host[:port]`, or `null` of
/// a page that came from no host. Text of a client, so only what its parts say is believed.
///
/// Ways to write the same origin are equal: letters of either case, a port that is the scheme's default or left out,
/// and `ws` for `http` (`wss` for `https`), which WebSocket libraries outside of browsers send.
#[derive(Debug, Clone, Copy)]
pub struct WebOrigin<'a> {
    scheme: &'a str,
    /// Empty in `null` and `file://`.
    host: &'a str,
    /// None: the default of the scheme.
    port: Option<u16>,
}

/// Names one origin, or with `*.` those of all hosts below a domain: `https://*.example.com` names
/// `https://a.example.com` and `https://b.a.example.com`, but not `https://example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginRule {
    /// Lower case, `http` and `https` never as `ws` and `wss`.
    scheme: Box<str>,
    /// Lower case; with `is_domain` what the hosts end with, without the dot before.
    host: Box<str>,
    /// None: the default of the scheme.
    port: Option<u16>,
    is_domain: bool,
}

/// A page opened as a file, or in a sandboxed frame.
const NULL: &str = "null";
/// Pages of this scheme have no host: `file://`.
const FILE: &str = "file";
/// What stands before the domain in a rule for all hosts below it.
const WILDCARD: &str = "*.";

impl<'a> WebOrigin<'a> {
    /// Takes an origin apart; none if it is not written as one. With a path it is not.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.eq_ignore_ascii_case(NULL) {
            return Some(Self { scheme: NULL, host: "", port: None });
        }
        let (scheme, authority) = text.split_once("://")?;
        let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(in_scheme)
        {
            return None;
        }
        let scheme = http_scheme(scheme);
        let (host, port) = split_authority(authority)?;
        if host.is_empty() && (!scheme.eq_ignore_ascii_case(FILE) || port.is_some()) {
            return None;
        }
        let port = port.filter(|port| default_port(scheme) != Some(*port));
        Some(Self { scheme, host, port })
    }

    /// Whether it is `null`: of a page that came from no host.
    pub fn is_null(self) -> bool {
        self.scheme == NULL
    }

    /// The host: a name in letters of either case, an IPv4 address, or an IPv6 address in brackets; may be empty.
    pub fn host(self) -> &'a str {
        self.host
    }

    /// Whether the page came from the host that a request names in its `Host` header. A header without a port fits the
    /// default port of the page's scheme only. The scheme is not compared: behind a proxy that ends TLS, that of the
    /// request cannot be known.
    pub fn is_of(self, host_header: &str) -> bool {
        let (Some((host, port)), Some(default)) =
            (split_authority(host_header), default_port(self.scheme))
        else {
            return false;
        };
        self.host.eq_ignore_ascii_case(host)
            && self.port.unwrap_or(default) == port.unwrap_or(default)
    }
}

impl fmt::Display for WebOrigin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.scheme.to_ascii_lowercase(), self.host.to_ascii_lowercase());
        write_origin(f, &scheme, "", &host, self.port)
    }
}

impl OriginRule {
    /// Takes an origin, or one whose host begins with `*.`; what follows then is a domain of at least two names, or
    /// `localhost`: `https://*.com` would be half of the internet.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://").unwrap_or((text, ""));
        let domain = authority.strip_prefix(WILDCARD);
        let one = domain.map_or_else(|| text.to_owned(), |domain| format!("{scheme}://{domain}"));
        let WebOrigin { scheme, host, port } = WebOrigin::parse(&one)?;
        let is_domain = |host: &str| {
            let last = host.rsplit('.').next().unwrap_or_default();
            let is_address = last.is_empty() || last.chars().all(|c| c.is_ascii_digit());
            !host.starts_with(['.', '['])
                && (host.eq_ignore_ascii_case("localhost") || host.contains('.') && !is_address)
        };
        if domain.is_some() && !is_domain(host) {
            return None;
        }
        Some(Self {
            scheme: scheme.to_ascii_lowercase().into(),
            host: host.to_ascii_lowercase().into(),
            port,
            is_domain: domain.is_some(),
        })
    }

    /// Whether it names this origin.
    pub fn names(&self, origin: WebOrigin<'_>) -> bool {
        let names_host = if self.is_domain {
            let below = origin.host.len().checked_sub(self.host.len());
            let split = below.and_then(|place| origin.host.split_at_checked(place));
            split.is_some_and(|(below, domain)| {
                // At least one name and the dot.
                2 <= below.len() && below.ends_with('.') && domain.eq_ignore_ascii_case(&self.host)
            })
        } else {
            origin.host.eq_ignore_ascii_case(&self.host)
        };
        names_host && self.port == origin.port && origin.scheme.eq_ignore_ascii_case(&self.scheme)
    }
}

impl fmt::Display for OriginRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wildcard = if self.is_domain { WILDCARD } else { "" };
        write_origin(f, &self.scheme, wildcard, &self.host, self.port)
    }
}

fn write_origin(
    f: &mut fmt::Formatter<'_>,
    scheme: &str,
    wildcard: &str,
    host: &str,
    port: Option<u16>,
) -> fmt::Result {
    if scheme == NULL {
        return f.write_str(NULL);
    }
    write!(f, "{scheme}://{wildcard}{host}")?;
    port.map_or(Ok(()), |port| write!(f, ":{port}"))
}

fn http_scheme(scheme: &str) -> &str {
    if scheme.eq_ignore_ascii_case("ws") {
        "http"
    } else if scheme.eq_ignore_ascii_case("wss") {
        "https"
    } else {
        scheme
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else {
        None
    }
}

/// `host`, `host:port`, `[::1]`, `[::1]:port`; none if it holds anything else, such as a path or a user.
fn split_authority(text: &str) -> Option<(&str, Option<u16>)> {
    let end = match text.strip_prefix('[') {
        Some(inner) => inner.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at_checked(end)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
    let is_host = match host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.chars().all(is_plain),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse::<u16>().ok()?)
        }
        None | Some(_) => return None,
    };
    is_host.then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::{OriginRule, WebOrigin};

    #[test]
    fn one_origin_can_be_written_in_several_ways() {
        let table = [
            ("https://App.Example.com", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("wss://app.example.com:443", "https://app.example.com"),
            ("ws://app.example.com:80", "http://app.example.com"),
            ("http://app.example.com:443", "http://app.example.com:443"),
            ("http://[::1]:4000", "http://[::1]:4000"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("file://", "file://"),
            ("null", "null"),
        ];
        for (text, expected) in table {
            let origin = WebOrigin::parse(text).unwrap();
            assert_eq!(origin.to_string(), expected, "{text}");
            let rule = OriginRule::parse(expected).unwrap();
            assert_eq!(rule.to_string(), expected);
            assert!(rule.names(origin), "{text}");
            assert!(OriginRule::parse(text).unwrap().names(origin), "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_none() {
        let table = [
            "",
            "example.com",
            "https://",
            "https://a.example/",
            "https://a.example/path",
            "https://ann@a.example",
            "https://a.example:",
            "https://a.example:port",
            "https://a.example:65536",
            "https://a.example:+1",
            "https://a.example level=ERROR",
            "https://evil.example#.a.example",
            "https://evil.example\\.a.example",
            "https://[::1",
            "https://[evil.example].a.example",
            "1https://a.example",
            "null://",
            "file://:1",
        ];
        for text in table {
            let origin = WebOrigin::parse(text);
            assert!(origin.is_none(), "{text}: {origin:?}");
            assert!(OriginRule::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_wildcard_names_the_hosts_below_a_domain_and_no_others() {
        let rule = OriginRule::parse("HTTPS://*.Example.com").unwrap();
        assert_eq!(rule.to_string(), "https://*.example.com");
        let table = [
            ("https://a.example.com", true),
            ("https://B.A.example.COM", true),
            ("wss://a.example.com:443", true),
            ("https://example.com", false),
            ("https://.example.com", false),
            ("https://evilexample.com", false),
            ("https://example.com.evil.example", false),
            ("https://a.example.com:8443", false),
            ("http://a.example.com", false),
            ("null", false),
        ];
        for (origin, expected) in table {
            assert_eq!(rule.names(WebOrigin::parse(origin).unwrap()), expected, "{origin}");
        }
        let rule = OriginRule::parse("http://*.localhost:5173").unwrap();
        assert!(rule.names(WebOrigin::parse("http://tenant.localhost:5173").unwrap()));
        let refused = [
            "https://*",
            "https://*.",
            "https://*.com",
            "https://*.*.example.com",
            "https://a.*.example.com",
            "https://*example.com",
            "https://*.127.0.0.1",
            "https://*.[::1]",
            "https://*..example.com",
            "https://*.example.com/",
        ];
        for text in refused {
            assert!(OriginRule::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_host_without_a_port_is_the_page_of_the_default_port_only() {
        let table = [
            ("https://rt.example.com", "rt.example.com", true),
            ("http://rt.example.com", "RT.example.com", true),
            ("https://rt.example.com:443", "rt.example.com", true),
            ("https://rt.example.com", "rt.example.com:443", true),
            ("https://rt.example.com:8443", "rt.example.com:8443", true),
            ("wss://rt.example.com", "rt.example.com", true),
            ("http://[::1]:4000", "[::1]:4000", true),
            ("https://rt.example.com:8443", "rt.example.com", false),
            ("http://rt.example.com:8080", "rt.example.com", false),
            ("http://rt.example.com:443", "rt.example.com", false),
            ("https://rt.example.com", "rt.example.com:8443", false),
            ("https://rt.example.com", "rt.example.com:80", false),
            ("https://evil.example", "rt.example.com", false),
            ("capacitor://localhost", "localhost", false),
            ("file://", "", false),
            ("null", "", false),
            ("https://rt.example.com", "ann@rt.example.com", false),
        ];
        for (origin, host, expected) in table {
            let origin = WebOrigin::parse(origin).unwrap();
            assert_eq!(origin.is_of(host), expected, "{origin} to {host}");
        }
    }
}
