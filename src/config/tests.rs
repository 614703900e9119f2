//! What is read from where, and what is said when it is wrong.

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
    let mut reader = Reader::open(&full()).unwrap();
    drop(read_sections(&mut reader));
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
fn flags_win_over_variables_and_variables_over_the_file() {
    let file =
        file("[presence]\ngrace = \"1s\"\nstartup_grace = \"1s\"\nsweep_interval = \"1s\"\n");
    let vars = [
        ("USERLINE__PRESENCE__STARTUP_GRACE", "2s"),
        ("USERLINE__PRESENCE__SWEEP_INTERVAL", "2s"),
        ("USERLINE_KEY", "of no concern"),
    ];
    let sources = with_secret()
        .with_file(file.path())
        .with_environment(environment(&vars))
        .with_flag("--set presence.sweep_interval", "presence.sweep_interval", "3s");

    let presence = Config::load(&sources).unwrap().presence;

    assert_eq!(presence.grace, Duration::from_secs(1));
    assert_eq!(presence.startup_grace, Duration::from_secs(2));
    assert_eq!(presence.sweep_interval, Duration::from_secs(3));
}

#[test]
fn a_variable_that_misses_an_underscore_is_refused_with_its_right_name() {
    let vars = [
        ("USERLINE_PRESENCE__GRACE", "1s"),
        ("USERLINE_PORT_4000_TCP_ADDR", "of an orchestrator"),
        ("USERLINE_URL", "of the commands"),
    ];

    let errors =
        Config::load(&with_secret().with_environment(environment(&vars))).unwrap_err().to_string();

    let said = "USERLINE_PRESENCE__GRACE: is not a setting: did you mean `USERLINE__PRESENCE__GRACE`? \
                (USERLINE_PRESENCE__GRACE)";
    assert_eq!(errors, said);
}

