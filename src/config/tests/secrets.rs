//! No secret is shown, and what counts as one.

use super::*;

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
    let reader = SettingsReader::open(&sources).unwrap();
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

    let JwtKeys::Static(keys) = jwt.keys else { panic!() };
    assert!(matches!(&keys[0].key, JwtKey::Secret(it) if it.expose() == SECRET.as_bytes()));
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
