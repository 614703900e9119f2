//! The tables as docs/bad-input.md has them.

use super::Group;
use std::fs;

/// One heading with its table.
pub(super) fn section(group: &Group) -> String {
    let rows = group.rows.iter().map(|row| format!("| {} | {} |\n", row.input, row.gets));
    let rows = rows.collect::<Vec<_>>().concat();
    format!("## {}\n| Input | What it gets |\n|---|---|\n{rows}", group.title)
}

/// Every heading and table of the page, without what stands between them.
pub(super) fn tables() -> String {
    let page = fs::read_to_string("docs/bad-input.md").unwrap();
    let is_ours = |line: &&str| line.starts_with("## ") || line.starts_with('|');
    page.split_inclusive('\n').filter(is_ours).collect()
}
