//! Names in commands: lists of them, each once, and users that may be written as integers.

use super::error::{CommandCode, CommandError};
use super::number::{integer, no_integer};
use crate::types::{DeviceId, ItemId, Namespace, Room, SocketId, UserId};
use indexmap::IndexSet;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use std::fmt::{self, Display};
use std::hash::Hash;
use std::marker::PhantomData;

/// Names in one list.
pub const NAMES_MAX: usize = 1000;

/// Something that is called by a text.
pub trait Name: Sized + Eq + Hash {
    /// Whether an integer is a name as well, in its decimal digits: identities come from databases.
    const MAY_BE_INTEGER: bool = false;

    /// Reads a text; the error says why it is no name.
    fn from_text(text: &str) -> Result<Self, impl Display>;
}

impl Name for UserId {
    const MAY_BE_INTEGER: bool = true;

    fn from_text(text: &str) -> Result<Self, impl Display> {
        Self::parse(text)
    }
}

impl Name for Room {
    fn from_text(text: &str) -> Result<Self, impl Display> {
        Self::parse(text)
    }
}

/// A room that sockets can be put into.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct GrantableRoom(pub Room);

impl Name for GrantableRoom {
    fn from_text(text: &str) -> Result<Self, impl Display> {
        Room::parse_grantable(text).map(Self)
    }
}

impl Name for DeviceId {
    fn from_text(text: &str) -> Result<Self, impl Display> {
        Self::parse(text)
    }
}

impl Name for ItemId {
    fn from_text(text: &str) -> Result<Self, impl Display> {
        Self::parse(text)
    }
}

impl Name for SocketId {
    fn from_text(text: &str) -> Result<Self, impl Display> {
        text.parse::<Self>()
    }
}

/// A socket to leave out: an id that is none means nobody.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct MaybeSocket(pub Option<SocketId>);

impl Name for MaybeSocket {
    fn from_text(text: &str) -> Result<Self, impl Display> {
        Ok::<_, &str>(Self(text.parse().ok()))
    }
}

/// A list of names, each once, in the order in which they were given first.
#[derive(Debug)]
pub struct NameList<T>(pub Vec<T>);

impl<T> Default for NameList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Name> Deserialize<'de> for NameList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Name> Visitor<'de> for ListVisitor<T> {
    type Value = NameList<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let (mut names, mut given) = (Vec::new(), 0);
        while let Some(Named(name)) = list.next_element()? {
            given += 1;
            if given <= NAMES_MAX {
                names.push(name);
            }
        }
        if NAMES_MAX < given {
            return Err(A::Error::custom(format_args!("at most {NAMES_MAX}, not {given}")));
        }
        // Nearly always there is one.
        Ok(NameList(if names.len() < 2 {
            names
        } else {
            names.into_iter().collect::<IndexSet<T>>().into_iter().collect()
        }))
    }
}

/// One name.
struct Named<T>(T);

impl<'de, T: Name> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if T::MAY_BE_INTEGER {
            deserializer.deserialize_any(NameVisitor(PhantomData))
        } else {
            deserializer.deserialize_str(NameVisitor(PhantomData))
        }
    }
}

struct NameVisitor<T>(PhantomData<T>);

impl<T: Name> NameVisitor<T> {
    fn digits<E: Error>(number: impl Display) -> Result<Named<T>, E> {
        T::from_text(&number.to_string()).map(Named).map_err(E::custom)
    }
}

impl<T: Name> Visitor<'_> for NameVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if T::MAY_BE_INTEGER {
            "a string, or an integer of at most 64 bits"
        } else {
            "a string"
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::from_text(text).map(Named).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Self::digits(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Self::digits(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        match integer(number) {
            Some(number) if T::MAY_BE_INTEGER => Self::digits(number),
            None if T::MAY_BE_INTEGER => Err(no_integer(number, &self)),
            Some(_) | None => Err(E::invalid_type(Unexpected::Float(number), &self)),
        }
    }
}

/// Reads the name of a namespace that must be one of `known`.
pub fn namespace(
    field: &'static str,
    text: &str,
    known: &[Namespace],
) -> Result<Namespace, CommandError> {
    let namespace = Namespace::parse(text).map_err(|why| CommandError::field(field, why))?;
    if known.contains(&namespace) {
        return Ok(namespace);
    }
    let why = format_args!("no namespace `{namespace}`; see `socketio.namespaces`").to_string();
    Err(CommandError::field(field, why).with_code(CommandCode::NotFound))
}
