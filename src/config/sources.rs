//! Where settings come from, and which one counts: defaults, then the file, then the environment, then flags.

use super::error::{ConfigError, SettingOrigin};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// The compiled-in `config/default.toml`: every setting with its unit, its default and its reason.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Largest configuration file, and largest file with a secret, in bytes.
pub(super) const FILE_BYTES_MAX: u64 = 1_000_000;

/// Where settings come from, besides the compiled-in defaults.
#[derive(Clone, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    environment: Vec<(String, OsString)>,
    dev: Option<Table>,
    flags: Vec<Flag>,
}

#[derive(Clone)]
struct Flag {
    name: String,
    key: String,
    value: String,
}

/// Says what is set where. Any value may be a secret: which are, only the reader knows.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, environment, dev, flags } = self;
        f.debug_struct("Sources")
            .field("file", file)
            .field("environment", &environment.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("is_dev", &dev.is_some())
            .field("flags", &flags.iter().map(|it| &it.key).collect::<Vec<_>>())
            .finish()
    }
}

/// One setting as it was written.
#[derive(Clone)]
pub(super) struct Setting {
    /// The value; a text from a variable or a flag is not parsed yet.
    pub(super) value: Value,
    /// Where it was written.
    pub(super) origin: SettingOrigin,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Setting {
    /// The value if it is text that means what its key makes of it: `4` in a variable may be a number.
    pub(super) fn raw_text(&self) -> Option<&str> {
        match self.origin {
            SettingOrigin::Environment(_) | SettingOrigin::Flag(_) => self.value.as_str(),
            SettingOrigin::Default | SettingOrigin::File { .. } | SettingOrigin::Dev => None,
        }
    }
}

/// All settings that count, by their dotted key. Lists are one setting; an empty section is one, too.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) settings: BTreeMap<String, Setting>,
    /// Names of variables that are no settings, of this program or another: `USERLINE_…`.
    pub(super) other_variables: Vec<String>,
    /// Lines of the file by dotted key, those inside lists (`admin.keys[0].name`) included.
    pub(super) file_lines: BTreeMap<String, usize>,
    /// What could not be read at all.
    pub(super) errors: Vec<ConfigError>,
}

impl Sources {
    /// What the name of an environment variable that is a setting begins with.
    pub const ENVIRONMENT_PREFIX: &str = "USERLINE__";

    /// Nothing but the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a TOML file.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Adds the `USERLINE__SECTION__KEY` variables among these, and those that miss underscores, to be refused.
    #[must_use]
    pub fn with_environment(
        mut self,
        vars: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let ours =
            vars.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        self.environment.extend(ours.filter(|(name, _)| name.starts_with(OTHERS_PREFIX)));
        self.environment.sort();
        self
    }

    /// Adds the variables of this process.
    #[must_use]
    pub fn with_process_environment(self) -> Self {
        self.with_environment(std::env::vars_os())
    }

    /// Adds one setting from the command line; `flag` is the name shown to people.
    #[must_use]
    pub fn with_flag(mut self, flag: &str, key: &str, value: &str) -> Self {
        self.flags.push(Flag {
            name: flag.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        });
        self
    }

    /// Adds what `userline dev` decides.
    #[must_use]
    pub(super) fn with_dev(mut self, settings: Table) -> Self {
        self.dev = Some(settings);
        self
    }

    /// Whether these are the settings of `userline dev`, where more is allowed than in production.
    pub(super) fn is_dev(&self) -> bool {
        self.dev.is_some()
    }

    pub(super) fn layers(&self) -> Layers {
        let mut layers = Layers::default();
        layers.add_text(DEFAULTS, |_| SettingOrigin::Default);
        if let Some(path) = &self.file {
            layers.add_file(path);
        }
        if let Some(dev) = &self.dev {
            layers.add_table("", dev, &|_| SettingOrigin::Dev);
        }
        for (name, value) in &self.environment {
            if name.starts_with(Self::ENVIRONMENT_PREFIX) || meant_variable(name).is_some() {
                layers.add_variable(name, value);
            } else {
                layers.other_variables.push(name.clone());
            }
        }
        for Flag { name, key, value } in &self.flags {
            layers.add(key, Value::String(value.clone()), SettingOrigin::Flag(name.clone()));
        }
        layers
    }
}

