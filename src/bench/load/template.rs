//! Texts with places for what differs from socket to socket and from event to event.

use std::fmt;

/// A text with places `{n}`, `{user}`, `{token}`, `{seq}` and `{payload}`; other braces are text.
#[derive(Clone)]
pub(crate) struct Template {
    pieces: Vec<TemplatePiece>,
}

/// What stands in the places.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TemplateValues<'a> {
    /// Number of the socket or user, from 0.
    pub(crate) n: usize,
    /// Name of the user.
    pub(crate) user: &'a str,
    /// A token of this user.
    pub(crate) token: &'a str,
    /// Number of the event within its stream, from 0.
    pub(crate) seq: u32,
    /// The generated data, of characters that need no escaping in JSON.
    pub(crate) payload: &'a [u8],
}

#[derive(Clone)]
enum TemplatePiece {
    Text(Box<str>),
    Place(TemplateField),
}

#[derive(Debug, Clone, Copy)]
enum TemplateField {
    Number,
    User,
    Token,
    Seq,
    Payload,
}

const FIELDS: [(&str, TemplateField); 5] = [
    ("{n}", TemplateField::Number),
    ("{user}", TemplateField::User),
    ("{token}", TemplateField::Token),
    ("{seq}", TemplateField::Seq),
    ("{payload}", TemplateField::Payload),
];

impl From<String> for Template {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&str> for Template {
    fn from(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((text, field, after)) = split_at_field(rest) {
            pieces.push(TemplatePiece::Text(text.into()));
            pieces.push(TemplatePiece::Place(field));
            rest = after;
        }
        pieces.push(TemplatePiece::Text(rest.into()));
        Self { pieces }
    }
}

/// The text before the first place, what the place is for, and what follows it.
fn split_at_field(text: &str) -> Option<(&str, TemplateField, &str)> {
    let found = FIELDS.iter().filter_map(|(name, field)| {
        text.split_once(name).map(|(before, after)| (before, *field, after))
    });
    found.min_by_key(|(before, _, _)| before.len())
}

impl Template {
    /// Appends the text with these values in its places.
    pub(crate) fn render(&self, values: TemplateValues<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                TemplatePiece::Text(text) => out.extend_from_slice(text.as_bytes()),
                TemplatePiece::Place(TemplateField::Number) => {
                    out.extend_from_slice(values.n.to_string().as_bytes());
                }
                TemplatePiece::Place(TemplateField::User) => {
                    out.extend_from_slice(values.user.as_bytes());
                }
                TemplatePiece::Place(TemplateField::Token) => {
                    out.extend_from_slice(values.token.as_bytes());
                }
                TemplatePiece::Place(TemplateField::Seq) => {
                    out.extend_from_slice(values.seq.to_string().as_bytes());
                }
                TemplatePiece::Place(TemplateField::Payload) => {
                    out.extend_from_slice(values.payload);
                }
            }
        }
    }

    /// The text with these values, as text.
    pub(crate) fn text(&self, values: TemplateValues<'_>) -> String {
        let mut out = Vec::new();
        self.render(values, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// A template may hold a secret.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[template]")
    }
}
