//! The rules of the house, as tests: a rule nobody checks is a wish.

mod circles;
mod map;
mod names;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, lowest first. A module uses only the floors below it, never a neighbour: so there are
/// no cycles, and every module can be read, tested and replaced with what lies under it.
const FLOORS: &[&[&str]] = &[
    &["types"],
    &["core"],
    &["clock", "config", "entropy", "metrics", "tasks"],
    &["redis_server"],
    &["backend", "client", "cluster", "deadlines", "store"],
    &["auth", "hooks", "recovery", "connection"],
    &["presence", "registry"],
    &["commands"],
    &["realtime"],
    &["admin", "ingest", "socket"],
    &["app", "telemetry"],
    &["bench"],
    &["cli"],
];
/// Crates that belong to one edge, and the modules that know them; tests may use what they like.
const OWNERS: &[(&str, &[&str])] = &[
    ("anyhow", &["cli"]),
    ("axum", &["admin", "app", "socket"]),
    ("clap", &["cli"]),
    ("dashmap", &["connection", "presence", "registry"]),
    ("getrandom", &["entropy"]),
    ("hdrhistogram", &["bench"]),
    ("httparse", &["client"]),
    ("hyper", &["app", "cli", "connection"]),
    ("hyper_util", &["app", "cli", "connection"]),
    ("jsonwebtoken", &["auth", "config"]),
    ("metrics_exporter_prometheus", &["metrics"]),
    ("mio", &["bench"]),
    ("redis", &["cluster", "config", "ingest", "redis_server"]),
    ("reqwest", &["backend", "bench", "cli", "config"]),
    ("rlimit", &["bench", "cli"]),
    ("rmpv", &["ingest"]),
    ("rusqlite", &["store"]),
    ("rustix", &["app", "connection", "store"]),
    ("rustls", &["ingest"]),
    ("rustls_platform_verifier", &["ingest"]),
    ("socket2", &["app", "connection"]),
    ("socketioxide", &["socket"]),
    ("tokio_postgres", &["ingest"]),
    ("tokio_rustls", &["ingest"]),
    ("toml", &["config"]),
    ("tracing_subscriber", &["config", "telemetry"]),
    ("tungstenite", &["connection"]),
    ("utoipa", &["admin", "commands"]),
    ("utoipa_axum", &["admin"]),
];
const MAX_LINES: usize = 400;

