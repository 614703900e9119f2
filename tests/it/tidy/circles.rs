//! Arrows between files point one way, inside folders too. A file and the files in the folder of its name are one thing
//! in several files, so arrows between these are not looked at.

use super::source::{Source, sources};
use std::collections::{BTreeMap, BTreeSet};

type Module = Vec<String>;

#[test]
fn no_files_use_each_other_in_a_circle() {
    let sources = sources();
    let handed_on = re_exports(&sources);
    let mut arrows: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (module, source) in &sources {
        for path in source.paths() {
            let Some(used) = file_of(&sources, &handed_on, &path) else { continue };
            if !is_part(module, used) && !is_part(used, module) {
                arrows.entry(module).or_default().insert(used);
            }
        }
    }
    assert!(200 < arrows.values().map(BTreeSet::len).sum::<usize>(), "the check itself is broken");

    let circles: Vec<String> = arrows.keys().filter_map(|start| circle(&arrows, start)).collect();

    assert!(circles.is_empty(), "files that use each other:\n{}", circles.join("\n"));
}

/// Whether `inner` is `outer` or lies in its folder.
fn is_part(outer: &Module, inner: &Module) -> bool {
    inner.starts_with(outer)
}

/// The names that a module hands on, and where each comes from.
fn re_exports(sources: &BTreeMap<Module, Source>) -> BTreeMap<Module, Module> {
    let mut handed_on = BTreeMap::new();
    for (module, source) in sources {
        let uses = source.code.split(';').filter(|it| it.contains("pub") && it.contains(" use "));
        for statement in uses {
            let code = statement[statement.find(" use ").unwrap_or_default()..].to_owned();
            let one = Source { path: source.path.clone(), module: module.clone(), code };
            for path in one.paths() {
                let name = path.last().cloned().unwrap_or_default();
                handed_on.insert([&module[..], &[name]].concat(), path);
            }
        }
    }
    handed_on
}

/// The file in which the last name of `path` stands, as far as that can be seen.
fn file_of<'a>(
    sources: &'a BTreeMap<Module, Source>,
    handed_on: &BTreeMap<Module, Module>,
    path: &Module,
) -> Option<&'a Module> {
    let mut path = path.clone();
    for _ in 0..8 {
        let next = (1..=path.len()).find_map(|len| Some((len, handed_on.get(&path[..len])?)));
        let Some((len, from)) = next.filter(|(len, from)| path[..*len] != from[..]) else { break };
        path = [&from[..], &path[len..]].concat();
    }
    let len = (1..=path.len()).rev().find(|len| sources.contains_key(&path[..*len]))?;
    sources.get_key_value(&path[..len]).map(|(module, _)| module)
}

/// The shortest way from `start` back to itself.
fn circle(arrows: &BTreeMap<&Module, BTreeSet<&Module>>, start: &Module) -> Option<String> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in arrows.get(way.last()?).into_iter().flatten() {
                if *next == start {
                    let names = way.iter().map(|it| it.join("::"));
                    return Some(names.collect::<Vec<_>>().join(" → "));
                }
                if seen.insert(*next) {
                    longer.push([&way[..], &[next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}