#[test]
fn a_variable_means_what_its_key_makes_of_it() {
    let keys = format!(r#"[{{name="ops", key="{SECRET}", scopes=["read"]}}]"#);
    let vars = [
        ("USERLINE__AUTH__JWT__SECRET", "01234567890123456789012345678901"),
        ("USERLINE__LIMITS__CONNECTIONS", "5"),
        ("USERLINE__LIMITS__PAYLOAD", "2048"),
        ("USERLINE__HOOKS__ALLOW_PRIVATE", "true"),
        ("USERLINE__SOCKETIO__NAMESPACES", "/, /chat"),
        ("USERLINE__LISTEN__ORIGINS", "[\"*\"]"),
        ("USERLINE__ADMIN__KEYS", keys.as_str()),
    ];

    let config = Config::load(&Sources::new().with_environment(environment(&vars))).unwrap();

    let AuthMode::Jwt(JwtConfig { key: JwtKey::Secret(secret), .. }) = config.auth.mode else {
        panic!("the secret stands in a variable");
    };
    assert_eq!(secret.expose(), b"01234567890123456789012345678901");
    assert_eq!((config.limits.connections, config.limits.payload_bytes), (5, 2048));
    assert!(config.hooks.allow_private);
    assert_eq!(config.socketio.namespaces.len(), 2);
    assert_eq!(config.listen.origins, Origins::Any);
    assert_eq!(config.admin.keys[0].name, "ops");
    assert_eq!(config.admin.keys[0].scopes, [Scope::Read]);
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
fn no_error_shows_a_secret() {
    let bad = "hush-hush";
    let texts = [
        format!("[auth.jwt]\nsecret = \"{bad}\""),
        format!("[auth.jwt]\nsecrett = \"{bad}\""),
        format!("[auth.jwt]\nsecret = [\"{bad}\"]"),
        format!("[auth.jwt]\nsecret = \"{bad}"),
        format!("[admin]\nkeys = [{{name = \"a\", key = \"{bad}\", scopes = [\"emit\"]}}]"),
        format!("[admin]\nkeys = \"{bad}\""),
        format!("[admin]\nkeys = [\"{bad}\"]"),
        format!("[admin]\nkeys = [{{name = \"a\", kye = \"{bad}\", scopes = [\"emit\"]}}]"),
        format!("[hooks]\nurl = \"https://a.example\"\nsecret = \"whsec_{bad}\""),
        format!("[hooks]\nurl = \"https://a.example\"\nsecrets = [\"whsec_{bad}\"]"),
        format!("[hooks]\nurl = \"https://user:{bad}@a.example\"\nsecret = \"whsec_{bad}\""),
        format!("[hooks]\nurl = \"https//user:{bad}@a.example\""),
        format!("[hooks]\nurl = \"{bad}://a.example\""),
        format!("[hooks]\nurl = \"http://10.0.0.1/?token={bad}\""),
        format!("[hooks]\nurl = [\"https://a.example/?token={bad}\"]"),
        format!("[[hooks.endpoints]]\nname = \"a\"\nurl = \"a.example/?token={bad}\""),
        format!(
            "[[hooks.endpoints]]\nname = \"a\"\nurl = \"https://a.example\"\nsecret = \"{bad}\""
        ),
    ];
    for text in texts {
        let file = file(&text);
        let errors = Config::load(&Sources::new().with_file(file.path())).unwrap_err();
        assert!(!errors.to_string().contains(bad), "{errors}");
        assert!(!format!("{errors:?}").contains(bad), "{errors:?}");
    }
}

#[test]
fn no_debug_form_shows_a_secret() {
    let sources = with_secret()
        .with_environment(environment(&[("USERLINE__AUTH__JWT__SECRET", "hush")]))
        .with_flag("--set auth.jwt.secret", "auth.jwt.secret", "hush");
    let dev = Dev {
        public: "127.0.0.1:0".parse().unwrap(),
        admin: "127.0.0.1:0".parse().unwrap(),
        data_dir: "/tmp/x".into(),
        client_dir: None,
        hook_urls: vec!["http://127.0.0.1:9/hook?token=hush".to_owned()],
        key: "hush".to_owned(),
        hook_secret: "hush".to_owned(),
    };
    let reader = Reader::open(&sources).unwrap();
    for shown in [format!("{sources:?}"), format!("{dev:?}"), format!("{reader:?}")] {
        assert!(!shown.contains("hush") && !shown.contains(SECRET), "{shown}");
    }
    assert!(format!("{sources:?}").contains("auth.jwt.secret"), "{sources:?}");
}

#[test]
fn what_is_shown_hides_secrets_and_says_where_each_value_comes_from() {
    let text = show(&full().with_flag("--listen-public", "listen.public", "127.0.0.1:0")).unwrap();

    assert!(text.contains("public = \"127.0.0.1:0\"  # --listen-public\n"), "{text}");
    assert!(text.contains("[auth.jwt]\nsecret = \"[hidden]\"  # "), "{text}");
    assert!(text.contains("\n[[admin.keys]]\nname = \"a\"  # "), "{text}");
    assert!(text.contains("grace = \"10s\"  # default\n"), "{text}");
    for secret in [SECRET, "whsec_", "0123456789"] {
        assert!(!text.contains(secret), "{text}");
    }
    let table: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(table["hooks"]["endpoints"][0]["name"].as_str(), Some("b"));
}

#[test]
fn what_is_shown_of_a_url_says_where_and_hides_its_query() {
    let sources = with_secret()
        .with_flag("--set", "hooks.url", "https://a.example/hook?token=hush-hush")
        .with_flag("--set", "hooks.secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3");

    let text = show(&sources).unwrap();
    let endpoint = Config::load(&sources).unwrap().hooks.endpoints.remove(0);

    assert!(text.contains("url = \"https://a.example/hook\"  # "), "{text}");
    assert!(!text.contains("hush"), "{text}");
    assert_eq!(endpoint.url, "https://a.example/hook?token=hush-hush");
    let debug = format!("{endpoint:?}");
    assert!(debug.contains("https://a.example/hook") && !debug.contains("hush"), "{debug}");
}

#[test]
fn a_secret_file_ends_before_its_line_end() {
    let secret = file(&format!("{SECRET}\r\n"));
    let path = secret.path().to_str().unwrap();
    let sources = Sources::new().with_flag("--set", "auth.jwt.secret_file", path);

    let AuthMode::Jwt(jwt) = Config::load(&sources).unwrap().auth.mode else { panic!() };

    assert!(matches!(jwt.key, JwtKey::Secret(it) if it.expose() == SECRET.as_bytes()));
}

#[test]
fn several_hook_secrets_stand_in_a_file_one_a_line() {
    let secrets = file(
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\nwhsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\n",
    );
    let path = secrets.path().to_str().unwrap();
    let sources = with_secret()
        .with_flag("--set", "hooks.url", "https://a.example/hook")
        .with_flag("--set", "hooks.secret_file", path);

    let endpoint = Config::load(&sources).unwrap().hooks.endpoints.remove(0);

    assert_eq!(endpoint.name, "default");
    assert_eq!(endpoint.secrets[0].expose(), b"0123456789abcdef01234567");
    assert_eq!(endpoint.secrets[1].expose(), b"ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    assert_eq!(endpoint.events, ["user.online", "user.offline"]);
}

#[test]
fn origins_are_kept_as_browsers_write_them() {
    let origins = "https://App.Example.com:443, http://localhost:5173, capacitor://localhost";
    let sources = with_secret().with_flag("--set", "listen.origins", origins);

    let Origins::List(list) = Config::load(&sources).unwrap().listen.origins else { panic!() };

    assert_eq!(list, ["https://app.example.com", "http://localhost:5173", "capacitor://localhost"]);
}

#[test]
fn a_hook_secret_has_24_to_64_bytes() {
    use base64::Engine as _;
    let text = |len: usize| {
        format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(vec![7; len]))
    };

    assert!(parse_hook_secret(&text(23)).is_none());
    assert_eq!(parse_hook_secret(&text(24)).unwrap().expose(), [7; 24]);
    assert_eq!(parse_hook_secret(&text(64)).unwrap().expose(), [7; 64]);
    assert!(parse_hook_secret(&text(65)).is_none());
    assert!(parse_hook_secret("whsec_!").is_none());
    assert!(parse_hook_secret(text(24).trim_start_matches("whsec_")).is_none());
}

#[test]
fn development_believes_everybody_on_loopback_only() {
    let dev = |public: &str| Dev {
        public: public.parse().unwrap(),
        admin: "127.0.0.1:0".parse().unwrap(),
        data_dir: "/tmp/x".into(),
        client_dir: None,
        hook_urls: vec!["http://127.0.0.1:9/hook".to_owned(), "http://localhost:9/".to_owned()],
        key: SECRET.to_owned(),
        hook_secret: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3".to_owned(),
    };

    let config = Config::dev(Sources::new(), dev("127.0.0.1:0")).unwrap();
    let refused = Config::dev(Sources::new(), dev("0.0.0.0:4000")).unwrap_err();

    assert!(matches!(config.auth.mode, AuthMode::Trust));
    assert_eq!(config.listen.origins, Origins::Local);
    assert_eq!(config.presence.grace, Duration::from_secs(5));
    assert_eq!(config.admin.keys[0].scopes, Scope::ALL);
    assert_eq!(config.hooks.endpoints[1].name, "dev-2");
    assert!(config.hooks.allow_private);
    assert!(refused.to_string().starts_with("auth.mode = \"trust\": believes every client"));
    // The page with its key is no less private, however its address is said.
    for (admin, flag) in [("0.0.0.0:4001", None), ("127.0.0.1:0", Some("[::]:4001"))] {
        let dev = Dev { admin: admin.parse().unwrap(), ..dev("127.0.0.1:0") };
        let flags = flag.map(|it| Sources::new().with_flag("--set", "listen.admin", it));
        let refused = Config::dev(flags.unwrap_or_default(), dev).unwrap_err().to_string();
        assert!(refused.starts_with("listen.admin = "), "{refused}");
        assert!(refused.contains("must be on loopback"), "{refused}");
    }
}

#[test]
fn trust_is_refused_outside_of_dev_and_config_show_says_so() {
    let sources = with_secret().with_flag("--set auth.mode", "auth.mode", "trust").with_flag(
        "--set listen.public",
        "listen.public",
        "127.0.0.1:4000",
    );

    let [loaded, shown] = [Config::load(&sources).unwrap_err(), show(&sources).unwrap_err()];

    assert_eq!(loaded, shown);
    assert!(loaded.to_string().contains("only in `userline dev`"), "{loaded}");
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
    with_secret().with_flag("--set", "admin.keys", &keys).with_flag(
        "--set",
        "hooks.endpoints",
        endpoints,
    )
}

fn environment(vars: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    vars.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}
