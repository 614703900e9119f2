//! Keys that nobody asked for, and what may have been meant.

use crate::config::error::{ConfigError, SettingOrigin};
use crate::config::sources::{Setting, Sources, meant_variable};
use std::collections::{BTreeMap, BTreeSet};
use toml::Value;

/// An error for every setting whose key is not `known`.
pub(super) fn errors(
    settings: &BTreeMap<String, Setting>,
    known: &BTreeSet<String>,
) -> Vec<ConfigError> {
    let is_known = |key: &String, setting: &Setting| {
        known.contains(key) || (is_section(key, known) && is_empty_table(&setting.value))
    };
    let unknown = settings.iter().filter(|(key, setting)| !is_known(key, setting));
    unknown
        .map(|(key, setting)| ConfigError::Unknown {
            key: key.clone(),
            origin: setting.origin.clone(),
            hint: hint(key, known),
        })
        .collect()
}

/// An error for every variable that is a known key but for its single underscores, such as `USERLINE_PRESENCE_GRACE`.
/// Others are of the commands, or of an orchestrator.
pub(super) fn misspelt(variables: &[String], known: &BTreeSet<String>) -> Vec<ConfigError> {
    let meant = |name: &str| {
        let flat = name.strip_prefix("USERLINE_")?.to_ascii_lowercase();
        known.iter().find(|key| !key.contains('[') && key.replace('.', "_") == flat)
    };
    let misspelt = variables.iter().filter_map(|name| Some((name, meant(name)?)));
    misspelt
        .map(|(name, key)| ConfigError::Unknown {
            key: name.clone(),
            origin: SettingOrigin::Environment(name.clone()),
            hint: format!(": did you mean `{}`?", variable(key)),
        })
        .collect()
}

/// The variable that sets a key.
fn variable(key: &str) -> String {
    let name = key.to_ascii_uppercase().replace('.', "__");
    format!("{}{name}", Sources::ENVIRONMENT_PREFIX)
}

fn is_section(key: &str, known: &BTreeSet<String>) -> bool {
    let inside = format!("{key}.");
    known.range(inside.clone()..).next().is_some_and(|first| first.starts_with(&inside))
}

fn is_empty_table(value: &Value) -> bool {
    value.as_table().is_some_and(toml::map::Map::is_empty)
}

fn hint(key: &str, known: &BTreeSet<String>) -> String {
    if let Some(variable) = meant_variable(key) {
        return format!(": did you mean `{variable}`?");
    }
    if is_section(key, known) {
        return format!(": it is a section, [{key}]");
    }
    let outer = known.iter().find(|it| key.strip_prefix(*it).is_some_and(|it| it.starts_with('.')));
    if let Some(outer) = outer {
        return format!(": `{outer}` takes a value, it is not a section");
    }
    match nearest(key, known) {
        Some(near) => format!(": did you mean `{near}`?"),
        None => String::new(),
    }
}

/// The key of the same name in another section, or else the one that is at most a few letters away.
fn nearest<'a>(key: &str, known: &'a BTreeSet<String>) -> Option<&'a String> {
    let distance_max = (key.chars().count() / 4).clamp(1, 4);
    let close = known
        .iter()
        .map(|it| (distance(key, it), it))
        .filter(|(distance, _)| *distance <= distance_max)
        .min();
    let name = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    close.map(|(_, it)| it).or_else(|| known.iter().find(|it| name(it) == name(key)))
}

/// Levenshtein's: letters to insert, delete or change.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(a != b)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
