//! The parts of a request, read strictly: whatever does not fit is refused with the name of what is wrong.

use super::context::AdminContext;
use super::error::ApiError;
use super::error_code::Code;
use crate::commands::{json, number};
use axum::BoxError;
use axum::body::HttpBody;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// A body that must be there: a JSON object without unknown fields.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AdminContext> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, context: &AdminContext) -> Result<Self, ApiError> {
        check_present(&request, context)?;
        Ok(Self(json::parse(&read_present(request.into_body(), context).await?)?))
    }
}

/// Looks at the head of a request whose body must be there. Where there is a body, the query has nothing to say.
pub(super) fn check_present<B>(
    request: &http::Request<B>,
    context: &AdminContext,
) -> Result<(), ApiError> {
    no_parameters(request.uri())?;
    check(request.headers(), context.limits.payload_bytes)
}

/// The bytes of a body that must be there.
pub(super) async fn read_present<B>(body: B, context: &AdminContext) -> Result<Bytes, ApiError>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let body =
        read_checked(body, context.limits.payload_bytes, context.limits.body_timeout).await?;
    if body.is_empty() {
        let message = "the body is empty; a JSON object is expected";
        return Err(ApiError::new(Code::InvalidArgument, message));
    }
    Ok(body)
}

/// The same, but no body at all, or `null`, means `{}`.
pub(super) struct OptionalJsonBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<AdminContext> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, context: &AdminContext) -> Result<Self, ApiError> {
        no_parameters(request.uri())?;
        let OptionalBodyBesideQuery(body) =
            OptionalBodyBesideQuery::from_request(request, context).await?;
        Ok(Self(body))
    }
}

/// The same where the query has something to say as well.
pub(super) struct OptionalBodyBesideQuery<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<AdminContext> for OptionalBodyBesideQuery<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, context: &AdminContext) -> Result<Self, ApiError> {
        let body = read(request, context.limits.payload_bytes, context.limits.body_timeout).await?;
        let is_absent = matches!(body.trim_ascii(), b"" | b"null");
        Ok(Self(if is_absent { T::default() } else { json::parse(&body)? }))
    }
}

/// Reads a JSON body of at most `max` bytes that is there within `timeout`.
pub(super) async fn read(
    request: Request,
    max: usize,
    timeout: Duration,
) -> Result<Bytes, ApiError> {
    check(request.headers(), max)?;
    read_checked(request.into_body(), max, timeout).await
}

/// Looks at what the head of a request says of its body.
fn check(headers: &HeaderMap, max: usize) -> Result<(), ApiError> {
    check_type(headers)?;
    if max < length(headers) { Err(too_large(max)) } else { Ok(()) }
}

fn too_large(max: usize) -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format_args!("the body is larger than {max} bytes"))
}

async fn read_checked<B>(body: B, max: usize, timeout: Duration) -> Result<Bytes, ApiError>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(whole(Limited::new(body, max)));
    let read = match futures_util::poll!(&mut body) {
        // Most bodies come with the head: that needs no timer.
        Poll::Ready(read) => Ok(read),
        Poll::Pending => tokio::time::timeout(timeout, body).await,
    };
    match read {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(max)),
        Ok(Err(_)) => Err(ApiError::new(Code::InvalidArgument, "the body ended early")),
        Err(_) => {
            let message = format!("the body did not come within {timeout:?}");
            Err(ApiError::new(Code::RequestTimeout, message))
        }
    }
}

/// All of a body; one in one piece, as most are, without a copy.
async fn whole<B: HttpBody<Data = Bytes>>(body: B) -> Result<Bytes, B::Error> {
    let mut body = pin!(body);
    let first = body.frame().await.transpose()?.and_then(|it| it.into_data().ok());
    let first = first.unwrap_or_default();
    if body.is_end_stream() {
        return Ok(first);
    }
    let rest = body.collect().await?.to_bytes();
    Ok(if rest.is_empty() { first } else { [first, rest].concat().into() })
}

fn length(headers: &HeaderMap) -> usize {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    length.and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// JSON, also under the names that `curl -d` and `fetch` with a text give to everything, or nameless.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        let message = "the body must not be compressed";
        return Err(ApiError::new(Code::UnsupportedMediaType, message));
    }
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    if given == "application/json" {
        return Ok(());
    }
    let given = String::from_utf8_lossy(given.as_bytes());
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" | "application/x-www-form-urlencoded" | "text/plain" => Ok(()),
        other if other.starts_with("application/") && other.ends_with("+json") => Ok(()),
        other => {
            let message = format!("`{other}` is not taken; send application/json");
            Err(ApiError::new(Code::UnsupportedMediaType, message))
        }
    }
}

/// The one parameter of a path, percent-decoded.
pub(super) struct Segment(String);

impl Segment {
    /// Reads it; `name` is what the documentation calls it.
    pub(super) fn parse<T, E: Display>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ApiError> {
        parse(&self.0).map_err(|why| ApiError::field(name, why))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) =
            path.map_err(|why| ApiError::new(Code::InvalidArgument, why.body_text()))?;
        Ok(Self(text))
    }
}

/// The two parameters of a path, percent-decoded.
pub(super) struct Segments(pub(super) Segment, pub(super) Segment);

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((first, second)) =
            path.map_err(|why| ApiError::new(Code::InvalidArgument, why.body_text()))?;
        Ok(Self(Segment(first), Segment(second)))
    }
}

/// The parameters of a query. Whoever reads them takes them one by one, and ends with [`Parameters::end`].
pub(super) struct Parameters {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl Parameters {
    /// Reads the parameter `name`, if it is there.
    pub(super) fn take<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ApiError> {
        self.known.push(name);
        let text = self.given.remove(name);
        text.map(|it| parse(&it).map_err(|why| ApiError::field(name, why))).transpose()
    }

    /// Reads `limit`: how many entries a page may have.
    pub(super) fn limit(&mut self) -> Result<u16, ApiError> {
        Ok(self.take("limit", number::limit)?.unwrap_or(number::LIMIT_DEFAULT))
    }

    /// There must be no more.
    pub(super) fn end(self) -> Result<(), ApiError> {
        let Some(unknown) = self.given.into_keys().next() else { return Ok(()) };
        let known: Vec<_> = self.known.iter().map(|it| format!("`{it}`")).collect();
        let why = format!("unknown parameter, expected one of {}", known.join(", "));
        Err(ApiError::field(unknown, why))
    }
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut given = BTreeMap::new();
        for (name, value) in pairs(&parts.uri)? {
            if given.insert(name.clone(), value).is_some() {
                return Err(ApiError::field(name, "given twice"));
            }
        }
        Ok(Self { given, known: Vec::new() })
    }
}

/// There is no query: `?now=false` on a route that does not know it would else be believed to count.
pub(super) struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        no_parameters(&parts.uri)?;
        Ok(Self)
    }
}

fn no_parameters(uri: &Uri) -> Result<(), ApiError> {
    if uri.query().is_none() {
        return Ok(());
    }
    match pairs(uri)?.into_iter().next() {
        Some((name, _)) => Err(ApiError::field(name, "unknown parameter: there are none here")),
        None => Ok(()),
    }
}

/// The parameters of a query, in their order.
fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, ApiError> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Query(pairs) =
        pairs.map_err(|why| ApiError::new(Code::InvalidArgument, why.body_text()))?;
    Ok(pairs)
}
