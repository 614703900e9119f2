//! Lists of what a sender may name: the same keys for API keys as for sources.

use super::reader::{Checked, SettingsReader};
use crate::core::emit::allow::AllowList;
use crate::types::NamePattern;

const PATTERNS_LEN_MAX: usize = 1000;
const KEYS: [&str; 3] = ["allow_users", "allow_rooms", "allow_events"];

/// Whether what a sender may name has to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// What is left out allows everything.
    MayBeLeftOut,
    /// It has to be written.
    MustBeWritten,
}

/// What a sender may name; the keys begin with `prefix`.
pub(super) fn read(reader: &mut SettingsReader, prefix: &str, need: Need) -> Checked<AllowList> {
    let [users, rooms, events] = KEYS.map(|name| {
        let key = format!("{prefix}.{name}");
        if reader.is_written(&key) || need == Need::MustBeWritten {
            let parse = |text: &str| NamePattern::parse(text).ok();
            reader.list(&key, PATTERNS_LEN_MAX, NamePattern::RULE, parse)
        } else {
            Ok(vec![NamePattern::any()])
        }
    });
    Ok(AllowList { users: users?, rooms: rooms?, events: events? })
}

/// The same; `None` if nothing is written, and everything allowed.
pub(super) fn read_if_written(
    reader: &mut SettingsReader,
    prefix: &str,
) -> Checked<Option<AllowList>> {
    let is_any = KEYS.iter().any(|name| reader.is_written(&format!("{prefix}.{name}")));
    is_any.then(|| read(reader, prefix, Need::MayBeLeftOut)).transpose()
}
