//! `[admin]`: who may call the admin API.

use super::allowed;
use super::reader::{Checked, SettingsReader};
use crate::core::emit::allow::AllowList;
use crate::types::Secret;
use std::time::Duration;

/// Who may call the admin API.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Bearer keys; empty: the API refuses everybody.
    pub keys: Vec<ApiKey>,
    /// Answers that are remembered for requests with an `Idempotency-Key`.
    pub idempotency: IdempotencyConfig,
}

/// Which answers are remembered for requests with an `Idempotency-Key`.
#[derive(Debug, Clone, Copy)]
pub struct IdempotencyConfig {
    /// How long.
    pub keep: Duration,
    /// How many.
    pub entries_max: usize,
    /// Bytes of all of them.
    pub bytes_max: usize,
}

/// One bearer key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// For logs; unique.
    pub name: String,
    /// The key itself, at least 16 bytes.
    pub key: Secret,
    /// What it may do; not empty.
    pub scopes: Vec<Scope>,
    /// Which users, rooms and events it may name; `None`: all.
    pub allow: Option<AllowList>,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Send events.
    Emit,
    /// Look at users, rooms, sockets, deliveries.
    Read,
    /// Disconnect users, replay deliveries.
    Control,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Emit, Self::Read, Self::Control];

    /// The name in the configuration and in errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emit => "emit",
            Self::Read => "read",
            Self::Control => "control",
        }
    }
}

const KEY: &str = "admin.keys";
const KEYS_LEN_MAX: usize = 64;
const KEY_BYTES_MIN: usize = 16;
const NAME_BYTES_MAX: usize = 64;

impl AdminConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let keys = read_keys(reader);
        let idempotency = IdempotencyConfig::read(reader);
        Ok(Self { keys: keys?, idempotency: idempotency? })
    }
}

impl IdempotencyConfig {
    fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let keep = Duration::from_mins(1)..=Duration::from_hours(7 * 24);
        let keep = reader.duration("admin.idempotency_keep", keep);
        let entries_max = reader.number("admin.idempotency_max", 1_000..=10_000_000);
        let bytes_max = reader.size("admin.idempotency_bytes", 1_000_000..=10_000_000_000);
        Ok(Self { keep: keep?, entries_max: entries_max?, bytes_max: bytes_max? })
    }
}

fn read_keys(reader: &mut SettingsReader) -> Checked<Vec<ApiKey>> {
    let (prefixes, tables) = reader.tables(KEY, KEYS_LEN_MAX);
    let fields: Vec<KeyFields> =
        prefixes.iter().map(|prefix| KeyFields::read(reader, prefix)).collect();
    for (index, key) in fields.iter().enumerate() {
        let earlier = || fields.iter().take(index);
        if let Ok(name) = &key.name
            && earlier().any(|it| it.name.as_ref().is_ok_and(|it| it == name))
        {
            reader.reject(&format!("{KEY}[{index}].name"), "must be unique");
        }
        if let Ok(secret) = &key.key
            && earlier().any(|it| it.key.as_ref().is_ok_and(|it| it == secret))
        {
            let rule = "must not be the key of another name";
            reader.reject(&format!("{KEY}[{index}].key"), rule);
        }
    }
    tables?;
    fields.into_iter().map(KeyFields::checked).collect()
}

/// One of `admin.keys`, each key by itself.
struct KeyFields {
    name: Checked<String>,
    key: Checked<Secret>,
    scopes: Checked<Vec<Scope>>,
    allow: Checked<Option<AllowList>>,
}

impl KeyFields {
    fn read(reader: &mut SettingsReader, prefix: &str) -> Self {
        let name =
            reader.parsed(&format!("{prefix}.name"), "must be a text of 1 to 64 bytes", |text| {
                (1..=NAME_BYTES_MAX).contains(&text.len()).then(|| text.to_owned())
            });
        let key = read_secret(reader, &format!("{prefix}.key"));
        let scopes_key = format!("{prefix}.scopes");
        let scopes =
            reader.list(&scopes_key, Scope::ALL.len(), "must be emit, read, control", parse);
        let scopes = match scopes {
            Ok(scopes) if scopes.is_empty() => {
                Err(reader.reject(&scopes_key, "must have at least one of emit, read, control"))
            }
            scopes => scopes,
        };
        Self { name, key, scopes, allow: allowed::read_if_written(reader, prefix) }
    }

    fn checked(self) -> Checked<ApiKey> {
        Ok(ApiKey { name: self.name?, key: self.key?, scopes: self.scopes?, allow: self.allow? })
    }
}

fn read_secret(reader: &mut SettingsReader, key: &str) -> Checked<Secret> {
    let rule = "must have at least 16 bytes; make one with `openssl rand -base64 32`";
    match reader.secret(key)? {
        None => Err(reader.reject(key, format!("is missing (or key_file): {rule}"))),
        Some(text) if text.len() < KEY_BYTES_MIN => Err(reader.reject(key, rule)),
        // A key travels in a header.
        Some(text) if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(reader.reject(key, "must be printable ASCII without spaces"))
        }
        Some(text) => Ok(Secret::new(text.into_bytes())),
    }
}

fn parse(text: &str) -> Option<Scope> {
    Scope::ALL.into_iter().find(|scope| scope.as_str() == text)
}
