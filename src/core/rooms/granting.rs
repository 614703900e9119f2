//! Rooms that credentials grant: those that they list, and those that templates name after what they claim; and which
//! rooms their client may join by itself.

use crate::types::{ClaimFlaw, GrantError, NamePattern, Room, RoomTemplate, TemplateError};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use thiserror::Error;

/// What credentials grant besides the rooms that they list.
#[derive(Debug, Clone, Default)]
pub struct GrantRules {
    /// Rooms that every socket is in whose credentials have the claims.
    auto: Vec<RoomTemplate>,
    /// Rooms that its client may join by itself.
    join: Vec<JoinRule>,
    /// Those about which the backend is asked first, whatever `join` says.
    asked: Vec<NamePattern>,
    /// The outermost claims that are looked at, each once.
    claims: BTreeSet<Box<str>>,
}

/// Rooms that a client may join by itself: one, or all whose names begin so, with claims in their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRule {
    /// None for `*`.
    template: Option<RoomTemplate>,
    is_beginning: bool,
}

/// What credentials grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantedRooms {
    /// Rooms that the socket is in, each once.
    pub rooms: Arc<[Room]>,
    /// Rooms that its client may join by itself, be it after a question to the backend.
    pub joinable: Arc<[NamePattern]>,
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

    /// Patterns of one socket: they are kept as long as it is here.
    pub const PATTERNS_MAX: usize = 256;

    /// Sockets are in the rooms of `auto`, and their clients may join those of `join`.
    pub fn new(auto: Vec<RoomTemplate>, join: Vec<JoinRule>) -> Self {
        let templates = auto.iter().chain(join.iter().filter_map(|it| it.template.as_ref()));
        let claims = templates.flat_map(RoomTemplate::claims).map(Into::into).collect();
        Self { auto, join, asked: Vec::new(), claims }
    }

    /// The backend is asked whether a client may join rooms of these names.
    #[must_use]
    pub fn asking(self, asked: Vec<NamePattern>) -> Self {
        Self { asked, ..self }
    }

    /// Whether clients may join any rooms.
    pub fn lets_join(&self) -> bool {
        !self.join.is_empty() || !self.asked.is_empty()
    }

    /// Names of rooms about which the backend is asked before a client joins.
    pub fn asked(&self) -> &[NamePattern] {
        &self.asked
    }

    /// The outermost claims that [`GrantRules::apply`] looks at.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|it| &**it)
    }

    /// What credentials grant that list `names` and claim `claims`; the rooms that are listed come first.
    pub fn apply(&self, names: &[String], claims: &Value) -> Result<GrantedRooms, GrantFlaw> {
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
        let mut joinable = Vec::new();
        for rule in &self.join {
            rule.expand(claims, &mut joinable)?;
        }
        joinable.extend(self.asked.iter().cloned());
        Ok(GrantedRooms { rooms: granted.rooms.into(), joinable: joinable.into() })
    }
}

