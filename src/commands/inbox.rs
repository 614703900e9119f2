//! Reading an inbox, and saying what its owner has seen.

use super::error::CommandError;
use super::names::NameList;
use super::number::{self, LIMIT_DEFAULT, LIMITS, limit_rule};
use super::schema::{ItemNames, StoreNumber};
use crate::core::inbox::{PageQuery, Paging, SeenItems, Which};
use crate::types::{ItemId, ItemSeq};
use serde::Deserialize;
use utoipa::ToSchema;

/// Which page of an inbox is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageRequest {
    /// Items above this number, the oldest first; not with `before`.
    #[serde(default, deserialize_with = "number::optional")]
    pub after: Option<u64>,
    /// Items below this number, the newest first.
    #[serde(default, deserialize_with = "number::optional")]
    pub before: Option<u64>,
    /// Items on it, at most: 1 to 1000; 100 if absent.
    pub limit: Option<u16>,
    /// Only items that the owner has not seen.
    pub unread: Option<bool>,
}

impl PageRequest {
    /// Checks it; the page has about `bytes_max` bytes at most.
    pub fn parse(self, bytes_max: usize) -> Result<PageQuery, CommandError> {
        let Self { after, before, limit, unread } = self;
        let paging = match (before, after) {
            (None, None) => Paging::Newest,
            (Some(before), None) => Paging::Before(ItemSeq(before)),
            (None, Some(after)) => Paging::After(ItemSeq(after)),
            (Some(_), Some(_)) => {
                return Err(CommandError::field("after", "give `before` or `after`, not both"));
            }
        };
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !LIMITS.contains(&limit) {
            return Err(CommandError::field("limit", limit_rule()));
        }
        let which = if unread.unwrap_or(false) { Which::Unread } else { Which::All };
        Ok(PageQuery { paging, which, limit, bytes_max })
    }
}

/// What a user has seen: either `upto` or `ids`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"upto": 7}))]
pub struct ReadRequest {
    /// All items up to this one; numbers that were not given yet do not count.
    #[serde(default, deserialize_with = "number::optional")]
    #[schema(value_type = Option<StoreNumber>)]
    upto: Option<u64>,
    /// The items with these ids; those that are not there do not matter.
    #[schema(value_type = Option<ItemNames>)]
    ids: Option<NameList<ItemId>>,
}

impl ReadRequest {
    /// Checks it.
    pub fn parse(self) -> Result<SeenItems, CommandError> {
        match (self.upto, self.ids) {
            (Some(upto), None) => Ok(SeenItems::Upto(ItemSeq(upto))),
            (None, Some(NameList(ids))) => Ok(SeenItems::Ids(ids.into_iter().collect())),
            (None, None) | (Some(_), Some(_)) => {
                Err(CommandError::field("upto", "give either `upto` or `ids`"))
            }
        }
    }
}
