//! One look finds every mistake: none is said only after another was mended.

use super::*;

/// Mistakes of which none is the consequence of another, in a file, and how each is told.
const FILE: &[(&str, &[(&str, &str)])] = &[
    (
        "listen",
        &[
            ("public = \"0.0.0.0:4000\"", ""),
            (
                "admin = \"0.0.0.0:4000\"",
                "listen.admin = \"0.0.0.0:4000\": must not be the address of",
            ),
            ("path = \"x\"", "listen.path = \"x\": "),
            ("trusted_proxies = [\"x\"]", "listen.trusted_proxies = \"x\": "),
            ("origins = [\"x\", \"*\"]", "listen.origins = \"x\": "),
            ("drain = \"x\"", "listen.drain = \"x\": "),
            ("unheard_of = 1", "listen.unheard_of: is not a setting"),
        ],
    ),
    ("auth", &[("mode = \"trust\"", "auth.mode = \"trust\": believes every client")]),
    (
        "auth.jwt",
        &[
            ("secret = \"short\"", "auth.jwt.secret: must have at least 64 bytes"),
            (
                "algorithms = [\"HS512\", \"RS256\"]",
                "auth.jwt.algorithms = [\"HS512\", \"RS256\"]: ",
            ),
            ("leeway = \"x\"", "auth.jwt.leeway = \"x\": "),
            ("issuer = \"\"", "auth.jwt.issuer = \"\": "),
            ("user_claim = \"\"", "auth.jwt.user_claim = \"\": "),
        ],
    ),
    (
        "presence",
        &[
            ("grace = 1", "presence.grace = 1: "),
            ("startup_grace = 2", "presence.startup_grace = 2: "),
        ],
    ),
    (
        "hooks",
        &[
            (
                "url = \"http://127.0.0.1/\"",
                "hooks.url = \"http://127.0.0.1/\": is a private address",
            ),
            ("", "hooks.secret: is missing"),
            ("timeout = 1", "hooks.timeout = 1: "),
            ("events = [\"x\"]", "hooks.events = \"x\": "),
            ("batch_max = 0", "hooks.batch_max = 0: "),
            ("coalesce = \"x\"", "hooks.coalesce = \"x\": "),
        ],
    ),
    (
        "rooms",
        &[
            (
                "auto = [\"org:{org}\", \"{a[].x}:{b[].y}\", \"user:{id}\"]",
                "rooms.auto = \"{a[].x}:{b[].y}\": must not have claims of two arrays",
            ),
            ("join = [\"org:{org}:*\", \"a*b\"]", "rooms.join = \"a*b\": must not have a `*`"),
            ("", "rooms.auto = \"user:{id}\": a room `user:…` is its user's own"),
        ],
    ),
    (
        "limits",
        &[
            ("payload = \"2MB\"", ""),
            (
                "buffer_bytes = \"1MB\"",
                "limits.buffer_bytes = \"1MB\": must be at least limits.payload",
            ),
            ("stall = 1", "limits.stall = 1: "),
            ("connections = 0", "limits.connections = 0: "),
        ],
    ),
    (
        "socketio",
        &[
            ("transports = []", "socketio.transports = []: "),
            ("namespaces = [\"/\", \"/\"]", "socketio.namespaces = [\"/\", \"/\"]: "),
            ("client_dir = \"/none\"", "socketio.client_dir = \"/none\": must be a folder"),
        ],
    ),
    (
        "log",
        &[("level = \"x\"", "log.level = \"x\": "), ("format = \"x\"", "log.format = \"x\": ")],
    ),
    ("inbox", &[("keep = 1", "inbox.keep = 1: ")]),
    (
        "store",
        &[
            ("data_dir = \"\"", "store.data_dir = \"\": "),
            ("keep_events = 1", "store.keep_events = 1: "),
        ],
    ),
];

const LISTS: &str = r#"
[[admin.keys]]
name = "a"
key = "0123456789abcdef"
scopes = []
[[admin.keys]]
name = "a"
key = "short"
scopes = ["emit"]
[[admin.keys]]
name = "b"
key = "0123456789abcdef"
scopes = ["x"]
allow_rooms = ["a*b"]
[[hooks.endpoints]]
name = "default"
[[hooks.endpoints]]
name = "c"
url = "https://user:pw@c.example"
secret = "whsec_x"
events = []
[[hooks.endpoints]]
name = "c"
url = "http://10.0.0.1/"
secrets = []
"#;

