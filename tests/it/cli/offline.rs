//! Commands that need no server: configuration and tokens.

use super::{SECRET, end_of, run, text, userline};
use serde_json::value::RawValue;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use userline::auth::{AuthPayload, Authenticator, Credentials};
use userline::clock::Clock;
use userline::config::{Config, Sources};
use userline::types::{Namespace, Seq};

#[tokio::test]
async fn a_fresh_configuration_is_private_good_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("userline.toml");

    let first = run(&["config", "init", text(&path)]).await;
    let written = fs::read_to_string(&path).unwrap();
    let second = run(&["config", "init", text(&path)]).await;
    let check = run(&["config", "check", "--config", text(&path)]).await;

    assert_eq!(first.code, Some(0), "{}", first.err);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(second.code, Some(2));
    assert!(second.err.contains("exists and is not overwritten"), "{}", second.err);
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    assert_eq!((check.code, check.out.as_str()), (Some(0), "the configuration is good\n"));
}

#[tokio::test]
async fn a_fresh_configuration_goes_to_standard_output_if_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = userline(&["config", "init", "-"]);
    let ended = end_of({
        command.current_dir(dir.path());
        command
    })
    .await;

    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.starts_with("# userline: every setting"), "{}", ended.out);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_wrong_configuration_ends_with_78_and_all_its_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.toml");
    fs::write(&path, "[listen]\npublic = \"x\"\n[limits]\npayloads = 1\n").unwrap();

    for command in [&["config", "check"][..], &["config", "show"], &["serve"]] {
        let ended = run(&[command, &["--config", text(&path)]].concat()).await;

        assert_eq!(ended.code, Some(78), "{command:?}");
        assert_eq!(ended.out, "", "{command:?}");
        for part in [
            "listen.public = \"x\": must be an address such as 0.0.0.0:4000",
            "bad.toml:2)",
            "limits.payloads: is not a setting: did you mean `limits.payload`?",
            "auth.jwt.secret: is missing",
        ] {
            assert!(ended.err.contains(part), "{part}: {}", ended.err);
        }
    }
}

#[tokio::test]
async fn a_key_that_does_not_go_with_its_algorithms_is_found_by_check() {
    let wrong_key = [
        "--set",
        "auth.jwt.public_key_file=tests/it/keys/es256.pub.pem",
        "--set",
        "auth.jwt.algorithms=ES384",
    ];
    // Together with all others, also those of files that are named.
    let others = ["--set", "presence.grace=x", "--set", "socketio.client_dir=tests/it/keys"];
    let ended = run(&[&["config", "check"], &wrong_key[..]].concat()).await;
    let all = run(&[&["config", "check"], &wrong_key[..], &others].concat()).await;
    let serve = run(&[&["serve"], &wrong_key[..]].concat()).await;

    assert_eq!((ended.code, all.code, serve.code), (Some(78), Some(78), Some(78)));
    for err in [&ended.err, &all.err, &serve.err] {
        assert!(err.contains("ES384 does not go with this EC public key"), "{err}");
    }
    assert!(all.err.contains("presence.grace = \"x\": must be a duration"), "{}", all.err);
    assert!(all.err.contains("socketio.client_dir"), "{}", all.err);
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_used_is_found_by_check_and_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "").unwrap();
    symlink(at("nowhere"), at("link")).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    fs::create_dir_all(at("taken/userline.sqlite")).unwrap();
    let secret = format!("auth.jwt.secret={SECRET}");
    let try_it = async |command: &[&str], folder: &str| {
        let folder = format!("store.data_dir={}", at(folder).display());
        run(&[command, &["--set", &secret, "--set", &folder]].concat()).await
    };
    let long = "x".repeat(300);
    let table = [
        ("file", "is no folder"),
        ("file/below", "is no folder"),
        ("link", "No such file or directory"),
        ("loop", "symbolic links"),
        (&long, "File name too long"),
        ("taken", "is a directory"),
    ];
    for (folder, why) in table {
        for command in [&["config", "check"][..], &["serve"]] {
            let ended = try_it(command, folder).await;

            assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""), "{command:?} {folder}");
            let key = format!("store.data_dir = {:?}: must be a folder that", at(folder));
            assert!(ended.err.contains(&key) && ended.err.contains(why), "{}", ended.err);
        }
    }
    for good in [".", "a/b/c"] {
        let ended = try_it(&["config", "check"], good).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(0), "the configuration is good\n"));
    }
    assert!(!at("a").exists(), "a check makes nothing");
}

