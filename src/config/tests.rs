//! What is read from where, and what is said when it is wrong.

mod at_once;
mod clients;
mod dev;
mod secrets;
mod sources;

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::time::Duration;
use tempfile::NamedTempFile;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn the_defaults_lack_nothing_but_the_key() {
    let errors = Config::load(&Sources::new()).unwrap_err();

    assert_eq!(errors.list().len(), 1, "{errors}");
    assert!(errors.to_string().starts_with("auth.jwt.secret: is missing"), "{errors}");
}

#[test]
fn the_defaults_are_what_the_documentation_promises() {
    let config = Config::load(&with_secret()).unwrap();

    assert_eq!(config.listen.public.to_string(), "0.0.0.0:4000");
    assert_eq!(config.listen.admin.to_string(), "127.0.0.1:4001");
    assert_eq!(config.listen.path, "/socket.io/");
    assert_eq!(config.listen.origins, Origins::List(Vec::new()));
    assert_eq!(config.listen.drain, Duration::from_secs(10));
    assert!(config.admin.keys.is_empty() && config.hooks.endpoints.is_empty());
    assert_eq!(config.presence.grace, Duration::from_secs(10));
    assert_eq!(config.presence.startup_grace, Duration::from_secs(30));
    assert_eq!(config.presence.sweep_interval, Duration::from_secs(10));
    assert_eq!(config.limits.payload_bytes, 1_000_000);
    assert_eq!(config.limits.buffer_bytes, 1_000_000);
    assert_eq!(config.limits.auth_bytes, 16_000);
    assert_eq!(config.limits.connections, 100_000);
    assert_eq!(config.limits.rooms_per_socket, 64);
    assert_eq!(config.limits.stall, Duration::from_secs(20));
    assert_eq!(config.limits.header_timeout, Duration::from_secs(10));
    assert_eq!(config.limits.body_timeout, Duration::from_secs(20));
    assert_eq!(config.socketio.ping_interval, Duration::from_secs(20));
    assert_eq!(config.socketio.ping_timeout, Duration::from_secs(10));
    assert_eq!(config.socketio.connect_timeout, Duration::from_secs(20));
    assert_eq!(config.socketio.upgrade_timeout, Duration::from_secs(10));
    assert!(config.socketio.polling && config.socketio.websocket);
    assert_eq!(config.hooks.timeout, Duration::from_secs(15));
    assert_eq!(config.hooks.retry_for, Duration::from_hours(72));
    assert_eq!((config.hooks.concurrency, config.hooks.reject_after), (64, 5));
    assert_eq!((config.hooks.backlog_max, config.hooks.batch_max), (5_000_000, 1));
    assert_eq!(config.hooks.coalesce, Coalesce::None);
    assert!(!config.hooks.allow_private);
    assert_eq!(config.store.keep_events, Duration::from_hours(7 * 24));
    assert_eq!((config.history.per_user, config.history.total), (50, 100_000));
    assert_eq!(config.history.keep, Duration::from_hours(24));
    assert_eq!(config.inbox.keep, Duration::from_hours(30 * 24));
    assert_eq!(config.inbox.max_per_user, 1000);
}

#[test]
fn every_setting_is_documented_in_the_default_file() {
    let mut reader = SettingsReader::open(&full()).unwrap();
    drop(Sections::read(&mut reader));
    let known = reader.known();

    let documented = documented();
    assert!(40 < known.len() && 40 < documented.len(), "{known:?} {documented:?}");
    for key in known {
        let is_there = match key.rsplit_once("].") {
            Some((_, inner)) => DEFAULTS.contains(inner),
            None => documented.contains(key),
        };
        assert!(is_there, "`{key}` is not in config/default.toml");
    }
}

/// Keys in the default file, set or as an example behind `# `.
fn documented() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut section = String::new();
    for line in DEFAULTS.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            keys.insert(section.clone());
        } else if let Some((name, _)) = line.split_once(" = ") {
            keys.insert(format!("{section}.{name}"));
        }
    }
    keys
}

#[test]
fn an_error_says_key_value_rule_and_place() {
    let file = file("[listen]\npublic = \"x\"\n");
    let sources = with_secret().with_file(file.path());

    let errors = Config::load(&sources).unwrap_err().to_string();

    let place = file.path().display();
    let expected =
        format!("listen.public = \"x\": must be an address such as 0.0.0.0:4000 ({place}:2)");
    assert_eq!(errors, expected);
}

#[test]
fn origins_are_kept_as_browsers_write_them() {
    let origins = "https://App.Example.com:443, http://localhost:5173, capacitor://localhost";
    let sources = with_secret().with_flag("--set", "listen.origins", origins);

    let Origins::List(list) = Config::load(&sources).unwrap().listen.origins else { panic!() };

    let list: Vec<String> = list.iter().map(ToString::to_string).collect();
    assert_eq!(list, ["https://app.example.com", "http://localhost:5173", "capacitor://localhost"]);
}

proptest! {
    #[test]
    fn any_value_of_any_key_is_read_or_refused(
        which in any::<prop::sample::Index>(),
        value in prop_oneof![any_value(), any::<String>()],
    ) {
        let documented: Vec<String> = documented().into_iter().collect();
        let key = which.get(&documented);
        let errors = Config::load(&full().with_flag("--set", key, &value)).err();
        prop_assert!(errors.is_none_or(|errors| !errors.list().is_empty()));
    }

    #[test]
    fn any_file_is_read_or_refused(text in "[\\[\\]a-z.= \"0-9\n{},']{0,80}") {
        let file = file(&text);
        prop_assert!(Config::load(&Sources::new().with_file(file.path())).is_err());
    }
}

fn any_value() -> impl Strategy<Value = String> {
    "-?[0-9]{0,30}(ns|s|d|KB|MiB|EB|e9)?|\\[(\"[a-z:/*]{0,8}\",?){0,3}\\]?|\\[\\{[a-z=\", ]{0,20}\\}\\]"
}

fn with_secret() -> Sources {
    Sources::new().with_flag("--set", "auth.jwt.secret", SECRET)
}

/// Something under every list, so that the keys inside are read.
fn full() -> Sources {
    let keys = format!(r#"[{{name="a", key="{SECRET}", scopes=["read"]}}]"#);
    let endpoints = r#"[{name="b", url="https://b.example", secret="whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", events=["user.online"]}]"#;
    with_secret()
        .with_flag("--set", "admin.keys", &keys)
        .with_flag("--set", "hooks.endpoints", endpoints)
        .with_flag("--set", "events.url", "https://b.example/events")
        .with_flag("--set", "events.secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
        .with_flag("--set", "limits.event_rates", r#"[{event="a", per_s=1, burst=2}]"#)
        .with_flag("--set", "events.namespaces", r#"[{name="/", allow=["a:*"]}]"#)
}

fn environment(vars: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    vars.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}
