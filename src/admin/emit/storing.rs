//! The part of an emit that is about the inbox.

use super::{EmitReply, NAMES_MAX};
use crate::admin::error::ApiError;
use crate::core::emit::message::{Emit, StoreOptions, WhenUndelivered};
use crate::core::inbox::Keep;
use crate::realtime::inbox::Stored;
use crate::types::{CollapseKey, ItemId, Target, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use utoipa::ToSchema;

/// Bytes of the arguments of a stored event: it is written once for each user.
const ARGS_BYTES_MAX: usize = 65_536;
/// Shortest `ttl`.
const TTL_MIN: Duration = Duration::from_secs(1);

/// For whom an event is kept.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub(super) enum StoreWhen {
    /// For nobody.
    #[default]
    Never,
    /// For users of whom no connection in the namespace takes it.
    IfOffline,
    /// For every user.
    Always,
}

impl TryFrom<String> for StoreWhen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "never" => Ok(Self::Never),
            "if_offline" => Ok(Self::IfOffline),
            "always" => Ok(Self::Always),
            _ => Err("must be `never`, `if_offline` or `always`"),
        }
    }
}

/// Where an event is in an inbox.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct StoredReply {
    /// Its place: 1, 2, 3 and so on for each user.
    #[schema(example = 7)]
    seq: u64,
    /// Its name: the one given, or one that follows from the `Idempotency-Key`, or that of the emit.
    #[schema(example = "order-7-paid")]
    id: String,
    /// It was there before: nothing was stored or sent.
    duplicate: bool,
}

/// What the body says about it.
pub(super) struct Storing {
    pub(super) store: StoreWhen,
    pub(super) ttl: Option<String>,
    pub(super) collapse_key: Option<String>,
    pub(super) id: Option<String>,
}

impl Storing {
    /// `None`: the event is not kept. `named` is what it is called if the sender gave no `id`.
    pub(super) fn parse(
        self,
        emit: &Emit,
        keep: Duration,
        named: Option<ItemId>,
    ) -> Result<Option<StoreOptions>, ApiError> {
        let Self { store, ttl, collapse_key, id } = self;
        let when = match store {
            StoreWhen::Always => Keep::Always,
            StoreWhen::IfOffline => Keep::IfOffline,
            StoreWhen::Never => {
                let given = [("ttl", &ttl), ("collapse_key", &collapse_key), ("id", &id)];
                return match given.into_iter().find(|(_, value)| value.is_some()) {
                    Some((field, _)) => {
                        Err(ApiError::field(field, "means nothing without `store`"))
                    }
                    None => Ok(None),
                };
            }
        };
        check_target(&emit.audience.target, "only users have an inbox: `store`")?;
        let bytes: usize = emit.payload.args().iter().map(|arg| arg.get().len()).sum();
        if ARGS_BYTES_MAX < bytes {
            let why = format!("a stored event has at most {ARGS_BYTES_MAX} bytes, not {bytes}");
            return Err(ApiError::field("data", why));
        }
        let ttl = ttl.map(|text| parse_ttl(&text, TTL_MIN..=keep)).transpose()?;
        let collapse_key = collapse_key.as_deref().map(CollapseKey::parse).transpose();
        let id = id.as_deref().map(ItemId::parse).transpose();
        Ok(Some(StoreOptions {
            keep: when,
            ttl,
            collapse_key: collapse_key.map_err(|why| ApiError::field("collapse_key", why))?,
            id: id.map_err(|why| ApiError::field("id", why))?.or(named),
        }))
    }
}

/// Whether a hook can tell of users whom an emit does not reach.
pub(super) fn check_hook(target: &Target) -> Result<WhenUndelivered, ApiError> {
    check_target(target, "a hook tells of users: `undelivered`")?;
    Ok(WhenUndelivered::Hook)
}

fn check_target(target: &Target, why: &str) -> Result<(), ApiError> {
    let others = [
        ("to.rooms", !target.rooms.is_empty()),
        ("to.sockets", !target.sockets.is_empty()),
        ("to.all", target.all),
    ];
    match others.into_iter().find(|(_, is_named)| *is_named) {
        Some((field, _)) => {
            let why = format!("{why} goes with `to.users` alone, up to {NAMES_MAX} of them");
            Err(ApiError::field(field, why))
        }
        None => Ok(()),
    }
}

fn parse_ttl(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, ApiError> {
    let ttl = humantime::parse_duration(text).ok().filter(|ttl| range.contains(ttl));
    ttl.ok_or_else(|| {
        let (min, max) = (range.start(), range.end());
        let [min, max] = [min, max].map(|it| humantime::format_duration(*it));
        let why = format!("must be a duration such as \"7d\", from {min} to {max} (`inbox.keep`)");
        ApiError::field("ttl", why)
    })
}

/// Tells each user's part of the answer what is in the inbox.
pub(super) fn write(stored: BTreeMap<UserId, Stored>, reply: &mut EmitReply) {
    for (user, it) in stored {
        if let Some(user) = reply.users.get_mut(&user) {
            let (seq, id, duplicate) = (it.seq.0, it.id, it.is_duplicate);
            user.inbox = Some(StoredReply { seq, id, duplicate });
        }
    }
}