#[tokio::test]
async fn a_data_folder_in_use_is_no_mistake_but_no_other_process_starts_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let lock = fs::File::create(dir.path().join("lock")).unwrap();
    lock.try_lock().unwrap();
    let (secret, folder) =
        (format!("auth.jwt.secret={SECRET}"), format!("store.data_dir={}", dir.path().display()));
    let settings = [
        "--set",
        &secret,
        "--set",
        &folder,
        "--set",
        "listen.public=127.0.0.1:0",
        "--set",
        "listen.admin=127.0.0.1:0",
    ];

    let check = run(&[&["config", "check"], &settings[..]].concat()).await;
    let serve = run(&[&["serve"], &settings[..]].concat()).await;

    assert_eq!(check.code, Some(0), "{}", check.err);
    assert!(check.out.contains("a process runs on store.data_dir now"), "{}", check.out);
    assert_eq!(serve.code, Some(70), "{}", serve.err);
    let key = format!("store.data_dir = {:?}: is used by another process", dir.path());
    assert!(serve.err.contains(&key), "{}", serve.err);
}

#[tokio::test]
async fn whether_the_data_folder_may_be_written_is_what_the_system_says() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write everywhere.
    let may_write = fs::write(folder.join("x"), "").is_ok();

    for name in ["folder", "folder/below"] {
        let setting = format!("store.data_dir={}", dir.path().join(name).display());
        let secret = format!("auth.jwt.secret={SECRET}");
        let ended = run(&["config", "check", "--set", &secret, "--set", &setting]).await;

        assert_eq!(ended.code, Some(if may_write { 0 } else { 78 }), "{}", ended.err);
        assert_eq!(ended.err.contains("Permission denied"), !may_write, "{}", ended.err);
    }
}

#[tokio::test]
async fn what_counts_is_shown_with_its_origin_and_without_secrets() {
    let mut command = userline(&["config", "show", "--set", "presence.grace=3s"]);
    command.env("USERLINE__AUTH__JWT__SECRET", SECRET).env("USERLINE__LOG__LEVEL", "debug");

    let ended = end_of(command).await;

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for line in [
        "grace = \"3s\"  # --set presence.grace",
        "level = \"debug\"  # USERLINE__LOG__LEVEL",
        "secret = \"[hidden]\"  # USERLINE__AUTH__JWT__SECRET",
        "public = \"0.0.0.0:4000\"  # default",
    ] {
        assert!(ended.out.lines().any(|it| it == line), "{line}: {}", ended.out);
    }
    assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET));
}

#[tokio::test]
async fn a_minted_token_is_accepted_by_the_server() {
    let mut command = userline(&["token", "--user", "42", "--rooms", "a,b", "--ttl", "2m"]);
    command.args(["--data", "{\"x\":1}"]).env("USERLINE__AUTH__JWT__SECRET", SECRET);

    let ended = end_of(command).await;

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let sources = Sources::new().with_flag("test", "auth.jwt.secret", SECRET);
    let config = Config::load(&sources).unwrap();
    let auth: Box<RawValue> =
        serde_json::from_str(&format!("{{\"token\":\"{}\"}}", ended.out.trim_end())).unwrap();
    let auth = AuthPayload::parse(Some(&auth)).unwrap();
    let (namespace, address) = (Namespace::root(), IpAddr::from([127, 0, 0, 1]));
    let credentials = Credentials {
        auth: &auth,
        authorization: None,
        headers: &[],
        query: "",
        address,
        namespace: &namespace,
    };
    let now = Clock::start(Seq(0)).wall();
    let authenticator = Authenticator::new(config.auth, Clock::start(Seq(0))).unwrap();
    let identity = authenticator.authenticate(credentials, now).await.unwrap();
    assert_eq!((identity.user.as_str(), identity.grants.rooms.len()), ("42", 2));
    let left = identity.grants.expires_at.unwrap().0 - now.0;
    assert!((60_000..=120_000).contains(&left), "{left}");
}

#[tokio::test]
async fn no_token_is_made_from_a_public_key() {
    let ended = run(&[
        "token",
        "--user",
        "42",
        "--set",
        "auth.jwt.public_key_file=tests/it/keys/rsa.pub.pem",
        "--set",
        "auth.jwt.algorithms=RS256",
    ])
    .await;

    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("public key only"), "{}", ended.err);
}

#[tokio::test]
async fn wrong_arguments_end_with_2() {
    let wrong: [&[&str]; 6] = [
        &[],
        &["emit", "--user", "1"],
        &["emit", "--user", "1", "event", "no json"],
        &["users", "--state", "away", "--key", "k"],
        &["token", "--user", ""],
        &["users"],
    ];
    for args in wrong {
        let ended = run(args).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(!ended.err.is_empty(), "{args:?}");
    }
}
