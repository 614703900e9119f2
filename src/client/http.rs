//! Responses of HTTP/1.1, found in the bytes that have come.

/// Most header lines of a response.
const HEADERS_MAX: usize = 64;

/// How far a response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// Its end is still to come.
    Partial,
    /// It is here.
    Whole {
        /// Its HTTP status.
        status: u16,
        /// Bytes of its head; behind them is the body, in chunks if it was sent so.
        head: usize,
        /// Bytes of all of it.
        len: usize,
    },
    /// It is not HTTP/1.1, or its length cannot be known.
    Broken,
}

/// Looks at the response that stands at the beginning of `bytes`.
pub fn find_response(bytes: &[u8]) -> Response {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Response::Partial,
        Err(_) => return Response::Broken,
    };
    let status = response.code.unwrap_or_default();
    let value = |name: &str| {
        let header = response.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok().map(str::trim)
    };
    let body = bytes.get(head..).unwrap_or_default();
    let extent = match (value("content-length"), value("transfer-encoding")) {
        (Some(len), _) => len.parse().map_or(BodyExtent::Broken, BodyExtent::Len),
        (None, Some("chunked")) => chunked(body),
        (None, None) if [101, 204, 304].contains(&status) => BodyExtent::Len(0),
        (None, Some(_) | None) => BodyExtent::Broken,
    };
    match extent {
        BodyExtent::Len(len) if len <= body.len() => {
            Response::Whole { status, head, len: head + len }
        }
        BodyExtent::Len(_) | BodyExtent::Partial => Response::Partial,
        BodyExtent::Broken => Response::Broken,
    }
}

/// How far a body goes.
enum BodyExtent {
    /// It has so many bytes.
    Len(usize),
    /// Its end is still to come.
    Partial,
    Broken,
}

/// Follows the chunks of a body to its end. Trailers are not expected.
fn chunked(body: &[u8]) -> BodyExtent {
    let mut end: usize = 0;
    loop {
        let (line, size) = match httparse::parse_chunk_size(body.get(end..).unwrap_or_default()) {
            Ok(httparse::Status::Complete(it)) => it,
            Ok(httparse::Status::Partial) => return BodyExtent::Partial,
            Err(_) => return BodyExtent::Broken,
        };
        let Some(next) =
            usize::try_from(size).ok().and_then(|size| size.checked_add(end + line + 2))
        else {
            return BodyExtent::Broken;
        };
        if size == 0 {
            return BodyExtent::Len(next);
        }
        if body.len() < next {
            return BodyExtent::Partial;
        }
        end = next;
    }
}
