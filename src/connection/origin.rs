//! Which pages may connect: one rule for CORS and for WebSocket handshakes, which CORS does not cover.

use crate::config::Origins;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Authority;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What the `Origin` header of a request means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// Not a browser, or an old one on the same site.
    Absent,
    /// This page may connect.
    Allowed(&'a HeaderValue),
    /// This one may not.
    Forbidden(&'a HeaderValue),
}

/// A page may connect if `origins` allows it, or if it came from the very host it connects to.
pub(super) fn judge<'a>(headers: &'a HeaderMap, origins: &Origins) -> Verdict<'a> {
    let Some(value) = headers.get(header::ORIGIN) else { return Verdict::Absent };
    let Ok(origin) = value.to_str() else { return Verdict::Forbidden(value) };
    let is_allowed = match origins {
        Origins::Any => true,
        // Not the own host: there, a name of a stranger may have been made to mean this machine.
        Origins::Local => is_local(origin),
        Origins::List(list) => {
            list.iter().any(|it| it.eq_ignore_ascii_case(origin)) || is_own(origin, headers)
        }
    };
    if is_allowed { Verdict::Allowed(value) } else { Verdict::Forbidden(value) }
}

/// The scheme is not compared: behind a proxy that ends TLS, that of the request cannot be known.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let own = origin.split_once("://").map(|(_, authority)| authority);
    own.zip(host).is_some_and(|(own, host)| own.eq_ignore_ascii_case(host))
}

/// Whether the page came from the machine that the browser runs on.
fn is_local(origin: &str) -> bool {
    let authority = origin.split_once("://").and_then(|(_, it)| it.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
    })
}

/// Refused origins that are remembered, so that each is logged once.
const REMEMBERED_MAX: usize = 100;
/// Bytes of a refused origin that are remembered and logged; those of browsers are shorter.
const REMEMBERED_BYTES_MAX: usize = 256;

/// The origins that were refused. Anybody can send any, so there is an end to what is remembered.
#[derive(Debug, Default)]
pub(super) struct RefusedOrigins(BTreeSet<Box<str>>);

/// An origin that is refused for the first time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewOrigin {
    /// As it was sent, cut to 256 bytes.
    pub(super) text: Box<str>,
    /// No other will be noted.
    pub(super) is_last: bool,
}

impl RefusedOrigins {
    /// Remembers an origin; `None` if it is known, or one too many.
    pub(super) fn note(&mut self, origin: &HeaderValue) -> Option<NewOrigin> {
        if REMEMBERED_MAX <= self.0.len() {
            return None;
        }
        let bytes = origin.as_bytes();
        let text = String::from_utf8_lossy(bytes.get(..REMEMBERED_BYTES_MAX).unwrap_or(bytes));
        let text: Box<str> = text.into();
        let is_new = self.0.insert(text.clone());
        is_new.then_some(NewOrigin { text, is_last: self.0.len() == REMEMBERED_MAX })
    }
}

/// Lets the page at `origin` read the answer, with cookies.
pub(super) fn allow(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::{NewOrigin, RefusedOrigins, Verdict, judge};
    use crate::config::Origins;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn each_refused_origin_is_noted_once_and_there_is_an_end_to_them() {
        let mut refused = RefusedOrigins::default();
        let long = HeaderValue::try_from("x".repeat(8000)).unwrap();

        let cut = NewOrigin { text: "x".repeat(256).into(), is_last: false };
        assert_eq!(refused.note(&long), Some(cut));
        assert_eq!(refused.note(&long), None);
        let mut last = None;
        for number in 0..500 {
            let origin = HeaderValue::try_from(format!("https://{number}.example")).unwrap();
            if let Some(noted) = refused.note(&origin) {
                assert_eq!(noted.is_last, number == 98, "{noted:?}");
                last = Some(noted.text);
            }
        }
        assert_eq!(last.as_deref(), Some("https://98.example"));
    }

    #[test]
    fn listed_pages_and_the_own_host_are_allowed() {
        let list = Origins::List(vec!["https://app.example.com".to_owned()]);
        let table = [
            (Some("https://app.example.com"), "rt.example.com", &list, true),
            (Some("HTTPS://APP.example.com"), "rt.example.com", &list, true),
            (Some("https://rt.example.com"), "rt.example.com", &list, true),
            (Some("http://localhost:4000"), "localhost:4000", &list, true),
            (Some("http://localhost:5173"), "localhost:4000", &list, false),
            (Some("https://evil.example"), "rt.example.com", &list, false),
            (Some("https://app.example.com.evil.example"), "rt.example.com", &list, false),
            (Some("null"), "rt.example.com", &list, false),
            (Some("https://evil.example"), "rt.example.com", &Origins::Any, true),
            (Some("http://localhost:5173"), "127.0.0.1:4000", &Origins::Local, true),
            (Some("http://127.0.0.1:4001"), "127.0.0.1:4000", &Origins::Local, true),
            (Some("http://[::1]:4001"), "127.0.0.1:4000", &Origins::Local, true),
            (Some("https://evil.example"), "127.0.0.1:4000", &Origins::Local, false),
            (Some("http://localhost.evil.example"), "127.0.0.1:4000", &Origins::Local, false),
            (Some("http://rebound.example:4000"), "rebound.example:4000", &Origins::Local, false),
            (Some("null"), "127.0.0.1:4000", &Origins::Local, false),
            (None, "rt.example.com", &list, true),
        ];
        for (origin, host, origins, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert("host", host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert("origin", origin.parse().unwrap());
            }
            let is_allowed = !matches!(judge(&headers, origins), Verdict::Forbidden(_));
            assert_eq!(is_allowed, expected, "{origin:?} to {host}");
        }
    }
}
