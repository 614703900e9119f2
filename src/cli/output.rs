//! What commands print.

use super::exit::CommandFailure;
use serde_json::Value;
use std::io::{self, Write as _};

/// Prints a text and a line end.
pub(super) fn line(text: &str) -> Result<(), CommandFailure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(CommandFailure::Output)
}

/// Prints a text and a line end on stderr: about the output, not part of it.
pub(super) fn note(text: &str) {
    // A program whose stderr is closed still does what it was asked for.
    writeln!(io::stderr(), "{text}").ok();
}

/// Columns under their heads, as wide as they must be; at most so many rows as were asked for.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize, head: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or_default().max(head.chars().count())
    };
    let widths: Vec<usize> =
        heads.iter().enumerate().map(|(column, head)| width(column, head)).collect();
    let render = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let head = render(heads.to_vec());
    let rows = rows.iter().map(|row| render(row.iter().map(String::as_str).collect()));
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}

/// A field for people: texts without quotes, `-` for what is not there. What could command a terminal is replaced.
pub(super) fn field(value: &Value, name: &str) -> String {
    plain(&raw_field(value, name))
}

/// A text of somebody else as it may be printed: one line, and no control characters.
pub(super) fn plain(text: &str) -> String {
    let is_harmful = |c: char| {
        // Also those that turn the direction of what stands around them.
        c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

fn raw_field(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items = items.iter().map(|item| item.as_str().map_or(item.to_string(), Into::into));
            items.collect::<Vec<String>>().join(",")
        }
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => other.to_string(),
    }
}

/// Several fields, for one row of a table.
pub(super) fn row(value: &Value, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| field(value, name)).collect()
}

/// Says below a list that it goes on.
pub(super) fn more(is_cut: bool) -> Result<(), CommandFailure> {
    if is_cut { line("… there are more: --limit") } else { Ok(()) }
}
