//! Names of rooms with places for claims in them.

use super::text::{self, TextError};
use super::{ClaimPath, GrantError, Room};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// The name of a room with claims in braces: `org:{org}`, `org:{m[].org}:role:{m[].role}`.
///
/// A claim is a [`ClaimPath`]. With `[]` behind it, it is an array, and what stands behind that is looked up in each item:
/// nothing means the item itself, `.role` the value of this name, `/role/id` that at this JSON Pointer. All claims with `[]` of one
/// template belong to the same array and are taken from the same item: one item, at most one room.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomTemplate {
    parts: Vec<Part>,
    /// The array whose items are meant, if there is one.
    list: Option<ClaimPath>,
    /// As it was written.
    text: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Claim(ClaimPath),
    /// The item of the array, or a value in it.
    OfItem(Option<ClaimPath>),
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// Empty, too long, or with control characters.
    #[error("{0}")]
    Text(#[from] TextError),
    /// A brace without its other.
    #[error("must have `{{` and `}}` around claims only")]
    Brace,
    /// What stands in braces names no claim.
    #[error(
        "must have the name of a claim in braces, a JSON Pointer such as {{/org/id}}, or of an array {{m[]}}, {{m[].org}}"
    )]
    Claim,
    /// Which items of two arrays belong together nobody knows.
    #[error("must not have claims of two arrays: which of their items belong together is unknown")]
    TwoLists,
    /// It is for all rooms that begin so.
    #[error("must not have a `*`: it names rooms, not patterns of rooms")]
    Star,
    /// Nobody can be put into such a room.
    #[error("{0}")]
    Own(#[from] GrantError),
}

/// Why claims cannot be put into a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClaimFlaw {
    /// A value is of another type, or could be taken for more than one part of a name.
    #[error(
        "a claim that rooms are named after must be a text or an integer of at most 64 bits, not empty and without `:`, `*` \
         and control characters"
    )]
    Value,
    /// A name would be longer than that of any room.
    #[error(
        "a room that is named after a claim would have a name of more than {} bytes",
        Room::BYTES_MAX
    )]
    TooLong,
    /// An array has too many items.
    #[error("too many rooms are named after claims")]
    TooMany,
}

impl RoomTemplate {
    /// Longest template, in bytes.
    pub const BYTES_MAX: usize = 512;

    /// Reads a template. One without claims is the name of a room.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        text::check(text, Self::BYTES_MAX)?;
        if text.contains('*') {
            return Err(TemplateError::Star);
        }
        if text.starts_with(Room::USER_PREFIX) {
            return Err(GrantError::OfUser.into());
        }
        let mut template = Self { parts: Vec::new(), list: None, text: text.into() };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (claim, after) = after.split_once('}').ok_or(TemplateError::Brace)?;
            template.add_text(before)?;
            template.add_claim(claim)?;
            rest = after;
        }
        template.add_text(rest)?;
        if let [Part::Text(name)] = &*template.parts {
            Room::parse_grantable(name)?;
        }
        Ok(template)
    }

    fn add_text(&mut self, text: &str) -> Result<(), TemplateError> {
        if text.contains('}') {
            return Err(TemplateError::Brace);
        }
        if !text.is_empty() {
            self.parts.push(Part::Text(text.into()));
        }
        Ok(())
    }

    fn add_claim(&mut self, claim: &str) -> Result<(), TemplateError> {
        let path = |text: &str| ClaimPath::parse(text).ok_or(TemplateError::Claim);
        let Some((list, inner)) = claim.split_once("[]") else {
            self.parts.push(Part::Claim(path(claim)?));
            return Ok(());
        };
        let list = path(list)?;
        if self.list.as_ref().is_some_and(|it| *it != list) {
            return Err(TemplateError::TwoLists);
        }
        self.list = Some(list);
        let inner = match inner.strip_prefix('.') {
            _ if inner.contains("[]") => return Err(TemplateError::Claim),
            Some("") => return Err(TemplateError::Claim),
            Some(name) => Some(ClaimPath::name(name)),
            None if inner.is_empty() => None,
            None if inner.starts_with('/') => Some(path(inner)?),
            None => return Err(TemplateError::Claim),
        };
        self.parts.push(Part::OfItem(inner));
        Ok(())
    }

    /// The outermost claims that are looked at.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        let of_parts = self.parts.iter().filter_map(|part| match part {
            Part::Claim(path) => Some(path),
            Part::Text(_) | Part::OfItem(_) => None,
        });
        of_parts.chain(&self.list).filter_map(|it| it.keys().first()).map(String::as_str)
    }

    /// The names that these claims make of it, in the order of the items of the array, at most `max`. A claim that is missing,
    /// or `null`, makes none; in an item, none of this item.
    pub fn expand(&self, claims: &Value, max: usize) -> Result<Vec<String>, ClaimFlaw> {
        let mut same: Vec<Option<Cow<'_, str>>> = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            same.push(match part {
                Part::Text(text) => Some(Cow::Borrowed(text)),
                Part::Claim(path) => path.find(claims).map(name).transpose()?,
                Part::OfItem(_) => None,
            });
        }
        let items = match &self.list {
            None => std::slice::from_ref(claims),
            Some(list) => match list.find(claims) {
                None => [].as_slice(),
                Some(Value::Array(items)) => items,
                Some(_) => return Err(ClaimFlaw::Value),
            },
        };
        if max < items.len() {
            return Err(ClaimFlaw::TooMany);
        }
        let mut names = Vec::new();
        for item in items {
            names.extend(self.with_item(&same, item)?);
        }
        Ok(names)
    }

    fn with_item(
        &self,
        same: &[Option<Cow<'_, str>>],
        item: &Value,
    ) -> Result<Option<String>, ClaimFlaw> {
        let mut whole = Some(String::new());
        for (part, same) in self.parts.iter().zip(same) {
            let own = match part {
                Part::OfItem(None) => Some(item).filter(|it| !it.is_null()),
                Part::OfItem(Some(path)) => path.find(item),
                Part::Text(_) | Part::Claim(_) => None,
            };
            let own = own.map(name).transpose()?;
            match (own.as_ref().or(same.as_ref()), &mut whole) {
                (Some(text), Some(whole)) => whole.push_str(text),
                (None, _) => whole = None,
                (Some(_), None) => {}
            }
        }
        Ok(whole)
    }
}

/// A value as a part of a name.
fn name(value: &Value) -> Result<Cow<'_, str>, ClaimFlaw> {
    let is_apart = |c: char| c == ':' || c == '*' || c.is_control();
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(is_apart) => {
            Ok(Cow::Borrowed(text))
        }
        Value::Number(number) if !number.is_f64() => Ok(Cow::Owned(number.to_string())),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => Err(ClaimFlaw::Value),
    }
}

impl fmt::Debug for RoomTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomTemplate({})", self.text)
    }
}

#[cfg(test)]
mod tests;
