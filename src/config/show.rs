//! The effective configuration as TOML: secrets hidden, and beside each line where its value comes from.

use super::reader::ShownSetting;
use std::fmt::Write as _;

/// Renders the lines in the order they were read; a line's table is what stands before its last dot.
pub(super) fn render(lines: &[ShownSetting]) -> String {
    let mut text = String::new();
    let mut last_table = None;
    for line in lines {
        let (table, name) = line.key.rsplit_once('.').unwrap_or(("", &line.key));
        if last_table != Some(table) {
            let gap = if text.is_empty() { "" } else { "\n" };
            let header = match table.split_once('[') {
                Some((list, _)) => format!("[[{list}]]"),
                None => format!("[{table}]"),
            };
            let _ = writeln!(text, "{gap}{header}");
            last_table = Some(table);
        }
        let _ = writeln!(text, "{name} = {}  # {}", line.value, line.origin);
    }
    text
}
