//! The part of an emit that is about the inbox.

use crate::commands::error::CommandError;
use crate::commands::target::check_has_users;
use crate::core::emit::message::{Emit, StoreOptions};
use crate::core::inbox::Keep;
use crate::types::{CollapseKey, ItemId, duration_text};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::Duration;
use utoipa::ToSchema;

/// Bytes of the arguments of a stored event: it is written once for each user.
const ARGS_BYTES_MAX: usize = 65_536;
/// Shortest `ttl`.
pub const TTL_MIN: Duration = Duration::from_secs(1);

/// For whom an event is kept.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum StoreWhen {
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

/// What the JSON says about it.
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
        ttl_max: Duration,
        named: Option<ItemId>,
    ) -> Result<Option<StoreOptions>, CommandError> {
        let Self { store, ttl, collapse_key, id } = self;
        let keep = match store {
            StoreWhen::Always => Keep::Always,
            StoreWhen::IfOffline => Keep::IfOffline,
            StoreWhen::Never => {
                let given = [("ttl", &ttl), ("collapse_key", &collapse_key), ("id", &id)];
                return match given.into_iter().find(|(_, value)| value.is_some()) {
                    Some((field, _)) => {
                        Err(CommandError::field(field, "means nothing without `store`"))
                    }
                    None => Ok(None),
                };
            }
        };
        check_has_users(&emit.audience.target, "only users have an inbox: `store`")?;
        let bytes: usize = emit.payload.args().iter().map(|arg| arg.get().len()).sum();
        if ARGS_BYTES_MAX < bytes {
            let why = format!("a stored event has at most {ARGS_BYTES_MAX} bytes, not {bytes}");
            return Err(CommandError::field("data", why));
        }
        let ttl = ttl.map(|text| parse_ttl(&text, TTL_MIN..=ttl_max)).transpose()?;
        let collapse_key = collapse_key.as_deref().map(CollapseKey::parse).transpose();
        let id = id.as_deref().map(ItemId::parse).transpose();
        Ok(Some(StoreOptions {
            keep,
            ttl,
            collapse_key: collapse_key.map_err(|why| CommandError::field("collapse_key", why))?,
            id: id.map_err(|why| CommandError::field("id", why))?.or(named),
        }))
    }
}

fn parse_ttl(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, CommandError> {
    let ttl = humantime::parse_duration(text).ok().filter(|ttl| range.contains(ttl));
    ttl.ok_or_else(|| {
        let [min, max] = [range.start(), range.end()].map(|it| duration_text(*it));
        let why = format!("must be a duration such as \"7d\", from {min} to {max} (`inbox.keep`)");
        CommandError::field("ttl", why)
    })
}
