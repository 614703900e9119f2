//! The command line as people type it.

use super::*;
use crate::config::{AuthMode, Config, JwtKey, JwtKeys, Sources, parse_hook_secret};
use clap::CommandFactory as _;
use std::io::{Error, ErrorKind};

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_default_of_the_load_generator_is_a_value_it_takes() {
    for command in ["connect", "idle", "fanout", "target", "echo", "churn", "storm"] {
        let args = ["userline", "bench", command, "http://127.0.0.1:3000"];
        assert!(Cli::try_parse_from(args).is_ok(), "{:?}", Cli::try_parse_from(args).err());
    }
}

#[test]
fn the_help_documents_every_exit_code() {
    let help = Cli::command().render_help().to_string();
    let text = || "x".to_owned();
    let failures = [
        CommandFailure::Refused(text()),
        CommandFailure::Usage(text()),
        CommandFailure::Unreachable(text()),
        CommandFailure::internal(Error::from(ErrorKind::Other)),
        CommandFailure::ConfigValue(text()),
        CommandFailure::Output(Error::from(ErrorKind::StorageFull)),
        CommandFailure::Output(Error::from(ErrorKind::BrokenPipe)),
    ];
    for failure in failures {
        assert!(help.contains(&format!("\n  {:<3} ", failure.code())), "{failure:?}\n{help}");
    }
}

#[test]
fn arguments_that_are_not_json_are_explained() {
    let error = Cli::try_parse_from(["userline", "emit", "--user", "1", "e", "hello"]).unwrap_err();

    assert!(error.to_string().contains("a text needs its quotes"), "{error}");
}

#[test]
fn an_emit_needs_somebody_to_go_to() {
    for wrong in [vec!["emit", "event"], vec!["emit", "--user", "1"]] {
        assert!(Cli::try_parse_from([vec!["userline"], wrong].concat()).is_err());
    }
    let many = ["userline", "emit", "--user", "1", "--user", "2", "--room", "r", "e", "-1", "[]"];
    assert!(Cli::try_parse_from(many).is_ok());
}

#[test]
fn no_secret_of_the_command_line_is_in_its_debug_form() {
    let with_key = ["userline", "users", "--key", "hush"];
    let with_secret = ["userline", "hooks", "listen", "--secret", "hush"];
    let with_setting = ["userline", "config", "check", "--set", "auth.jwt.secret=hush"];
    for args in [&with_key[..], &with_secret[..], &with_setting[..]] {
        let cli = Cli::try_parse_from(args).unwrap();
        assert!(!format!("{cli:?}").contains("hush"), "{cli:?}");
    }
}

#[test]
fn a_fresh_file_has_secrets_that_work_and_leaves_the_defaults_alone() {
    let (one, two) =
        (config::fresh(crate::config::DEFAULTS), config::fresh(crate::config::DEFAULTS));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &one).unwrap();

    let loaded = Config::load(&Sources::new().with_file(file.path())).unwrap();

    let AuthMode::Jwt(jwt) = loaded.auth.mode else { panic!("tokens are the default") };
    let JwtKeys::Static(keys) = jwt.keys else { panic!("one key is the default") };
    assert!(matches!(&keys[0].key, JwtKey::Secret(secret) if secret.expose().len() == 44));
    assert_eq!(loaded.admin.keys[0].key.expose().len(), 44);
    let set = one.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
    assert_eq!(set.count(), 2, "{one}");
    let hook_secret = one.lines().find_map(|line| line.strip_prefix("# secret = \"whsec_"));
    let hook_secret = format!("whsec_{}", hook_secret.unwrap().trim_end_matches('"'));
    assert!(parse_hook_secret(&hook_secret).is_some(), "{hook_secret}");
    let differing = one.lines().zip(two.lines()).filter(|(one, two)| one != two);
    assert_eq!(differing.count(), 4);
}

#[test]
fn nothing_that_is_printed_for_people_commands_their_terminal() {
    let value = serde_json::json!({
        "user": "ann\u{1b}[2J\r\nbob\u{202e}",
        "rooms": ["a\u{9b}b", "ü"],
        "n": 1,
    });

    let row = output::row(&value, &["user", "rooms", "n", "absent"]);

    assert_eq!(row, ["ann\u{fffd}[2J\u{fffd}\u{fffd}bob\u{fffd}", "a\u{fffd}b,ü", "1", "-"]);
}

#[test]
fn a_replay_is_of_one_delivery_or_of_an_endpoint() {
    let parse = |args: &[&str]| {
        Cli::try_parse_from([&["userline", "hooks", "replay"], args].concat()).is_ok()
    };
    let (from, to) = ("--from=2026-08-01T00:00:00Z", "--to=2026-08-02T00:00:00Z");

    assert!(parse(&["17"]));
    assert!(parse(&["--endpoint", "default"]));
    assert!(parse(&["--endpoint", "default", from, to]));
    for wrong in [&[][..], &["17", "--endpoint", "default"], &["17", from], &[from, to]] {
        assert!(!parse(wrong), "{wrong:?}");
    }
}

#[test]
fn a_table_is_as_wide_as_its_widest_cell() {
    let rows = [vec!["ann".to_owned(), "1".to_owned()], vec!["jürgen".to_owned(), "23".to_owned()]];

    let text = output::table(&["USER", "SOCKETS"], &rows);

    assert_eq!(text, "USER    SOCKETS\nann     1\njürgen  23");
}

#[test]
fn names_and_keys_may_begin_with_a_hyphen() {
    let name = "-AbC9_dEfGh1234567xy";
    let key = ["--key", "-hush"];
    let commands: [&[&str]; 8] = [
        &["emit", "--user", name, "--room", name, "--socket", name, "e"],
        &["emit", "--all", "--except-user", name, "--except-socket", name, "e", "-1"],
        &["emit", "--all", "--except-room", name, "--except-device", name, "e"],
        &["user", name],
        &["kick", name, "--reason", "spam"],
        &["inbox", name, "--unread"],
        &["rooms", "--prefix", name],
        &["hooks", "deliveries", "--user", name, "--endpoint", name],
    ];
    for command in commands {
        let parsed = Cli::try_parse_from([&["userline"], command, &key].concat());
        assert!(parsed.is_ok(), "{command:?}: {}", parsed.unwrap_err());
    }
    let token = ["userline", "token", "--user", name, "--rooms", name];
    assert!(Cli::try_parse_from(token).is_ok());
    let load =
        ["bench", "target", "http://127.0.0.1:1", "--jwt-secret", name, "--preset", "userline"];
    assert!(Cli::try_parse_from([&["userline"], &load[..], &key].concat()).is_ok());
    let wrong = Cli::try_parse_from(["userline", "kick", "ann", "--resaon", "spam"]);
    assert!(wrong.is_err(), "a flag that does not exist is no name");
}

#[test]
fn help_shows_places_of_templates_as_they_are_written() {
    let mut cli = Cli::command();
    let bench = cli.find_subcommand_mut("bench").unwrap();
    for kind in ["connect", "echo", "fanout"] {
        let help = bench.find_subcommand_mut(kind).unwrap().render_long_help().to_string();
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["`auth`; {n} is its number", "Name of a user; {n} is the user's number"] {
            assert!(words.contains(part), "{kind}: {help}");
        }
    }
}
