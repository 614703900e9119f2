//! What the backend answers, whether a client may do something: `{"allow": true}`, for some of many users
//! `{"allow": ["7"]}`; with `for`, how many seconds that is so.

use crate::types::UserId;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;
use thiserror::Error;

/// Seconds for which an answer may be good: what is less or more is taken for these.
const GOOD_FOR_S: RangeInclusive<u64> = 5..=3600;

/// What the backend allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionAnswer {
    /// What of that which was asked.
    pub allowed: Allowed,
    /// For how long, if the backend says so.
    pub good_for: Option<Duration>,
}

/// What of that which was asked is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// All of it.
    All,
    /// Nothing.
    Nothing,
    /// These of the users who were asked about, and at least one of them not.
    These(BTreeSet<UserId>),
}

/// Why a body is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PermissionFlaw {
    /// It is not of the shape.
    #[error("it must be {{\"allow\": true or false}}, perhaps with \"for\": {0}")]
    Shape(String),
    /// It names users, and no users were asked about.
    #[error("`allow` lists users, and none were asked about")]
    Users,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionBody {
    allow: AllowBody,
    r#for: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`allow` must be true, false or a list of users")]
enum AllowBody {
    Whole(bool),
    These(Vec<UserBody>),
}

/// A user, whose id may be a number where it comes from.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(untagged)]
enum UserBody {
    Text(String),
    Number(i64),
}

/// Reads an answer. `users` are those who were asked about, if any were; of others it says nothing.
pub fn parse(body: &[u8], users: Option<&[UserId]>) -> Result<PermissionAnswer, PermissionFlaw> {
    let body: PermissionBody =
        serde_json::from_slice(body).map_err(|error| PermissionFlaw::Shape(error.to_string()))?;
    let allowed = match (body.allow, users) {
        (AllowBody::Whole(true), _) => Allowed::All,
        (AllowBody::Whole(false), _) => Allowed::Nothing,
        (AllowBody::These(_), None) => return Err(PermissionFlaw::Users),
        (AllowBody::These(listed), Some(users)) => these(listed, users),
    };
    let (min, max) = (*GOOD_FOR_S.start(), *GOOD_FOR_S.end());
    let good_for = body.r#for.map(|it| Duration::from_secs(it.clamp(min, max)));
    Ok(PermissionAnswer { allowed, good_for })
}

fn these(listed: Vec<UserBody>, asked: &[UserId]) -> Allowed {
    let listed: BTreeSet<String> = listed
        .into_iter()
        .map(|it| match it {
            UserBody::Text(text) => text,
            UserBody::Number(number) => number.to_string(),
        })
        .collect();
    let (these, others): (BTreeSet<UserId>, BTreeSet<UserId>) =
        asked.iter().cloned().partition(|it| listed.contains(it.as_str()));
    match (these.is_empty(), others.is_empty()) {
        (_, true) => Allowed::All,
        (true, false) => Allowed::Nothing,
        (false, false) => Allowed::These(these),
    }
}

impl Allowed {
    /// Whether all of it is.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether nothing of it is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    /// Those of `asked`, who were asked about, whom it allows.
    pub fn of(self, asked: &[UserId]) -> BTreeSet<UserId> {
        match self {
            Self::All => asked.iter().cloned().collect(),
            Self::Nothing => BTreeSet::new(),
            Self::These(users) => users,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowed, PermissionFlaw, parse};
    use crate::types::UserId;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn users(ids: &[&str]) -> Vec<UserId> {
        ids.iter().map(|it| UserId::parse(it).unwrap()).collect()
    }

    fn read(body: &str, asked: Option<&[&str]>) -> Result<(Allowed, Option<u64>), PermissionFlaw> {
        let asked = asked.map(users);
        let answer = parse(body.as_bytes(), asked.as_deref())?;
        Ok((answer.allowed, answer.good_for.map(|it| it.as_secs())))
    }

    #[test]
    fn an_answer_allows_all_nothing_or_some() {
        let asked = Some(&["7", "9"][..]);
        let some = |ids: &[&str]| Allowed::These(users(ids).into_iter().collect());
        for (body, asked, expected) in [
            (r#"{"allow":true}"#, None, (Allowed::All, None)),
            (r#"{"allow":false,"for":60}"#, None, (Allowed::Nothing, Some(60))),
            (r#"{"allow":["7"],"for":60}"#, asked, (some(&["7"]), Some(60))),
            (r#"{"allow":[9]}"#, asked, (some(&["9"]), None)),
            (r#"{"allow":["9",7,"7"]}"#, asked, (Allowed::All, None)),
            (r#"{"allow":[]}"#, asked, (Allowed::Nothing, None)),
            (r#"{"allow":["somebody else","*"]}"#, asked, (Allowed::Nothing, None)),
            (r#"{"allow":true}"#, asked, (Allowed::All, None)),
            (r#"{"allow":true,"for":0}"#, None, (Allowed::All, Some(5))),
            (r#"{"allow":true,"for":999999999}"#, None, (Allowed::All, Some(3600))),
            (r#"{"allow":true,"for":null}"#, None, (Allowed::All, None)),
        ] {
            assert_eq!(read(body, asked), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_is_no_answer_allows_nothing() {
        for body in [
            "",
            "true",
            "{}",
            "[]",
            "null",
            r#"{"allow":"true"}"#,
            r#"{"allow":1}"#,
            r#"{"allow":null}"#,
            r#"{"allow":{"7":true}}"#,
            r#"{"allow":[["7"]]}"#,
            r#"{"allow":true,"for":-1}"#,
            r#"{"allow":true,"for":"60"}"#,
            r#"{"allow":true,"for":1.5}"#,
            r#"{"allow":true,"ok":true}"#,
            r#"{"allow":true,"allow":true}"#,
            r#"{"allow":true}{"allow":true}"#,
            r#"{"Allow":true}"#,
        ] {
            let told = read(body, Some(&["7"]));
            assert!(matches!(told, Err(PermissionFlaw::Shape(_))), "{body}: {told:?}");
        }
        assert_eq!(read(r#"{"allow":["7"]}"#, None), Err(PermissionFlaw::Users));
    }

    proptest! {
        #[test]
        fn of_users_those_are_allowed_who_were_asked_about_and_are_listed(
            asked in prop::collection::vec(0..8_u8, 0..6),
            listed in prop::collection::vec(0..8_u8, 0..6),
            seconds in prop::option::of(any::<u64>()),
        ) {
            let id = |n: &u8| UserId::parse(&n.to_string()).unwrap();
            let asked_ids: Vec<UserId> = asked.iter().map(id).collect();
            let list: Vec<serde_json::Value> =
                listed.iter().map(|n| if n % 2 == 0 { json!(n) } else { json!(n.to_string()) }).collect();
            let body = json!({"allow": list, "for": seconds}).to_string();

            let answer = parse(body.as_bytes(), Some(&asked_ids)).unwrap();

            let expected: BTreeSet<UserId> = asked.iter().filter(|it| listed.contains(it)).map(id).collect();
            prop_assert_eq!(answer.allowed.of(&asked_ids), expected);
            let in_bounds = |it: Duration| (5..=3600).contains(&it.as_secs());
            prop_assert_eq!(answer.good_for.is_some(), seconds.is_some());
            prop_assert!(answer.good_for.is_none_or(in_bounds));
        }
    }
}
