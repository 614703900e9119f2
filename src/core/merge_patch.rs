//! JSON Merge Patch (RFC 7396), on JSON as it was written: numbers keep their digits, keys their order.

use indexmap::IndexMap;
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;

/// Objects inside each other.
const DEPTH_MAX: usize = 32;

/// A patch cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MergeError {
    /// Both sides must be objects.
    #[error("must be a JSON object")]
    NoObject,
    /// Too many objects inside each other.
    #[error("must not be nested deeper than {DEPTH_MAX}")]
    TooDeep,
}

type Members = IndexMap<String, Box<RawValue>>;

/// `target`, an object or nothing, after `patch`, an object: its members take the place of those of the same name, objects
/// are merged, and `null` removes.
pub fn merge(target: Option<&str>, patch: &RawValue) -> Result<String, MergeError> {
    let patch = members(patch.get()).ok_or(MergeError::NoObject)?;
    let target = target.map(|it| members(it).ok_or(MergeError::NoObject)).transpose()?;
    merge_members(target.unwrap_or_default(), patch, 1).map(|merged| merged.get().to_owned())
}

fn merge_members(
    mut target: Members,
    patch: Members,
    depth: usize,
) -> Result<Box<RawValue>, MergeError> {
    if DEPTH_MAX < depth {
        return Err(MergeError::TooDeep);
    }
    for (name, value) in patch {
        if value.get() == "null" {
            target.shift_remove(&name);
            continue;
        }
        let merged = match members(value.get()) {
            None => value,
            Some(patch) => {
                let before = target.get(&name).and_then(|it| members(it.get()));
                merge_members(before.unwrap_or_default(), patch, depth + 1)?
            }
        };
        target.insert(name, merged);
    }
    to_raw_value(&target).map_err(|_| MergeError::NoObject)
}

/// The members of an object; `None` of anything else.
fn members(json: &str) -> Option<Members> {
    // An array of pairs would do for serde as well.
    json.trim_start().starts_with('{').then(|| serde_json::from_str(json).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{MergeError, merge};
    use serde_json::value::RawValue;

    fn merged(target: Option<&str>, patch: &str) -> Result<String, MergeError> {
        merge(target, &RawValue::from_string(patch.to_owned()).unwrap())
    }

    #[test]
    fn members_are_replaced_merged_and_removed() {
        // The examples of RFC 7396 whose two sides are objects, and a few more.
        for (target, patch, expected) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
            (r#"{"a":1}"#, "{}", r#"{"a":1}"#),
            (
                r#"{"a":1}"#,
                r#"{"n":1.50,"m":99999999999999999999}"#,
                r#"{"a":1,"n":1.50,"m":99999999999999999999}"#,
            ),
        ] {
            assert_eq!(merged(Some(target), patch).unwrap(), expected, "{target} {patch}");
        }
        assert_eq!(merged(None, r#"{"a":{"b":null,"c":1}}"#).unwrap(), r#"{"a":{"c":1}}"#);
    }

    #[test]
    fn what_is_no_object_or_too_deep_is_refused() {
        for patch in ["[]", "null", "1", "\"a\"", r#"[["a",1]]"#] {
            assert_eq!(merged(None, patch), Err(MergeError::NoObject), "{patch}");
        }
        let deep = |n: usize| format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
        assert!(merged(None, &deep(32)).is_ok());
        assert_eq!(merged(None, &deep(33)), Err(MergeError::TooDeep));
    }
}