impl JoinRule {
    /// Reads a rule: a template, perhaps with `*` behind it, or `*` for all rooms.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let beginning = text.strip_suffix('*');
        let template = match beginning.unwrap_or(text) {
            "" if beginning.is_some() => None,
            name => Some(RoomTemplate::parse(name)?),
        };
        Ok(Self { template, is_beginning: beginning.is_some() })
    }

    fn expand(&self, claims: &Value, patterns: &mut Vec<NamePattern>) -> Result<(), GrantFlaw> {
        let Some(template) = &self.template else {
            patterns.push(NamePattern::any());
            return Ok(());
        };
        let left = GrantRules::PATTERNS_MAX.saturating_sub(patterns.len());
        for mut name in template.expand(claims, left)? {
            if self.is_beginning {
                name.push('*');
            }
            // No claim has a `*`, so all that can be wrong is the length.
            patterns.push(NamePattern::parse(&name).map_err(|_| ClaimFlaw::TooLong)?);
        }
        Ok(())
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
    use super::{GrantFlaw, GrantRules, JoinRule};
    use crate::types::{ClaimFlaw, GrantError, NamePattern, Room, RoomTemplate, TemplateError};
    use serde_json::{Value, json};

    fn rooms(templates: &[&str], listed: &[&str], claims: &Value) -> Result<String, GrantFlaw> {
        let rules = templates.iter().map(|it| RoomTemplate::parse(it).unwrap()).collect();
        let listed: Vec<String> = listed.iter().map(|it| (*it).to_owned()).collect();
        let granted = GrantRules::new(rules, Vec::new()).apply(&listed, claims)?;
        Ok(granted.rooms.iter().map(Room::as_str).collect::<Vec<_>>().join(" "))
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
    fn a_client_may_join_what_rules_over_its_claims_name() {
        let may_join = |rules: &[&str], claims: &Value, room: &str| {
            let join = rules.iter().map(|it| JoinRule::parse(it).unwrap()).collect();
            let granted = GrantRules::new(Vec::new(), join).apply(&[], claims).unwrap();
            granted.joinable.iter().any(|it| it.matches(room))
        };
        let rules = ["org:{org}:*", "doc:{docs[].id}", "lobby", "news:*"];
        let claims = json!({"org": "acme", "docs": [{"id": 1}, {"id": 2}]});

        for room in ["org:acme:general", "doc:1", "doc:2", "lobby", "news:", "news:7"] {
            assert!(may_join(&rules, &claims, room), "{room}");
        }
        for room in ["org:acme", "org:umbrella:general", "doc:3", "doc:11", "lobby2", "org:*"] {
            assert!(!may_join(&rules, &claims, room), "{room}");
        }
        assert!(
            !may_join(&rules, &json!({}), "org::general"),
            "without the claim there is no rule"
        );
        assert!(may_join(&["*"], &json!({}), "anything"));
        assert!(!may_join(&[], &json!({}), "anything"));
    }

    #[test]
    fn what_was_joined_after_a_question_stays_with_newer_credentials() {
        let asked = vec![NamePattern::parse("doc:*").unwrap()];
        let rules = GrantRules::default().asking(asked);
        assert!(rules.lets_join());
        let granted = rules.apply(&[], &json!({})).unwrap();
        assert!(granted.joinable.iter().any(|it| it.matches("doc:7")));
        assert!(granted.rooms.is_empty());
    }

    #[test]
    fn a_rule_of_joining_is_a_template_and_perhaps_a_star() {
        for good in ["*", "a", "a*", "{a}*", "org:{org}:*"] {
            assert!(JoinRule::parse(good).is_ok(), "{good}");
        }
        for (wrong, why) in [
            ("**", TemplateError::Star),
            ("a*b", TemplateError::Star),
            ("{a*}", TemplateError::Star),
            ("user:*", TemplateError::Own(GrantError::OfUser)),
            ("{a[]}{b[]}*", TemplateError::TwoLists),
        ] {
            assert_eq!(JoinRule::parse(wrong), Err(why), "{wrong}");
        }
        assert!(matches!(JoinRule::parse(""), Err(TemplateError::Text(_))));
        let rules = GrantRules::new(Vec::new(), vec![JoinRule::parse("{m[]}*").unwrap()]);
        let many = json!({"m": vec![1; GrantRules::PATTERNS_MAX + 1]});
        assert_eq!(rules.apply(&[], &many), Err(ClaimFlaw::TooMany.into()));
        let long = json!({"m": ["x".repeat(257)]});
        assert_eq!(rules.apply(&[], &long), Err(ClaimFlaw::TooLong.into()));
    }

    #[test]
    fn no_more_rooms_are_made_of_claims_than_any_configuration_allows() {
        let claims = json!({"m": vec![1; GrantRules::ROOMS_MAX / 2]});

        assert_eq!(rooms(&["a:{m[]}", "b:{m[]}"], &[], &claims).unwrap(), "a:1 b:1");
        let third = rooms(&["a:{m[]}", "b:{m[]}", "c:{m[]}"], &[], &claims);
        assert_eq!(third, Err(ClaimFlaw::TooMany.into()));
    }
}
