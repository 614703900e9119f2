//! Which pages may connect: one rule for CORS and for WebSocket handshakes, which CORS does not cover.

use crate::config::Origins;
use crate::types::WebOrigin;
use http::header::{self, HeaderMap, HeaderValue};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What the `Origin` header of a request means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OriginCheck<'a> {
    /// Not a browser, or an old one on the same site.
    Absent,
    /// This page may connect.
    Allowed(&'a HeaderValue),
    /// This one may not.
    Forbidden(&'a HeaderValue),
}

/// A page may connect if `origins` allows it, or if it came from the very host it connects to.
pub(super) fn judge<'a>(headers: &'a HeaderMap, origins: &Origins) -> OriginCheck<'a> {
    let Some(value) = headers.get(header::ORIGIN) else { return OriginCheck::Absent };
    let Ok(text) = value.to_str() else { return OriginCheck::Forbidden(value) };
    let is_allowed = match (origins, WebOrigin::parse(without_path(text))) {
        (Origins::Any, _) => true,
        (Origins::Local | Origins::List(_), None) => false,
        // Not the own host: there, a name of a stranger may have been made to mean this machine.
        (Origins::Local, Some(origin)) => is_local(origin),
        (Origins::List(rules), Some(origin)) => {
            rules.iter().any(|rule| rule.names(origin)) || is_own(origin, headers)
        }
    };
    if is_allowed { OriginCheck::Allowed(value) } else { OriginCheck::Forbidden(value) }
}

/// Clients that are no browser send the whole URL, as those in Go do.
fn without_path(origin: &str) -> &str {
    let authority = origin.find("://").map_or(0, |place| place + "://".len());
    let path = origin.get(authority..).and_then(|rest| rest.find('/'));
    path.and_then(|path| origin.get(..authority + path)).unwrap_or(origin)
}

fn is_own(origin: WebOrigin<'_>, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    host.is_some_and(|host| origin.is_of(host))
}

/// Whether the page came from the machine that the browser runs on.
fn is_local(origin: WebOrigin<'_>) -> bool {
    let host = origin.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
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

impl NewOrigin {
    /// What the operator can do if the page was meant to connect.
    pub(super) fn advice(&self) -> String {
        // One that was cut is another page's, or nobody's.
        let whole = Some(&*self.text).filter(|text| text.len() < REMEMBERED_BYTES_MAX);
        match whole.map(without_path).and_then(WebOrigin::parse) {
            Some(origin) if origin.is_null() => {
                "it has no host, as a file or a sandboxed frame: serve it from one, or \
                 add \"null\" to listen.origins, which is every such page"
                    .to_owned()
            }
            Some(origin) => format!("to allow it, add \"{origin}\" to listen.origins"),
            None => {
                "what it says is no origin, so nothing in listen.origins can allow it but \"*\""
                    .to_owned()
            }
        }
    }
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
    use super::{NewOrigin, OriginCheck, RefusedOrigins, judge};
    use crate::config::{Config, Origins, Sources};
    use crate::types::OriginRule;
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
    fn what_the_log_advises_to_add_is_accepted_and_lets_the_page_in() {
        let pages = [
            "https://app.example.com",
            "HTTPS://app.example.com:443",
            "ws://10.0.0.1:8080",
            "http://[::1]:5173",
            "capacitor://localhost",
            "file://",
            "null",
        ];
        for page in pages {
            let header = HeaderValue::from_static(page);
            let noted = RefusedOrigins::default().note(&header).unwrap();
            let advice = noted.advice();
            let advised = advice.split('"').nth(1).unwrap();
            let sources = Sources::new()
                .with_flag("--set", "auth.jwt.secret", "0123456789abcdef0123456789abcdef")
                .with_flag("--set", "listen.origins", advised);
            let origins = Config::load(&sources).unwrap().listen.origins;
            let mut headers = HeaderMap::new();
            headers.insert("origin", header.clone());
            assert_eq!(
                judge(&headers, &origins),
                OriginCheck::Allowed(&header),
                "{page}: {advice}"
            );
        }
    }

    #[test]
    fn nothing_is_advised_for_what_is_no_origin() {
        let forged = "https://a.example level=ERROR msg=\"the disk is full\"";
        let long = format!("https://{}.example", "a".repeat(300));
        for page in ["x", "https:/a.example/path", "", forged, &long] {
            let header = HeaderValue::from_str(page).unwrap();
            let advice = RefusedOrigins::default().note(&header).unwrap().advice();
            assert!(advice.starts_with("what it says is no origin"), "{page}: {advice}");
            assert!(!advice.contains("ERROR"), "{advice}");
        }
    }

    #[test]
    fn listed_pages_and_the_own_host_are_allowed() {
        let rules = ["https://app.example.com", "https://*.tenants.example", "null", "file://"];
        let list = Origins::List(rules.map(|it| OriginRule::parse(it).unwrap()).to_vec());
        let none = Origins::List(Vec::new());
        let table = [
            (Some("https://app.example.com"), "rt.example.com", &list, true),
            (Some("HTTPS://APP.example.com"), "rt.example.com", &list, true),
            (Some("https://rt.example.com"), "rt.example.com", &list, true),
            (Some("http://localhost:4000"), "localhost:4000", &list, true),
            (Some("http://localhost:5173"), "localhost:4000", &list, false),
            (Some("https://evil.example"), "rt.example.com", &list, false),
            (Some("https://app.example.com.evil.example"), "rt.example.com", &list, false),
            (Some("https://app.example.com:443"), "rt.example.com", &list, true),
            (Some("wss://app.example.com:443"), "rt.example.com", &list, true),
            (Some("https://app.example.com:8443"), "rt.example.com", &list, false),
            (Some("https://acme.tenants.example"), "rt.example.com", &list, true),
            (Some("https://app.example.com/"), "rt.example.com", &list, true),
            (Some("https://app.example.com/socket.io/?x=//y"), "rt.example.com", &list, true),
            (Some("https://evil.example/https://app.example.com"), "rt.example.com", &list, false),
            (Some("https://evil.example/"), "rt.example.com", &list, false),
            (Some("http://localhost:4000/socket.io/"), "localhost:4000", &none, true),
            (Some("file:///home/ann/index.html"), "rt.example.com", &list, true),
            (Some("https://tenants.example"), "rt.example.com", &list, false),
            (Some("null"), "rt.example.com", &list, true),
            (Some("file://"), "rt.example.com", &list, true),
            (Some("null"), "rt.example.com", &none, false),
            (Some("file://"), "rt.example.com", &none, false),
            (Some("https://rt.example.com:443"), "rt.example.com", &none, true),
            (Some("https://rt.example.com"), "rt.example.com:443", &none, true),
            (Some("https://rt.example.com:8443"), "rt.example.com", &none, false),
            (Some("https://rt.example.com:8443"), "rt.example.com:8443", &none, true),
            (Some("no origin at all"), "rt.example.com", &list, false),
            (Some("no origin at all"), "rt.example.com", &Origins::Any, true),
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
            let is_allowed = !matches!(judge(&headers, origins), OriginCheck::Forbidden(_));
            assert_eq!(is_allowed, expected, "{origin:?} to {host}");
        }
    }
}
