//! `src/ARCHITECTURE.md` is true: what it claims and can be checked, is checked.

use super::source::{Source, sources};
use super::{FLOORS, OWNERS};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const MAP: &str = "src/ARCHITECTURE.md";
/// A page that is longer than this is not read.
const LINES_MAX: usize = 150;
/// What invariant 1 forbids in the rules and the words: clocks, chance, waiting, locks, logs.
const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "parking_lot::",
    "Mutex",
    "RwLock",
    "getrandom",
    "tracing::",
    "metrics::",
    "async ",
    ".await",
    "std::fs",
    "std::net::Tcp",
    "std::thread",
    "println!",
    "dashmap",
];

fn map() -> String {
    fs::read_to_string(MAP).unwrap()
}

fn section<'a>(map: &'a str, title: &str) -> &'a str {
    let start =
        map.find(&format!("# {title}\n")).unwrap_or_else(|| panic!("{MAP} has no section {title}"));
    let rest = &map[start + 2..];
    rest.split("\n# ").next().unwrap_or(rest)
}

#[test]
fn the_map_is_short() {
    let lines = map().lines().count();
    assert!(lines < LINES_MAX, "{MAP} has {lines} lines");
}

#[test]
fn the_drawing_shows_the_floors() {
    let map = map();
    let drawing = section(&map, "Bird's eye");
    let drawn: Vec<BTreeSet<String>> = drawing
        .lines()
        .filter_map(|line| line.trim().strip_prefix("floor "))
        .map(|line| {
            let words = line.split_whitespace().skip(1).map(|it| it.trim_matches('·').to_owned());
            words.filter(|word| FLOORS.iter().any(|floor| floor.contains(&word.as_str()))).collect()
        })
        .collect();
    let floors: Vec<BTreeSet<String>> = FLOORS
        .iter()
        .rev()
        .map(|floor| floor.iter().map(|it| (*it).to_owned()).collect())
        .collect();
    assert_eq!(drawn, floors, "one line `floor N …` for each of FLOORS, the highest first");
}

#[test]
fn every_module_stands_on_the_map() {
    let map = map();
    let code_map = section(&map, "Code map");
    let mut missing = BTreeSet::new();
    for source in sources().values() {
        for module in source.module.iter().take(2) {
            let is_named = [
                format!("`{module}`"),
                format!("`{module}/"),
                format!("/{module}`"),
                format!("`{module}.rs"),
            ];
            if !is_named.iter().any(|it| code_map.contains(it)) {
                missing.insert(source.module[..source.module.len().min(2)].join("::"));
            }
        }
    }
    assert!(missing.is_empty(), "not named in {MAP}, section Code map: {missing:?}");
}

#[test]
fn the_files_and_items_it_names_are_there() {
    let map = map();
    let all = sources();
    let code: String =
        all.values().map(|it: &Source| it.code.as_str()).collect::<Vec<_>>().join("\n");
    let quoted = map.split('`').skip(1).step_by(2).filter(|it| !it.contains('\n'));
    for name in quoted {
        let is_path = name.contains('/') && !name.contains([' ', '{', '<', '*']);
        if is_path && Path::new(name).extension().is_some() {
            let is_there =
                [name.to_owned(), format!("src/{name}")].iter().any(|it| Path::new(it).exists());
            assert!(is_there, "{MAP} names `{name}`, which is not there");
        }
        let is_item = name.chars().next().is_some_and(char::is_uppercase)
            && name.chars().all(char::is_alphanumeric);
        if is_item && name.chars().any(char::is_lowercase) {
            assert!(code.contains(name), "{MAP} names `{name}`, which is not there");
        }
    }
}

/// Invariant 1.
#[test]
fn rules_and_words_are_pure() {
    for source in sources().values().filter(|it| matches!(it.top(), "core" | "types")) {
        for word in IMPURE {
            let ends = |place: usize| {
                !source.code[place + word.len()..].starts_with(char::is_alphanumeric)
            };
            let is_used = source
                .code
                .match_indices(word)
                .any(|(place, _)| !word.ends_with(char::is_alphanumeric) || ends(place));
            assert!(!is_used, "{}: `{word}`", source.path.display());
        }
    }
}

/// Invariant "every task has a name and an end".
#[test]
fn tasks_are_started_in_one_place() {
    for source in sources().values().filter(|it| it.top() != "tasks") {
        for word in ["tokio::spawn(", "task::spawn(", "spawn_local("] {
            assert!(!source.code.contains(word), "{}: `{word}`", source.path.display());
        }
    }
}

/// Invariant 3: the examples it gives are those of the table.
#[test]
fn crates_are_where_the_map_says() {
    let map = map();
    let invariants = section(&map, "Invariants");
    for (name, owners) in [("socketioxide", "socket"), ("SQLite", "store")] {
        assert!(invariants.contains(name) && invariants.contains(owners), "{name}");
    }
    assert!(OWNERS.iter().any(|(name, owners)| *name == "socketioxide" && *owners == ["socket"]));
    assert!(OWNERS.iter().any(|(name, owners)| *name == "rusqlite" && *owners == ["store"]));
}
