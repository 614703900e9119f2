//! Which pages may connect: one rule for CORS and for WebSocket handshakes, which CORS does not cover.

use crate::config::Origins;
use http::header::{self, HeaderMap, HeaderValue};

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

/// A page may connect if the list has it, or if it came from the very host it connects to.
pub(super) fn judge<'a>(headers: &'a HeaderMap, origins: &Origins) -> Verdict<'a> {
    let Some(value) = headers.get(header::ORIGIN) else { return Verdict::Absent };
    let Ok(origin) = value.to_str() else { return Verdict::Forbidden(value) };
    let is_listed = match origins {
        Origins::Any => true,
        Origins::List(list) => list.iter().any(|it| it.eq_ignore_ascii_case(origin)),
    };
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let own = origin.split_once("://").map(|(_, authority)| authority);
    let is_own = own.zip(host).is_some_and(|(own, host)| own.eq_ignore_ascii_case(host));
    if is_listed || is_own { Verdict::Allowed(value) } else { Verdict::Forbidden(value) }
}

/// Lets the page at `origin` read the answer, with cookies.
pub(super) fn allow(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};
    use crate::config::Origins;
    use http::HeaderMap;

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
