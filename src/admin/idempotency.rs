//! `Idempotency-Key`: the same request sent again is answered with the same answer, and done once.
//!
//! Only answers with status 200 are remembered. A refusal has done nothing, so the same request may be made again; an
//! emit with `store` that the disk does not take in time may still be done, and has its `id` against that: where the
//! sender gave none, one that follows from the key, which the inboxes remember over a restart.

pub(super) mod requests;

use super::answered::RouteName;
use super::context::AdminContext;
use super::error::{ApiError, ErrorBody};
use super::extract;
use super::keys::Caller;
use crate::commands;
use crate::commands::schema::schemas;
use crate::core::memory::idempotency::Fingerprint;
use crate::realtime::emitter::AckShare;
use crate::types::ItemId;
use aws_lc_rs::digest::{Context, SHA256, digest};
use axum::BoxError;
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, MatchedPath, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use requests::RequestKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, IntoResponses};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// The header, for the documentation.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) struct IdempotencyKey {
    /// 1 to 255 printable characters, fresh for each request: a request that comes again with the same API key, the same
    /// `Idempotency-Key` and the same body is answered as the first time (with `idempotent-replayed: true`) and not done
    /// again, also while the first is under way. Answers with status 200 are remembered for `admin.idempotency_keep`, in
    /// memory: a restart forgets them, but not what was emitted with `store`, which is neither stored nor sent again. In a
    /// cluster all nodes remember them, over restarts, too.
    #[param(rename = "Idempotency-Key", required = false, value_type = IdempotencyKeyText)]
    idempotency_key: String,
}

schemas! {
    /// The value of the header. Spaces around it are not part of it.
    pub(super) IdempotencyKeyText = "IdempotencyKey": json!({
        "description": "A name for the request",
        "type": "string",
        "minLength": 1,
        "maxLength": KEY_BYTES_MAX,
        "pattern": format!("^[!-~](?:[ -~]{{0,{}}}[!-~])?$", KEY_BYTES_MAX - 2),
    });
}

/// What a request with an `Idempotency-Key` may be answered with besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) enum IdempotencyFailures {
    /// `idempotency_mismatch`: this `Idempotency-Key` belongs to a request with another body or route.
    #[response(status = 409)]
    Mismatch(ErrorBody),
}

/// A body that must be there, like [`extract::JsonBody`], and the name of the request if it has one.
pub(super) struct Keyed<T> {
    pub(super) request: T,
    pub(super) key: Option<RequestKey>,
}

/// Bytes that an answer to an emit for one user hardly ever has.
const ANSWER_BYTES: usize = 256;

/// Bytes of a digest that go into the name of an item: 128 bits keep two requests apart.
const ITEM_HASH_BYTES: usize = 16;

/// Names for stored events, which follow from the name of their request: the same request again, the same names.
pub(super) struct ItemNames(Option<String>);

impl ItemNames {
    /// Those of a request that may have a key.
    pub(super) fn of(key: Option<&RequestKey>) -> Self {
        Self(key.map(|key| key.name.clone()))
    }

    /// The name of the emit at this place of the request; `None` without a key.
    pub(super) fn at(&self, index: usize) -> Option<ItemId> {
        let name = self.0.as_ref()?;
        let digest = digest(&SHA256, format!("{name}\0{index}").as_bytes());
        let part = digest.as_ref().get(..ITEM_HASH_BYTES)?;
        ItemId::parse(&format!("ik_{}", URL_SAFE_NO_PAD.encode(part))).ok()
    }
}

impl<T: DeserializeOwned> FromRequest<AdminContext> for Keyed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, context: &AdminContext) -> Result<Self, ApiError> {
        let caller = request.extensions().get::<Caller>().unwrap_or(&Caller::Nobody).clone();
        let route = request.extensions().get::<MatchedPath>().cloned().map(RouteName::Matched);
        let KeyedBytes { bytes, key } = KeyedBytes::read(request, &caller, route, context).await?;
        Ok(Self { request: commands::json::parse(&bytes)?, key })
    }
}

/// The same, not parsed yet.
pub(super) struct KeyedBytes {
    pub(super) bytes: Bytes,
    pub(super) key: Option<RequestKey>,
}