const TOLD_OF_LISTS: [&str; 16] = [
    "admin.keys[0].scopes = []: must have at least one",
    "admin.keys[1].name = \"a\": must be unique",
    "admin.keys[1].key: must have at least 16 bytes",
    "admin.keys[2].key: must not be the key of another name",
    "admin.keys[2].scopes = \"x\": ",
    "admin.keys[2].allow_rooms = \"a*b\": must be a name",
    "hooks.endpoints[0].name = \"default\": must be unique",
    "hooks.endpoints[0].url: is missing",
    "hooks.endpoints[0].secret: is missing",
    "hooks.endpoints[1].url = \"https://c.example/\": must not hold a name or password",
    "hooks.endpoints[1].secret: must be \"whsec_\"",
    "hooks.endpoints[1].events = []: ",
    "hooks.endpoints[2].name = \"c\": must be unique",
    "hooks.endpoints[2].url = \"http://10.0.0.1/\": is a private address",
    "hooks.endpoints[2].secrets: must be 1 to 4 secrets",
    "admin.idempotency_keep = \"x\": must be a duration",
];

#[test]
fn every_mistake_is_told_at_once() {
    let section = |(name, lines): &(&str, &[(&str, &str)])| {
        let lines: Vec<&str> = lines.iter().map(|(line, _)| *line).collect();
        format!("[{name}]\n{}\n", lines.join("\n"))
    };
    let text: String = FILE.iter().map(section).collect();
    let file = file(&(text + LISTS));
    let not_utf8 = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]);
    let mut vars = environment(&[
        ("USERLINE_PRESENCE_GRACE", "1s"),
        ("USERLINE_SOCKETIO__PING_INTERVAL", "1s"),
        ("USERLINE__HISTORY__KEEP", "x"),
        ("USERLINE_PORT", "tcp://10.0.0.1:4000"),
    ]);
    vars.push(("USERLINE__RECOVERY__WINDOW".into(), not_utf8));
    let sources = Sources::new()
        .with_file(file.path())
        .with_environment(vars)
        .with_flag("--set admin.idempotency_keep", "admin.idempotency_keep", "x")
        .with_flag("--set messages.keeps", "messages.keeps", "1h");

    let errors = Config::load(&sources).unwrap_err();

    let told: Vec<String> = errors.list().iter().map(ToString::to_string).collect();
    let of_file = FILE.iter().flat_map(|(_, lines)| lines.iter()).map(|(_, told)| *told);
    let of_others = [
        "USERLINE_PRESENCE_GRACE: is not a setting: did you mean `USERLINE__PRESENCE__GRACE`?",
        "USERLINE_SOCKETIO__PING_INTERVAL: is not a setting: did you mean",
        "history.keep = \"x\": ",
        "recovery.window: must be UTF-8 (USERLINE__RECOVERY__WINDOW)",
        "messages.keeps: is not a setting: did you mean `messages.keep`?",
    ];
    let expected: Vec<&str> =
        of_file.filter(|told| !told.is_empty()).chain(TOLD_OF_LISTS).chain(of_others).collect();
    for part in &expected {
        assert!(told.iter().any(|it| it.starts_with(part)), "{part}: not in\n{errors}");
    }
    assert_eq!(told.len(), expected.len(), "{errors}");
}

#[test]
fn a_variable_with_single_underscores_is_refused_if_it_would_be_a_setting() {
    let refused = |name: &str| {
        let sources = with_secret().with_environment(environment(&[(name, "1s")]));
        Config::load(&sources).err().map(|errors| errors.to_string())
    };
    let meant = [
        ("USERLINE_LIMITS_HEADER_TIMEOUT", "USERLINE__LIMITS__HEADER_TIMEOUT"),
        ("USERLINE_AUTH_JWT_SECRET", "USERLINE__AUTH__JWT__SECRET"),
        ("USERLINE_HOOKS_URL", "USERLINE__HOOKS__URL"),
        ("USERLINE_STORE_DATA_DIR", "USERLINE__STORE__DATA_DIR"),
    ];
    for (name, right) in meant {
        let said = format!("{name}: is not a setting: did you mean `{right}`? ({name})");
        assert_eq!(refused(name), Some(said));
    }
    let others = [
        "USERLINE_URL",
        "USERLINE_KEY",
        "USERLINE_HOOK_SECRET",
        "USERLINE_PORT",
        "USERLINE_SERVICE_HOST",
        "USERLINE_PORT_4000_TCP_ADDR",
        "USERLINE_LISTEN",
        "USERLINES_PRESENCE_GRACE",
    ];
    for name in others {
        assert_eq!(refused(name), None, "{name}");
    }
}
