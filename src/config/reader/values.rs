//! Values by kind: text, durations, sizes, numbers, switches, lists.

use super::{Checked, HIDDEN, SettingsReader, literal};
use crate::config::sources::Setting;
use crate::types::duration_text;
use bytesize::ByteSize;
use reqwest::Url;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Value;

impl SettingsReader {
    /// A text that may be left out.
    pub(in crate::config) fn text(&mut self, key: &str) -> Checked<Option<String>> {
        self.optional(key, "must be a text that is not empty", |setting| {
            setting.value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        })
    }

    /// A URL that may be left out. It is shown without user, password and query, and not at all if it is none.
    pub(in crate::config) fn url(&mut self, key: &str) -> Checked<Option<Url>> {
        self.urls.insert(key.to_owned());
        let rule = "must be a URL such as https://backend.example.com/hooks";
        self.optional(key, rule, |setting| {
            let url = Url::parse(setting.value.as_str()?).ok()?;
            ["http", "https"].contains(&url.scheme()).then_some(url)
        })
    }

    /// A text that means something.
    pub(in crate::config) fn parsed<T>(
        &mut self,
        key: &str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Checked<T> {
        self.required(key, rule, |setting| setting.value.as_str().and_then(parse))
    }

    /// A duration such as `"10s"`.
    pub(in crate::config) fn duration(
        &mut self,
        key: &str,
        range: RangeInclusive<Duration>,
    ) -> Checked<Duration> {
        let [min, max] = [range.start(), range.end()].map(|it| duration_text(*it));
        let rule = format!("must be a duration such as \"10s\", from {min} to {max}");
        self.required(key, &rule, |setting| {
            let duration = humantime::parse_duration(setting.value.as_str()?).ok()?;
            range.contains(&duration).then_some(duration)
        })
    }

    /// A duration that may be left out.
    pub(in crate::config) fn duration_if_set(
        &mut self,
        key: &str,
        range: RangeInclusive<Duration>,
    ) -> Checked<Option<Duration>> {
        if self.is_set(key) {
            return self.duration(key, range).map(Some);
        }
        self.known.insert(key.to_owned());
        Ok(None)
    }

    /// One text or a list of texts; none if it is left out.
    pub(in crate::config) fn texts(&mut self, key: &str, len_max: usize) -> Checked<Vec<String>> {
        let rule = "must be a text, or a list of texts, none of them empty";
        let texts = self.optional(key, rule, |setting| {
            let items = match setting.value.as_str() {
                Some(text) if setting.raw_text().is_none() => vec![Value::String(text.to_owned())],
                Some(_) | None => as_array(setting)?,
            };
            let text = |item: &Value| item.as_str().filter(|it| !it.is_empty()).map(str::to_owned);
            let texts: Option<Vec<String>> = items.iter().map(text).collect();
            texts.filter(|texts| !texts.is_empty())
        })?;
        match texts {
            Some(texts) if len_max < texts.len() => {
                let rule = format!("must have at most {len_max} entries, has {}", texts.len());
                Err(self.reject(key, rule))
            }
            texts => Ok(texts.unwrap_or_default()),
        }
    }

    /// A number of bytes: an integer, or a text such as `"1MB"`.
    pub(in crate::config) fn size(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Checked<usize> {
        let (min, max) = (size_text(*range.start()), size_text(*range.end()));
        let rule = format!("must be a size such as \"1MB\", from {min} to {max}");
        self.required(key, &rule, |setting| {
            let size = match setting.value.as_str() {
                Some(text) => text.parse::<ByteSize>().ok()?.as_u64(),
                None => u64::try_from(setting.value.as_integer()?).ok()?,
            };
            range.contains(&size).then_some(usize::try_from(size).ok()?)
        })
    }

    /// A whole number.
    pub(in crate::config) fn number<T: TryFrom<u64>>(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Checked<T> {
        let rule = format!("must be a whole number from {} to {}", range.start(), range.end());
        self.required(key, &rule, |setting| {
            let number = match setting.raw_text() {
                Some(text) => text.parse().ok()?,
                None => u64::try_from(setting.value.as_integer()?).ok()?,
            };
            if range.contains(&number) { T::try_from(number).ok() } else { None }
        })
    }

    /// `true` or `false`.
    pub(in crate::config) fn switch(&mut self, key: &str) -> Checked<bool> {
        self.required(key, "must be true or false", |setting| match setting.raw_text() {
            Some(text) => text.parse().ok(),
            None => setting.value.as_bool(),
        })
    }

    /// A list of texts that mean something; every wrong one is an error of its own.
    pub(in crate::config) fn list<T>(
        &mut self,
        key: &str,
        len_max: usize,
        rule: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Checked<Vec<T>> {
        let items =
            self.required(key, "must be a list of texts such as [\"a\", \"b\"]", as_array)?;
        if items.len() > len_max {
            let rule = format!("must have at most {len_max} entries, has {}", items.len());
            return Err(self.reject(key, rule));
        }
        let mut parsed = Ok(Vec::new());
        for item in items {
            match (item.as_str().and_then(&parse), &mut parsed) {
                (Some(value), Ok(list)) => list.push(value),
                (Some(_), Err(_)) => {}
                (None, _) => parsed = Err(self.reject_value(key, Some(literal(&item)), rule)),
            }
        }
        parsed
    }

    fn required<T>(
        &mut self,
        key: &str,
        rule: &str,
        parse: impl FnOnce(&Setting) -> Option<T>,
    ) -> Checked<T> {
        match self.optional(key, rule, parse)? {
            Some(value) => Ok(value),
            None => Err(self.reject(key, format!("is missing: {rule}"))),
        }
    }

    fn optional<T>(
        &mut self,
        key: &str,
        rule: &str,
        parse: impl FnOnce(&Setting) -> Option<T>,
    ) -> Checked<Option<T>> {
        let Some(setting) = self.ask(key)? else { return Ok(None) };
        let value = self.visible(key, &setting.value);
        let value = value.map_or_else(|| HIDDEN.to_owned(), |value| value.to_string());
        self.show(key, value, &setting.origin);
        match parse(&setting) {
            Some(value) => Ok(Some(value)),
            None => Err(self.reject(key, rule)),
        }
    }
}

/// In the largest unit that leaves no fraction.
fn size_text(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000)];
    let unit = units.into_iter().find(|(_, factor)| bytes.is_multiple_of(*factor) && bytes > 0);
    unit.map_or_else(|| format!("{bytes}B"), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// The items of a list; from a variable or a flag also as `a,b` or in TOML.
pub(super) fn as_array(setting: &Setting) -> Option<Vec<Value>> {
    let Some(text) = setting.raw_text() else { return setting.value.as_array().cloned() };
    if text.trim_start().starts_with('[') {
        let table: toml::Table = toml::from_str(&format!("list = {text}")).ok()?;
        return table.get("list")?.as_array().cloned();
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(items.map(|item| Value::String(item.to_owned())).collect())
}
