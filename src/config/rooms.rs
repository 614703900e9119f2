//! `[rooms]`: rooms that follow from what credentials claim, and those that clients may join.

use super::reader::{Checked, SettingsReader};
use crate::core::rooms::granting::{GrantRules, JoinRule};
use crate::types::{NamePattern, RoomTemplate};

const RULES_LEN_MAX: usize = 64;

/// Which rooms follow from claims, and which may be joined.
pub(super) fn read(reader: &mut SettingsReader) -> Checked<GrantRules> {
    let auto =
        each(reader, "rooms.auto", |text| RoomTemplate::parse(text).map_err(|why| why.to_string()));
    let join =
        each(reader, "rooms.join", |text| JoinRule::parse(text).map_err(|why| why.to_string()));
    let asked = reader.list("rooms.join_by_hook", RULES_LEN_MAX, NamePattern::RULE, |text| {
        NamePattern::parse(text).ok()
    });
    Ok(GrantRules::new(auto?, join?).asking(asked?))
}

/// A list of texts, each with a reason of its own why it is wrong.
fn each<T>(
    reader: &mut SettingsReader,
    key: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Checked<Vec<T>> {
    let texts = reader.list(key, RULES_LEN_MAX, "must be a text", |it| Some(it.to_owned()))?;
    let mut parsed = Ok(Vec::new());
    for text in texts {
        match (parse(&text), &mut parsed) {
            (Ok(value), Ok(list)) => list.push(value),
            (Ok(_), Err(_)) => {}
            (Err(why), _) => parsed = Err(reader.reject_value(key, Some(format!("{text:?}")), why)),
        }
    }
    parsed
}
