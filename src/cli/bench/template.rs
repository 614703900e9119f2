//! Texts with places for what differs from socket to socket and from event to event.

use std::fmt;

/// A text with places `{n}`, `{user}`, `{token}`, `{seq}` and `{payload}`; other braces are text.
#[derive(Clone)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

/// What stands in the places.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Values<'a> {
    /// Number of the socket or user, from 0.
    pub(super) n: usize,
    /// Name of the user.
    pub(super) user: &'a str,
    /// A token that says so.
    pub(super) token: &'a str,
    /// Number of the event within its stream, from 0.
    pub(super) seq: u32,
    /// The generated data, of characters that need no escaping in JSON.
    pub(super) payload: &'a [u8],
}

#[derive(Clone)]
enum Piece {
    Text(Box<str>),
    Field(Field),
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Number,
    User,
    Token,
    Seq,
    Payload,
}

const FIELDS: [(&str, Field); 5] = [
    ("{n}", Field::Number),
    ("{user}", Field::User),
    ("{token}", Field::Token),
    ("{seq}", Field::Seq),
    ("{payload}", Field::Payload),
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
            pieces.push(Piece::Text(text.into()));
            pieces.push(Piece::Field(field));
            rest = after;
        }
        pieces.push(Piece::Text(rest.into()));
        Self { pieces }
    }
}

/// The text before the first place, what the place is for, and what follows it.
fn split_at_field(text: &str) -> Option<(&str, Field, &str)> {
    let found = FIELDS.iter().filter_map(|(name, field)| {
        text.split_once(name).map(|(before, after)| (before, *field, after))
    });
    found.min_by_key(|(before, _, _)| before.len())
}

impl Template {
    /// Appends the text with these values in its places.
    pub(super) fn render(&self, values: Values<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Field(Field::Number) => {
                    out.extend_from_slice(values.n.to_string().as_bytes());
                }
                Piece::Field(Field::User) => out.extend_from_slice(values.user.as_bytes()),
                Piece::Field(Field::Token) => out.extend_from_slice(values.token.as_bytes()),
                Piece::Field(Field::Seq) => {
                    out.extend_from_slice(values.seq.to_string().as_bytes());
                }
                Piece::Field(Field::Payload) => out.extend_from_slice(values.payload),
            }
        }
    }

    /// The text with these values, as text.
    pub(super) fn text(&self, values: Values<'_>) -> String {
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