/// What the name of every variable begins with that is meant for this program, or for another of the same name.
const OTHERS_PREFIX: &str = "USERLINE_";

/// The variable that was meant by one such as `USERLINE_PRESENCE__GRACE`, which would else change nothing and say
/// nothing. Those without any `__` are of the commands (`USERLINE_URL`), or of an orchestrator (`USERLINE_PORT`), or
/// misspelt as well, which only who knows all keys can tell.
pub(super) fn meant_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(OTHERS_PREFIX).filter(|rest| !rest.starts_with('_'))?;
    rest.contains("__").then(|| format!("{}{rest}", Sources::ENVIRONMENT_PREFIX))
}

impl Layers {
    fn add(&mut self, key: &str, value: Value, origin: SettingOrigin) {
        self.settings.insert(key.to_owned(), Setting { value, origin });
    }

    fn add_table(&mut self, prefix: &str, table: &Table, origin: &impl Fn(&str) -> SettingOrigin) {
        for (name, value) in table {
            let key = join(prefix, name);
            match value {
                Value::Table(inner) if !inner.is_empty() => self.add_table(&key, inner, origin),
                Value::Table(_)
                | Value::String(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Boolean(_)
                | Value::Datetime(_)
                | Value::Array(_) => self.add(&key, value.clone(), origin(&key)),
            }
        }
    }

    fn add_text(&mut self, text: &str, origin: impl Fn(usize) -> SettingOrigin) {
        let parsed = DeTable::parse(text).and_then(|spans| Ok((spans, toml::from_str(text)?)));
        let (spans, table): (_, Table) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                let line = error.span().map_or(0, |span| line_of(text, span.start));
                let why = error.message().to_owned();
                return self.errors.push(ConfigError::Syntax { origin: origin(line), why });
            }
        };
        let mut lines = BTreeMap::new();
        collect_lines(text, "", spans.get_ref(), &mut lines);
        self.add_table("", &table, &|key| origin(lines.get(key).copied().unwrap_or(0)));
        self.file_lines = lines;
    }

    fn add_file(&mut self, path: &Path) {
        match read_text(path) {
            Ok(text) => {
                self.add_text(&text, |line| SettingOrigin::File { path: path.to_owned(), line });
            }
            Err(why) => self.errors.push(ConfigError::Unreadable { path: path.to_owned(), why }),
        }
    }

    fn add_variable(&mut self, name: &str, value: &OsString) {
        // One that misses an underscore keeps its name, which is no key: it is refused with all the others.
        let key = name.strip_prefix(Sources::ENVIRONMENT_PREFIX);
        let key =
            key.map_or_else(|| name.to_owned(), |it| it.to_ascii_lowercase().replace("__", "."));
        let origin = SettingOrigin::Environment(name.to_owned());
        match value.to_str() {
            Some(value) => self.add(&key, Value::String(value.to_owned()), origin),
            None => self.errors.push(ConfigError::Invalid {
                key,
                value: None,
                rule: "must be UTF-8".to_owned(),
                origin: Some(origin),
            }),
        }
    }
}

/// The text of a file of bounded size; the error is for people.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if u64::try_from(text.len()).is_ok_and(|len| len <= FILE_BYTES_MAX) {
        Ok(text)
    } else {
        Err(format!("larger than {FILE_BYTES_MAX} bytes"))
    }
}

fn collect_lines(
    text: &str,
    prefix: &str,
    table: &DeTable<'_>,
    lines: &mut BTreeMap<String, usize>,
) {
    for (name, value) in table {
        let key = join(prefix, name.get_ref());
        lines.insert(key.clone(), line_of(text, name.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => collect_lines(text, &key, inner, lines),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        collect_lines(text, &format!("{key}[{index}]"), inner, lines);
                    }
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}
