//! A JSON object whose values stay the text they were written in.

use crate::types::ClaimPath;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// Values by key. Every key is there once: of two, one program would read the first and another the last.
#[derive(Debug, Default)]
pub(super) struct JsonFields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> JsonFields<'a> {
    /// None unless the text is one JSON object with distinct keys.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value, unless it is missing or `null`.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.get(key).copied().filter(|raw| raw.get() != "null")
    }

    /// Whether there is a value, and it is `null`.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|raw| raw.get() == "null")
    }

    /// All fields, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), *value))
    }

    /// The value that `path` leads to, through objects and arrays; none if the way or its end is missing or `null`.
    pub(super) fn find(&self, path: &ClaimPath) -> Option<&'a RawValue> {
        let (first, inner) = path.keys().split_first()?;
        inner.iter().try_fold(self.get(first)?, |raw, key| {
            if raw.get().starts_with('[') {
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
                let item = items.get(key.parse::<usize>().ok()?).copied();
                return item.filter(|raw| raw.get() != "null");
            }
            Self::parse(raw.get())?.get(key)
        })
    }
}

impl<'de> Deserialize<'de> for JsonFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = JsonFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            if entries.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        Ok(JsonFields(entries))
    }
}
