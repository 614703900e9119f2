//! HTTP/1.1 as a publisher speaks it: requests written at once, answers read to their end.

use super::endpoint::Endpoint;
use super::template::{Template, Values};
use std::io::Write as _;

/// Most header lines of an answer.
const HEADERS_MAX: usize = 64;

/// A POST that differs from event to event.
#[derive(Debug)]
pub(super) struct Post {
    path: Template,
    /// The header lines, except Content-Length.
    head: String,
    body: Template,
}

impl Post {
    /// A POST to `endpoint`, whose path may have places, too.
    pub(super) fn new(endpoint: &Endpoint, headers: &[String], body: Template) -> Self {
        let mut head = format!(" HTTP/1.1\r\nhost: {}\r\n", endpoint.authority);
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        Self { path: Template::from(endpoint.path.as_str()), head, body }
    }

    /// Replaces `out` by the request with these values. `scratch` is for the body.
    pub(super) fn render(&self, values: Values<'_>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        scratch.clear();
        self.body.render(values, scratch);
        out.clear();
        out.extend_from_slice(b"POST ");
        self.path.render(values, out);
        out.extend_from_slice(self.head.as_bytes());
        // Writing to memory does not fail.
        write!(out, "content-length: {}\r\n\r\n", scratch.len()).ok();
        out.extend_from_slice(scratch);
    }
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its end is still to come.
    Partial,
    /// It is here, this many bytes long.
    Whole { status: u16, bytes: usize },
    /// It is not HTTP/1.1, or its length cannot be known.
    Broken,
}

/// Reads the answer that stands at the beginning of `bytes`.
pub(super) fn answer(bytes: &[u8]) -> Answer {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Answer::Partial,
        Err(_) => return Answer::Broken,
    };
    let status = response.code.unwrap_or_default();
    let value = |name: &str| {
        let header = response.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok().map(str::trim)
    };
    let body = bytes.get(head..).unwrap_or_default();
    let length = match (value("content-length"), value("transfer-encoding")) {
        (Some(length), _) => length.parse().map_or(Body::Broken, Body::Length),
        (None, Some("chunked")) => chunked(body),
        (None, None) if status == 204 || status == 304 => Body::Length(0),
        (None, Some(_) | None) => Body::Broken,
    };
    match length {
        Body::Length(length) if length <= body.len() => {
            Answer::Whole { status, bytes: head + length }
        }
        Body::Length(_) | Body::Partial => Answer::Partial,
        Body::Broken => Answer::Broken,
    }
}

enum Body {
    Length(usize),
    Partial,
    Broken,
}

/// Follows the chunks of a body to its end. Trailers are not expected.
fn chunked(body: &[u8]) -> Body {
    let mut end: usize = 0;
    loop {
        let (line, size) = match httparse::parse_chunk_size(body.get(end..).unwrap_or_default()) {
            Ok(httparse::Status::Complete(it)) => it,
            Ok(httparse::Status::Partial) => return Body::Partial,
            Err(_) => return Body::Broken,
        };
        let Some(next) =
            usize::try_from(size).ok().and_then(|size| size.checked_add(end + line + 2))
        else {
            return Body::Broken;
        };
        if size == 0 {
            return Body::Length(next);
        }
        if body.len() < next {
            return Body::Partial;
        }
        end = next;
    }
}
