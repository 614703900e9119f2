//! What RFC 9112 asks of a request and hyper lets pass: its `Host`, and how its body is framed.
//!
//! A proxy in front may read such a request otherwise than we do: what it takes for one request is two for us, or is meant
//! for somebody else. So it is refused, and its connection ends with the answer: nothing behind it is read as a request.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version};

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ambiguous {
    /// HTTP/1.1 without `Host`.
    NoHost,
    /// Several.
    Hosts,
    /// One that names no host.
    Host,
    /// Another transfer coding than `chunked`, or that one twice.
    Coding,
}

/// Whether a request may be answered.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Ambiguous> {
    let headers = request.headers();
    check_host(headers, request.version())?;
    // hyper has refused what does not end with `chunked`. It would give us the body of `gzip, chunked` as it is.
    if is_single(headers, |coding| coding.eq_ignore_ascii_case(b"chunked")) {
        Ok(())
    } else {
        Err(Ambiguous::Coding)
    }
}

fn check_host(headers: &HeaderMap, version: Version) -> Result<(), Ambiguous> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Ambiguous::Hosts),
        (Some(host), None) if names_a_host(host) => Ok(()),
        (Some(_), None) => Err(Ambiguous::Host),
        (None, _) if version == Version::HTTP_11 => Err(Ambiguous::NoHost),
        (None, _) => Ok(()),
    }
}

/// A host with or without a port, or nothing: that is right where the address has no host.
fn names_a_host(host: &HeaderValue) -> bool {
    let host = host.as_bytes();
    host.is_empty() || (Authority::try_from(host).is_ok() && !host.contains(&b'@'))
}

fn is_single(headers: &HeaderMap, is_right: impl Fn(&[u8]) -> bool) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_first_right = codings.next().is_none_or(|it| is_right(it.as_bytes().trim_ascii()));
    is_first_right && codings.next().is_none()
}

impl Ambiguous {
    /// The answer, after which the connection ends.
    pub(super) fn answer(self) -> Response {
        let (status, why) = match self {
            Self::NoHost => (StatusCode::BAD_REQUEST, "HTTP/1.1 needs a Host header\n"),
            Self::Hosts => (StatusCode::BAD_REQUEST, "there is more than one Host header\n"),
            Self::Host => (StatusCode::BAD_REQUEST, "the Host header names no host\n"),
            Self::Coding => {
                let why = "of Transfer-Encoding only \"chunked\" is understood, once\n";
                (StatusCode::NOT_IMPLEMENTED, why)
            }
        };
        let mut response = Response::new(Body::from(why));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::{Ambiguous, check};
    use http::{Request, Version};

    fn checked(version: Version, headers: &[(&str, &str)]) -> Result<(), Ambiguous> {
        let request = Request::builder().version(version);
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        check(&request.body(()).unwrap())
    }

    #[test]
    fn a_request_names_one_host() {
        let hosts = |hosts: &[&'static str]| {
            let headers: Vec<_> = hosts.iter().map(|it| ("host", *it)).collect();
            checked(Version::HTTP_11, &headers)
        };
        for host in [
            "a.example",
            "a.example:80",
            "127.0.0.1:4000",
            "[::1]:4000",
            "my_service",
            "[::1]",
            "",
            "EXAMPLE.",
            "xn--e1a",
        ] {
            assert_eq!(hosts(&[host]), Ok(()), "{host}");
        }
        for host in ["a b", "a, b", "a/b", "http://a", "u@a", "a:b:c", "a?b", "a#b", "a\\b", "é"] {
            assert_eq!(hosts(&[host]), Err(Ambiguous::Host), "{host}");
        }
        assert_eq!(hosts(&[]), Err(Ambiguous::NoHost));
        assert_eq!(hosts(&["a", "a"]), Err(Ambiguous::Hosts));
        assert_eq!(checked(Version::HTTP_10, &[]), Ok(()));
        let two = [("host", "a"), ("host", "b")];
        assert_eq!(checked(Version::HTTP_10, &two), Err(Ambiguous::Hosts));
    }

    #[test]
    fn a_body_comes_in_chunks_or_as_it_is() {
        let codings = |codings: &[&'static str]| {
            let codings = codings.iter().map(|it| ("transfer-encoding", *it));
            let headers: Vec<_> = codings.chain([("host", "a")]).collect();
            checked(Version::HTTP_11, &headers)
        };
        for coding in [&["chunked"][..], &["Chunked"], &[" chunked "], &[]] {
            assert_eq!(codings(coding), Ok(()), "{coding:?}");
        }
        for coding in [&["gzip, chunked"][..], &["chunked", "chunked"], &["chunked, chunked"]] {
            assert_eq!(codings(coding), Err(Ambiguous::Coding), "{coding:?}");
        }
    }
}
