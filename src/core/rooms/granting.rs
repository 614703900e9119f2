//! Rooms that credentials grant: those that they list, and those that templates name after what they claim.

use crate::types::{ClaimFlaw, GrantError, Room, RoomTemplate};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use thiserror::Error;

/// What credentials grant besides the rooms that they list.
#[derive(Debug, Clone, Default)]
pub struct GrantRules {
    /// Rooms that every socket is in whose credentials have the claims.
    auto: Vec<RoomTemplate>,
    /// The outermost claims that are looked at, each once.
    claims: BTreeSet<Box<str>>,
}

/// Why rooms cannot be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GrantFlaw {
    /// Nobody can be put into a room of such a name.
    #[error(transparent)]
    Name(#[from] GrantError),
    /// A claim makes no name.
    #[error(transparent)]
    Claim(#[from] ClaimFlaw),
}

impl GrantRules {
    /// No configuration allows more rooms, so no more are made of claims.
    pub const ROOMS_MAX: usize = 10_000;

    /// Rooms are named after `auto`.
    pub fn new(auto: Vec<RoomTemplate>) -> Self {
        let claims = auto.iter().flat_map(RoomTemplate::claims).map(Into::into).collect();
        Self { auto, claims }
    }

    /// The outermost claims that [`GrantRules::rooms`] looks at.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|it| &**it)
    }

    /// The rooms of credentials that list `names` and claim `claims`, each once, those that are listed first.
    pub fn rooms(&self, names: &[String], claims: &Value) -> Result<Arc<[Room]>, GrantFlaw> {
        let mut granted = Granted::default();
        for name in names {
            granted.add(name)?;
        }
        let mut left = Self::ROOMS_MAX;
        for template in &self.auto {
            let names = template.expand(claims, left)?;
            left -= names.len();
            for name in names {
                granted.add(&name)?;
            }
        }
        Ok(granted.rooms.into())
    }
}

/// Rooms, each once.
#[derive(Default)]
struct Granted {
    rooms: Vec<Room>,
    seen: BTreeSet<Room>,
}

impl Granted {
    fn add(&mut self, name: &str) -> Result<(), GrantError> {
        let room = Room::parse_grantable(name)?;
        if self.seen.insert(room.clone()) {
            self.rooms.push(room);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{GrantFlaw, GrantRules};
    use crate::types::{ClaimFlaw, GrantError, Room, RoomTemplate};
    use serde_json::{Value, json};

    fn rooms(templates: &[&str], listed: &[&str], claims: &Value) -> Result<String, GrantFlaw> {
        let rules = templates.iter().map(|it| RoomTemplate::parse(it).unwrap()).collect();
        let listed: Vec<String> = listed.iter().map(|it| (*it).to_owned()).collect();
        let rooms = GrantRules::new(rules).rooms(&listed, claims)?;
        Ok(rooms.iter().map(Room::as_str).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_is_listed_and_what_claims_name_is_granted_once() {
        let claims = json!({"org": "acme", "m": [{"role": "a"}, {"role": "a"}, {"role": "b"}]});
        let templates = ["org:{org}", "org:{org}:role:{m[].role}", "all"];

        assert_eq!(
            rooms(&templates, &["x", "org:acme", "x"], &claims).unwrap(),
            "x org:acme org:acme:role:a org:acme:role:b all"
        );
        assert_eq!(rooms(&templates, &[], &json!({})).unwrap(), "all");
        assert_eq!(rooms(&[], &["x"], &claims).unwrap(), "x");
    }

    #[test]
    fn nothing_is_granted_that_is_somebodys_own_however_it_comes_about() {
        let claims = |org: &str| json!({"org": org});
        let of_socket = "sock_AAAAAAAAAAAAAAAAAAAA";

        assert_eq!(rooms(&[], &["user:bob"], &json!({})), Err(GrantError::OfUser.into()));
        assert_eq!(rooms(&["{org}"], &[], &claims(of_socket)), Err(GrantError::OfSocket.into()));
        assert_eq!(rooms(&["{org}:{org}"], &[], &claims("user")), Err(GrantError::OfUser.into()));
        let long = claims(&"x".repeat(257));
        assert!(matches!(rooms(&["{org}"], &[], &long), Err(GrantFlaw::Name(GrantError::Name(_)))));
        assert_eq!(rooms(&["o:{org}"], &[], &claims("a:b")), Err(ClaimFlaw::Value.into()));
    }

    #[test]
    fn no_more_rooms_are_made_of_claims_than_any_configuration_allows() {
        let claims = json!({"m": vec![1; GrantRules::ROOMS_MAX / 2]});

        assert_eq!(rooms(&["a:{m[]}", "b:{m[]}"], &[], &claims).unwrap(), "a:1 b:1");
        let third = rooms(&["a:{m[]}", "b:{m[]}", "c:{m[]}"], &[], &claims);
        assert_eq!(third, Err(ClaimFlaw::TooMany.into()));
    }
}
