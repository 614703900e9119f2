//! What is held against a user, as it is written where all nodes agree: JSON, so that a newer version may say more.

use super::restrictions::{Block, Restriction};
use crate::types::WallMs;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct RestrictionParts {
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<BlockParts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct BlockParts {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    by: String,
    since: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// How it is written; `None` if nothing is held against the user.
pub fn write(restriction: &Restriction) -> Option<Bytes> {
    if restriction.is_empty() {
        return None;
    }
    let Restriction { block, not_before } = restriction;
    let block = block.as_ref().map(|Block { reason, by, since, until }| BlockParts {
        reason: reason.as_deref().map(str::to_owned),
        by: by.as_ref().to_owned(),
        since: since.0,
        until: until.map(|it| it.0),
    });
    let parts = RestrictionParts { block, not_before: not_before.map(|it| it.0) };
    serde_json::to_vec(&parts).ok().map(Bytes::from)
}

/// What was written; `None` if it cannot be read.
pub fn read(record: &[u8]) -> Option<Restriction> {
    let RestrictionParts { block, not_before } = serde_json::from_slice(record).ok()?;
    let block = block.map(|BlockParts { reason, by, since, until }| Block {
        reason: reason.map(Into::into),
        by: by.into(),
        since: WallMs(since),
        until: until.map(WallMs),
    });
    Some(Restriction { block, not_before: not_before.map(WallMs) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let block = Block {
            reason: Some("spam".into()),
            by: "backend".into(),
            since: WallMs(7),
            until: Some(WallMs(9)),
        };
        let for_good = Block { reason: None, until: None, ..block.clone() };
        for block in [None, Some(block), Some(for_good)] {
            for not_before in [None, Some(WallMs(5))] {
                let held = Restriction { block: block.clone(), not_before };
                assert_eq!(
                    write(&held).map(|it| read(&it).unwrap()),
                    Some(held).filter(|it| !it.is_empty())
                );
            }
        }
    }

    #[test]
    fn the_form_is_the_one_that_other_versions_know() {
        let newer = br#"{"block":{"by":"a","since":3,"mood":"bad"},"not_before":4,"more":[]}"#;
        let block = Block { reason: None, by: "a".into(), since: WallMs(3), until: None };
        assert_eq!(
            read(newer),
            Some(Restriction { block: Some(block), not_before: Some(WallMs(4)) })
        );
        assert_eq!(read(b"{\"block\":1}"), None);
    }
}
