//! Takes settings as they were written and gives values as they are meant; collects everything that is wrong.

mod files;
mod secrets;
mod unknown;
mod values;

use super::error::{ConfigError, ConfigErrors, SettingOrigin};
use super::shown_url::shown_url;
use super::sources::{Layers, Setting, Sources};
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// Says that the value cannot be had; why is already in the reader's list.
#[derive(Debug)]
pub(super) struct Rejected(());

/// A value, or the knowledge that its error has been written down.
pub(super) type Checked<T> = Result<T, Rejected>;

/// Reads settings by key. A key that nobody asked for in the end is unknown: so there is no second list of keys.
#[derive(Debug)]
pub(super) struct SettingsReader {
    settings: BTreeMap<String, Setting>,
    file_lines: BTreeMap<String, usize>,
    other_variables: Vec<String>,
    /// Keys whose error is written down before anybody asks for their value.
    rejected: BTreeSet<String>,
    known: BTreeSet<String>,
    secret: BTreeSet<String>,
    /// Keys whose values are URLs, which are seen without what may be secret in them.
    urls: BTreeSet<String>,
    shown: Vec<ShownSetting>,
    errors: Vec<ConfigError>,
    is_dev: bool,
}

/// One line of `config show`.
#[derive(Debug, Clone)]
pub(super) struct ShownSetting {
    /// Dotted.
    pub(super) key: String,
    /// A TOML value; `"[hidden]"` for secrets.
    pub(super) value: String,
    /// Where it was written.
    pub(super) origin: SettingOrigin,
}

/// What stands for a secret wherever it could be seen.
const HIDDEN: &str = "\"[hidden]\"";

impl SettingsReader {
    /// Opens the sources. A file that cannot be read is all that is said: whatever it holds would seem to be missing.
    pub(super) fn open(sources: &Sources) -> Result<Self, ConfigErrors> {
        let Layers { settings, file_lines, other_variables, errors } = sources.layers();
        let is_of_a_file = |error: &ConfigError| {
            matches!(error, ConfigError::Unreadable { .. } | ConfigError::Syntax { .. })
        };
        if errors.iter().any(is_of_a_file) {
            return Err(ConfigErrors::new(errors));
        }
        let rejected = errors.iter().filter_map(|error| Some(error.key()?.to_owned())).collect();
        Ok(Self {
            settings,
            file_lines,
            other_variables,
            rejected,
            known: BTreeSet::new(),
            secret: BTreeSet::new(),
            urls: BTreeSet::new(),
            shown: Vec::new(),
            errors,
            is_dev: sources.is_dev(),
        })
    }

    /// Whether this is read for `userline dev`.
    pub(super) fn is_dev(&self) -> bool {
        self.is_dev
    }

    /// Whether the key is written anywhere; says nothing about its value.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.settings.contains_key(key)
    }

    /// Whether a key that may be left out is written; from here on it is known.
    pub(super) fn is_written(&mut self, key: &str) -> bool {
        self.known.insert(key.to_owned());
        self.is_set(key)
    }

    /// Writes down that `key` breaks `rule`.
    pub(super) fn reject(&mut self, key: &str, rule: impl Into<String>) -> Rejected {
        let value = self.settings.get(key).and_then(|setting| self.visible(key, &setting.value));
        self.reject_value(key, value.as_ref().map(literal), rule)
    }

    /// The value as it may be seen, if any of it may.
    fn visible(&self, key: &str, value: &Value) -> Option<Value> {
        if self.secret.contains(key) {
            return None;
        }
        if !self.urls.contains(key) {
            return Some(value.clone());
        }
        let url = value.as_str().map(shown_url).filter(|url| !url.is_empty());
        url.map(Value::String)
    }

    /// The same with the value as it may be shown: one of a list, a part, or none.
    pub(super) fn reject_value(
        &mut self,
        key: &str,
        value: Option<String>,
        rule: impl Into<String>,
    ) -> Rejected {
        self.errors.push(ConfigError::Invalid {
            key: key.to_owned(),
            value: value.filter(|_| !self.secret.contains(key)),
            rule: rule.into(),
            origin: self.settings.get(key).map(|setting| setting.origin.clone()),
        });
        Rejected(())
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> &BTreeSet<String> {
        &self.known
    }

    /// The tables of a list of tables: what each one's keys begin with, such as `admin.keys[0]`; and whether that is all
    /// of the list.
    ///
    /// Keys inside are read like any other.
    pub(super) fn tables(&mut self, key: &str, len_max: usize) -> (Vec<String>, Checked<()>) {
        self.secret.insert(key.to_owned());
        let setting = match self.ask(key) {
            Ok(Some(setting)) => setting,
            Ok(None) => return (Vec::new(), Ok(())),
            Err(rejected) => return (Vec::new(), Err(rejected)),
        };
        let rule = format!("must be a list of tables ([[{key}]])");
        let items = match values::as_array(&setting) {
            Some(items) if items.is_empty() => {
                self.show(key, "[]".to_owned(), &setting.origin);
                return (Vec::new(), Ok(()));
            }
            Some(items) => items,
            None => return (Vec::new(), Err(self.reject(key, rule))),
        };
        if items.len() > len_max {
            let rule = format!("must have at most {len_max} entries, has {}", items.len());
            return (Vec::new(), Err(self.reject(key, rule)));
        }
        let len = items.len();
        let mut prefixes = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let Some(table) = into_table(item) else { continue };
            let prefix = format!("{key}[{index}]");
            for (name, value) in table {
                self.add_inner(format!("{prefix}.{name}"), value, &setting.origin);
            }
            prefixes.push(prefix);
        }
        let all = if prefixes.len() == len { Ok(()) } else { Err(self.reject(key, rule)) };
        (prefixes, all)
    }

    fn add_inner(&mut self, key: String, value: Value, outer: &SettingOrigin) {
        let origin = match (outer, self.file_lines.get(&key)) {
            (SettingOrigin::File { path, .. }, Some(line)) => {
                SettingOrigin::File { path: path.clone(), line: *line }
            }
            (outer, _) => outer.clone(),
        };
        self.settings.insert(key, Setting { value, origin });
    }

    /// Ends the reading: what was asked for, or all errors.
    pub(super) fn finish<T>(
        mut self,
        value: Checked<T>,
    ) -> Result<(T, Vec<ShownSetting>), ConfigErrors> {
        self.errors.extend(unknown::errors(&self.settings, &self.known));
        self.errors.extend(unknown::misspelt(&self.other_variables, &self.known));
        match value {
            Ok(value) if self.errors.is_empty() => Ok((value, self.shown)),
            Ok(_) | Err(Rejected(())) => Err(ConfigErrors::new(self.errors)),
        }
    }

    /// The setting as it was written, if it was; from here on the key is known.
    fn ask(&mut self, key: &str) -> Checked<Option<Setting>> {
        self.known.insert(key.to_owned());
        if self.rejected.contains(key) {
            return Err(Rejected(()));
        }
        Ok(self.settings.get(key).cloned())
    }

    fn show(&mut self, key: &str, value: String, origin: &SettingOrigin) {
        self.shown.push(ShownSetting { key: key.to_owned(), value, origin: origin.clone() });
    }
}

fn into_table(value: Value) -> Option<Table> {
    if let Value::Table(table) = value { Some(table) } else { None }
}

/// A value as it would stand in a file, on one line and not longer than a person reads.
fn literal(value: &Value) -> String {
    const CHARS_MAX: usize = 120;
    let text = value.to_string().replace('\n', "\\n");
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}