#[test]
fn modules_use_only_lower_floors() {
    let mut bad = Vec::new();
    let mut seen = 0;
    for file in rust_files("src") {
        let own = module(&file);
        let Some(own_floor) = floor_of(&own) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        for hidden in ["crate::{", "super::super"] {
            assert!(!text.contains(hidden), "{}: `{hidden}` hides what is used", file.display());
        }
        // There, `super` is the root of the crate: what is used would not be seen.
        let is_at_the_top = file.parent() == Some(Path::new("src"));
        let hides = is_at_the_top && without_tests(&file, &text).contains("super::");
        assert!(!hides, "{}: `super::` hides what is used, write `crate::`", file.display());
        let text = without_test_app(&file, &text);
        for used in crate_uses(&text) {
            seen += 1;
            if used != own && floor_of(&used).is_some_and(|floor| own_floor <= floor) {
                bad.push(format!("{} uses crate::{used}, which is not below it", file.display()));
            }
        }
    }
    assert!(0 < seen, "found no `crate::` path at all: the check itself is broken");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn crates_are_used_only_where_they_belong() {
    let mut used: BTreeSet<(&str, String)> = BTreeSet::new();
    for file in rust_files("src") {
        let text = fs::read_to_string(&file).unwrap();
        let text = without_tests(&file, &text);
        let named = OWNERS.iter().filter(|(name, _)| names_crate(text, name));
        used.extend(named.map(|(name, _)| (*name, module(&file))));
    }
    let owned =
        OWNERS.iter().flat_map(|(name, owners)| owners.iter().map(|it| (*name, (*it).to_owned())));
    let owned: BTreeSet<(&str, String)> = owned.collect();
    let strange: Vec<_> = used.difference(&owned).collect();
    assert!(strange.is_empty(), "a crate in a module that it does not belong to: {strange:?}");
    let idle: Vec<_> = owned.difference(&used).collect();
    assert!(idle.is_empty(), "not used there any more, take it out of OWNERS: {idle:?}");
}

#[test]
fn every_module_has_a_floor() {
    let lost: BTreeSet<String> = rust_files("src")
        .iter()
        .map(|file| module(file))
        .filter(|name| name != "lib" && name != "main" && floor_of(name).is_none())
        .collect();
    assert!(lost.is_empty(), "add to FLOORS: {lost:?}");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for file in rust_files("src") {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{}: {lines} lines, over {MAX_LINES}", file.display());
        let is_test = file.ends_with("tests.rs");
        let has_head = text.starts_with("//!") || text.starts_with("#![doc");
        assert!(is_test || has_head, "{}: first line is not a `//!`", file.display());
    }
}

/// `docs/presence.md` says which test holds each row of its fault table: each row has one, and it is there.
#[test]
fn every_row_of_the_fault_table_names_tests_that_exist() {
    let page = fs::read_to_string("docs/presence.md").unwrap();
    let rows = |heading: &str| -> Vec<(String, String)> {
        let section = page.split("\n## ").find(|it| it.starts_with(heading)).expect(heading);
        let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
        let cells = lines.map(|line| line.split('|').map(str::trim).skip(1).collect::<Vec<_>>());
        cells.map(|cells| (cells[0].to_owned(), cells[1].to_owned())).collect()
    };
    let (promised, tested) = (rows("Fault, outcome, bound"), rows("Which test holds which row"));
    let faults = |rows: &[(String, String)]| -> Vec<String> {
        rows.iter().map(|(fault, _)| fault.clone()).collect()
    };
    assert!(!promised.is_empty());
    assert_eq!(faults(&promised), faults(&tested));

    let clients = ["slow", "clock"].map(|it| format!("tests/clients/{it}.test.mjs"));
    let mut sources = clients.map(|it| fs::read_to_string(it).unwrap()).concat();
    for file in rust_files("src").into_iter().chain(rust_files("tests/it")) {
        sources += &fs::read_to_string(file).unwrap();
    }
    for (fault, tests) in tested {
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{fault}: no test");
        for name in names {
            let declared = [format!("fn {name}("), format!("scenario(\"{name}\"")];
            assert!(declared.iter().any(|it| sources.contains(it)), "{fault}: no test `{name}`");
        }
    }
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn module(file: &Path) -> String {
    let inside = file.strip_prefix("src").unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Tests of every floor use the program put together, which stands on the highest; what runs in production does not.
fn without_test_app(file: &Path, text: &str) -> String {
    const TEST_APP: &str = "crate::app::testing::";
    let uses = without_tests(file, text).contains(TEST_APP);
    assert!(!uses, "{}: `{TEST_APP}` is for tests", file.display());
    text.replace(TEST_APP, "")
}

/// What of a file is no test.
fn without_tests<'a>(file: &Path, text: &'a str) -> &'a str {
    let inside = file.strip_prefix("src").unwrap();
    let is_of_tests =
        |it| ["tests", "tests.rs", "testing", "testing.rs"].iter().any(|name| it == *name);
    if inside.iter().any(is_of_tests) {
        return "";
    }
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// Whether a path in `text` begins with the crate `name`.
fn names_crate(text: &str, name: &str) -> bool {
    let path = format!("{name}::");
    text.match_indices(&path).any(|(place, _)| {
        let before = text[..place].chars().next_back();
        before.is_none_or(|it| !it.is_alphanumeric() && it != '_' && it != ':')
    })
}

fn crate_uses(source: &str) -> BTreeSet<String> {
    source
        .split("crate::")
        .skip(1)
        .map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        })
        .map(str::to_owned)
        .collect()
}

fn rust_files(dir: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
