//! How the fields of a line look: one field cannot look like two, whoever wrote its value.

use std::borrow::Cow;
use std::fmt;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes the message as it is, but on one line, and fields as `name=value`, with quotes around a value that holds
/// anything from which a line could be forged.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineFields;

impl<'writer> FormatFields<'writer> for LineFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = FieldWriter { writer, written: Ok(()), is_first: true };
        fields.record(&mut visitor);
        visitor.written
    }
}

struct FieldWriter<'writer> {
    writer: Writer<'writer>,
    /// Stays at the first error.
    written: fmt::Result,
    is_first: bool,
}

impl FieldWriter<'_> {
    fn write(&mut self, field: &Field, text: &str) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        match field.name() {
            "message" => self.writer.write_str(&one_line(text)),
            // In italics and dimmed, as everywhere.
            name if self.writer.has_ansi_escapes() => {
                write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{}", quoted(text))
            }
            name => write!(self.writer, "{name}={}", quoted(text)),
        }
    }
}

impl Visit for FieldWriter<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.written.is_ok() {
            self.written = self.write(field, &format!("{value:?}"));
        }
    }
}

/// Whether a character only shows itself: no line end, nothing that commands a terminal or turns what stands around it.
fn is_harmless(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1
}

/// The text with escapes for what is not harmless.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let escape =
        |c: char| -> String { if is_harmless(c) { c.into() } else { c.escape_debug().collect() } };
    Cow::Owned(text.chars().map(escape).collect())
}

/// The text as it is if nobody can take it for anything but one value; else in quotes.
fn quoted(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(is_plain) || is_quoted(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{text:?}"))
}

/// Whether it is one text in quotes already, as `Debug` writes it.
fn is_quoted(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.is_some_and(|inner| {
        let mut is_escaped = false;
        let is_inside = inner.chars().all(|c| {
            let ends = (c == '"' && !is_escaped) || !is_harmless(c);
            is_escaped = c == '\\' && !is_escaped;
            !ends
        });
        is_inside && !is_escaped
    })
}

#[cfg(test)]
mod tests {
    use super::{one_line, quoted};
    use proptest::prelude::*;

    #[test]
    fn a_value_is_quoted_unless_it_is_plain() {
        let table = [
            ("127.0.0.1:4000", "127.0.0.1:4000"),
            ("https://app.example.com", "https://app.example.com"),
            ("a b", r#""a b""#),
            ("", r#""""#),
            ("x=1", r#""x=1""#),
            ("ann level=ERROR msg=\"gone\"", r#""ann level=ERROR msg=\"gone\"""#),
            (r#""x" level=ERROR msg="gone""#, r#""\"x\" level=ERROR msg=\"gone\"""#),
            (r#""as Debug writes it""#, r#""as Debug writes it""#),
            (r#""a \" b""#, r#""a \" b""#),
            (r#""a \\" b""#, r#""\"a \\\\\" b\"""#),
            (r#"""#, r#""\"""#),
            ("a\nERROR b", r#""a\nERROR b""#),
            ("\"a\nERROR b\"", r#""\"a\nERROR b\"""#),
            ("\u{1b}[2J\u{202e}", r#""\u{1b}[2J\u{202e}""#),
            ("jürgen", "\"jürgen\""),
        ];
        for (text, expected) in table {
            assert_eq!(quoted(text), expected, "{text}");
        }
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(one_line("it's \"üb\""), "it's \"üb\"");
        assert_eq!(one_line("a\nb\u{1b}[2J"), r"a\nb\u{1b}[2J");
    }

    proptest! {
        /// Read from the left: a plain word ends at a space, a quoted one at the first quote without a backslash.
        #[test]
        fn a_value_reaches_to_its_end(text in any::<String>()) {
            let shown = quoted(&text).into_owned();
            prop_assert!(!shown.chars().any(char::is_control), "{shown}");
            let Some(inner) = shown.strip_prefix('"') else {
                prop_assert!(!shown.contains([' ', '=', '"']), "{shown}");
                return Ok(());
            };
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => drop(chars.next()),
                    '"' => break,
                    _ => {}
                }
            }
            prop_assert_eq!(chars.as_str(), "", "something stands behind {}", shown);
        }
    }
}
