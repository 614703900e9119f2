//! One word, one meaning: a type's name stands for one thing in the whole program.

use super::floor_of;
use super::source::sources;
use std::collections::{BTreeMap, BTreeSet};

/// Names that may stand on several floors, each with its reason.
const SHARED: &[(&str, &str)] = &[];

#[test]
fn a_type_name_stands_for_one_thing() {
    let mut places: BTreeMap<String, BTreeSet<(usize, String)>> = BTreeMap::new();
    for source in sources().values() {
        let Some(floor) = floor_of(source.top()) else { continue };
        for name in source.code.lines().filter_map(declared) {
            let place = (floor, source.path.display().to_string());
            places.entry(name.to_owned()).or_default().insert(place);
        }
    }
    assert!(300 < places.len(), "the check itself is broken");

    let floors = |places: &BTreeSet<(usize, String)>| {
        places.iter().map(|(floor, _)| floor).collect::<BTreeSet<_>>().len()
    };
    let is_shared = |name: &str| SHARED.iter().any(|(it, _)| *it == name);
    let doubled: Vec<String> = places
        .iter()
        .filter(|(name, places)| 1 < floors(places) && !is_shared(name))
        .map(|(name, places)| {
            let files = places.iter().map(|(_, file)| file.as_str()).collect::<Vec<_>>();
            format!("{name}: {}", files.join(", "))
        })
        .collect();
    assert!(doubled.is_empty(), "give each thing a name of its own:\n{}", doubled.join("\n"));
    for (name, reason) in SHARED {
        assert!(!reason.is_empty(), "{name}: no reason");
        assert!(
            places.get(*name).is_some_and(|it| 1 < floors(it)),
            "{name} is not shared any more"
        );
    }
}

/// The type that a line at the margin declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        let rest = rest.strip_prefix('(').and_then(|it| it.split_once(')')).map_or(rest, |it| it.1);
        rest.trim_start()
    });
    let name =
        ["struct ", "enum ", "trait ", "type "].iter().find_map(|it| line.strip_prefix(it))?;
    name.split(|c: char| !c.is_alphanumeric()).next()
}
