//! The files of `src` as text, and what can be read off them without a compiler.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of `src`, without its inline tests; files that hold only tests are no sources.
pub(super) struct Source {
    /// `src/store/inbox.rs`.
    pub(super) path: PathBuf,
    /// `["store", "inbox"]`; empty for `lib.rs` and `main.rs`.
    pub(super) module: Vec<String>,
    /// The text without comments.
    pub(super) code: String,
}

impl Source {
    /// The module at the top of the tree: what a floor is made of.
    pub(super) fn top(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// The paths in the code that begin with `crate`, `super`, `self` or a child module, as whole module paths: where
    /// something is taken from several modules at once, one path each.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        let mut read_to = 0;
        for (place, _) in self.code.match_indices("::") {
            let before = &self.code[..place];
            let first = before.rfind(|c: char| !is_word(c)).map_or(0, |it| it + 1);
            if first < read_to || first == place || before[..first].ends_with('\'') {
                continue;
            }
            let mut found = Vec::new();
            read_to = first + expand(&[], &self.code[first..], &mut found);
            paths.extend(found.iter().filter_map(|path| self.absolute(path)));
        }
        paths
    }

    /// A path as it is written in this file, from the root of the crate; `None` if it belongs to another crate.
    fn absolute(&self, written: &[String]) -> Option<Vec<String>> {
        let (first, rest) = written.split_first()?;
        let mut module = match first.as_str() {
            "crate" => Vec::new(),
            "super" => self.module[..self.module.len().checked_sub(1)?].to_vec(),
            "self" => self.module.clone(),
            child => [&self.module[..], &[child.to_owned()]].concat(),
        };
        module.extend(rest.iter().cloned());
        Some(module)
    }
}

/// All sources, by module.
pub(super) fn sources() -> BTreeMap<Vec<String>, Source> {
    let mut all = BTreeMap::new();
    for path in super::rust_files("src") {
        let text = fs::read_to_string(&path).unwrap();
        let code = without_comments(super::without_tests(&path, &text));
        let module = module_of(&path);
        if !code.trim().is_empty() {
            all.insert(module.clone(), Source { path, module, code });
        }
    }
    all
}

fn module_of(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix("src").unwrap().with_extension("");
    let names = inside.iter().map(|it| it.to_string_lossy().into_owned());
    names.filter(|name| name != "lib" && name != "main").collect()
}

/// Good enough for this tree: `//` inside a text is cut off too, which loses no path of a module.
fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Reads a path with its braces, `a::{b, c::d}` as `a::b` and `a::c::d`, and says how long it is.
fn expand(so_far: &[String], text: &str, found: &mut Vec<Vec<String>>) -> usize {
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let path = [so_far, &[text[..end].to_owned()]].concat();
    let next = text[end..].strip_prefix("::").unwrap_or_default();
    if next.starts_with(is_word) {
        return end + 2 + expand(&path, next, found);
    }
    if !next.starts_with('{') {
        found.push(path);
        return end;
    }
    let mut place = end + 3;
    loop {
        place += text[place..].len() - text[place..].trim_start().len();
        match text[place..].chars().next() {
            None => return place,
            Some('}') => return place + 1,
            Some(c) if is_word(c) => place += expand(&path, &text[place..], found).max(1),
            Some(c) => place += c.len_utf8(),
        }
    }
}

#[test]
fn paths_are_read_with_their_braces() {
    let source = Source {
        path: PathBuf::new(),
        module: vec!["a".to_owned(), "b".to_owned()],
        code: "use crate::x::{Y, z::{self, W}};\nuse super::c::D;\nchild::f();\n".to_owned(),
    };

    let paths: Vec<String> = source.paths().iter().map(|path| path.join("::")).collect();

    assert_eq!(paths, ["x::Y", "x::z::self", "x::z::W", "a::c::D", "a::b::child::f"]);
}