impl KeyedBytes {
    /// Reads the body and the name of a request by `caller` for `route`. Its head is looked at in this call; what has to
    /// be waited for is a short future, and what is short is moved for little.
    pub(super) fn read<'a, B>(
        request: http::Request<B>,
        caller: &Caller,
        route: Option<RouteName>,
        context: &'a AdminContext,
    ) -> impl Future<Output = Result<Self, ApiError>> + Send + use<'a, B>
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let name = Self::check(&request, caller, context);
        let body = request.into_body();
        async move {
            let name = name?;
            let bytes = extract::read_present(body, context).await?;
            let route = RouteName::text(route.as_ref());
            let key = name.map(|name| RequestKey { name, fingerprint: fingerprint(route, &bytes) });
            Ok(Self { bytes, key })
        }
    }

    /// What the head of a request says of its name, and of its body, which must be there.
    fn check<B>(
        request: &http::Request<B>,
        caller: &Caller,
        context: &AdminContext,
    ) -> Result<Option<String>, ApiError> {
        let given = read_key(request.headers())?;
        let caller = caller.name().unwrap_or_default();
        extract::check_present(request, context)?;
        Ok(given.map(|given| format!("{caller}\0{given}")))
    }
}

fn read_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut given = headers.get_all(HEADER).iter();
    let Some(key) = given.next() else { return Ok(None) };
    let bytes = key.as_bytes();
    let is_good = (1..=KEY_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
        && given.next().is_none();
    if !is_good {
        let why = format!("must be one header of 1 to {KEY_BYTES_MAX} printable ASCII characters");
        return Err(ApiError::field("Idempotency-Key", why));
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

fn fingerprint(route: &str, body: &[u8]) -> Fingerprint {
    let mut digest = Context::new(&SHA256);
    digest.update(route.as_bytes());
    digest.update(&[0]);
    digest.update(body);
    let mut fingerprint = Fingerprint::default();
    fingerprint.iter_mut().zip(digest.finish().as_ref()).for_each(|(to, from)| *to = *from);
    fingerprint
}

/// Answers a request by `work`, or as it was answered before. `work` runs to its end even if the caller hangs up: with a
/// key, the caller will ask again. `share` is what the acks in its answer are counted by.
pub(super) async fn once<R: Serialize + Send + 'static>(
    context: &AdminContext,
    key: Option<RequestKey>,
    share: Arc<AckShare>,
    work: impl Future<Output = Result<R, ApiError>> + Send + 'static,
) -> Result<Response, ApiError> {
    let turn = match key {
        None => None,
        Some(key) => match context.named_requests.begin(key).await? {
            Ok(turn) => Some(turn),
            Err(answer) => {
                metrics::counter!("userline_idempotent_replays_total").increment(1);
                return Ok(response(answer, true));
            }
        },
    };
    let answer = context.tasks.run_to_end("admin.request", async move {
        let answer = work.await.and_then(|reply| write(&reply));
        if let (Some(turn), Ok(answer)) = (turn, &answer) {
            turn.answer(answer).await;
        }
        answer
    });
    let answer = answer.result().await.map_err(ApiError::internal)?;
    Ok(response(holding(answer?, share), false))
}

/// The answer to a request without a key.
pub(super) fn answer(reply: &impl Serialize) -> Result<Response, ApiError> {
    Ok(response(write(reply)?, false))
}

/// The same for one with acks that are counted by `share`.
pub(super) fn answer_holding(
    reply: &impl Serialize,
    share: Arc<AckShare>,
) -> Result<Response, ApiError> {
    Ok(response(holding(write(reply)?, share), false))
}

/// The same bytes; as long as they wait to be written to the caller, `share` is not there for others.
fn holding(answer: Bytes, share: Arc<AckShare>) -> Bytes {
    Bytes::from_owner(HoldingAnswer { answer, _share: share })
}

/// The answer to a request, which holds what its acks are counted by. What is remembered of it is counted elsewhere.
struct HoldingAnswer {
    answer: Bytes,
    _share: Arc<AckShare>,
}

impl AsRef<[u8]> for HoldingAnswer {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

fn write(reply: &impl Serialize) -> Result<Bytes, ApiError> {
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    serde_json::to_writer(&mut answer, reply).map_err(ApiError::internal)?;
    Ok(answer.into())
}

fn response(answer: Bytes, is_replayed: bool) -> Response {
    let mut response = Response::new(Body::from(answer));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    if is_replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
