//! Many sockets at once: having them join or leave rooms, and disconnecting them.

use super::block::check_reason;
use super::error::CommandError;
use super::json::JsonObject;
use super::names::{self, GrantableRoom, NameList};
use super::schema::{GrantableRooms, NamespaceArgument, ReasonText};
use super::target::{EmitExcept, EmitTarget};
use crate::core::emit::audience::Audience;
use crate::types::{Namespace, Room};
use serde::Deserialize;
use utoipa::ToSchema;

/// Which sockets join or leave which rooms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"to": {"users": ["42"]}, "rooms": ["project:7"]}))]
pub struct MoveRequest {
    /// The namespace of the sockets; `/` if absent.
    #[schema(value_type = Option<NamespaceArgument>)]
    namespace: Option<String>,
    /// Which sockets; at least one name, or `all`.
    #[schema(value_type = EmitTarget)]
    to: JsonObject<EmitTarget>,
    /// Which of these are left as they are.
    #[schema(value_type = Option<EmitExcept>)]
    except: Option<JsonObject<EmitExcept>>,
    /// The rooms, 1 to 1000.
    #[schema(value_type = GrantableRooms)]
    rooms: NameList<GrantableRoom>,
}

/// Which sockets are disconnected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"to": {"rooms": ["project:7"]}, "reason": "the project is closed"}))]
pub struct DismissRequest {
    /// The namespace of the sockets; `/` if absent.
    #[schema(value_type = Option<NamespaceArgument>)]
    namespace: Option<String>,
    /// Which sockets; at least one name, or `all`.
    #[schema(value_type = EmitTarget)]
    to: JsonObject<EmitTarget>,
    /// Which of these stay.
    #[schema(value_type = Option<EmitExcept>)]
    except: Option<JsonObject<EmitExcept>>,
    /// What the clients are told, at most 1024 bytes.
    #[schema(value_type = Option<ReasonText>)]
    reason: Option<String>,
    /// Whether users who are left without a socket are offline at once, which is so if this is absent; else the grace runs
    /// as usual.
    now: Option<bool>,
}

/// Which sockets join or leave which rooms.
#[derive(Debug, PartialEq, Eq)]
pub struct Move {
    /// Which sockets.
    pub audience: Audience,
    /// The rooms, at least one, each once.
    pub rooms: Vec<Room>,
}

/// Which sockets are disconnected.
#[derive(Debug, PartialEq, Eq)]
pub struct Dismiss {
    /// Which sockets.
    pub audience: Audience,
    /// What the clients are told.
    pub reason: Option<String>,
    /// Whether users who are left without a socket are offline at once, without the grace.
    pub is_offline_at_once: bool,
}

impl MoveRequest {
    /// Checks it; `namespaces` are those that exist.
    pub fn parse(self, namespaces: &[Namespace]) -> Result<Move, CommandError> {
        let Self { namespace, to, except, rooms: NameList(rooms) } = self;
        if rooms.is_empty() {
            return Err(CommandError::field("rooms", "name at least one room"));
        }
        let audience = audience(namespace, to, except, namespaces)?;
        Ok(Move { audience, rooms: rooms.into_iter().map(|GrantableRoom(room)| room).collect() })
    }
}

impl DismissRequest {
    /// Checks it; `namespaces` are those that exist.
    pub fn parse(self, namespaces: &[Namespace]) -> Result<Dismiss, CommandError> {
        let Self { namespace, to, except, reason, now } = self;
        check_reason(reason.as_deref())?;
        let audience = audience(namespace, to, except, namespaces)?;
        Ok(Dismiss { audience, reason, is_offline_at_once: now.unwrap_or(true) })
    }
}

fn audience(
    namespace: Option<String>,
    JsonObject(to): JsonObject<EmitTarget>,
    except: Option<JsonObject<EmitExcept>>,
    namespaces: &[Namespace],
) -> Result<Audience, CommandError> {
    let namespace = match namespace {
        None => Namespace::root(),
        Some(text) => names::namespace("namespace", &text, namespaces)?,
    };
    let except = except.map(|JsonObject(except)| except.parse()).unwrap_or_default();
    Ok(Audience { namespace, target: to.parse()?, except })
}

#[cfg(test)]
mod tests {
    use super::{DismissRequest, MoveRequest};
    use crate::commands::json;
    use crate::types::Namespace;

    fn refused_move(json: &str) -> Option<String> {
        let request: MoveRequest = json::parse(json.as_bytes()).map_err(|why| why.field).ok()?;
        request.parse(&[Namespace::root()]).err()?.field
    }

    #[test]
    fn rooms_are_named_once_and_are_nobodys_own() {
        let request =
            r#"{"to":{"users":[42]},"except":{"sockets":["gone"]},"rooms":["a","b","a"]}"#;
        let request: MoveRequest = json::parse(request.as_bytes()).unwrap();
        let parsed = request.parse(&[Namespace::root()]).unwrap();
        assert_eq!(parsed.rooms.len(), 2);
        assert_eq!(parsed.audience.target.users[0].as_str(), "42");

        for (rooms, field) in [
            (r#"["user:42"]"#, "rooms[0]"),
            (r#"["a","sock_AAAAAAAAAAAAAAAAAAAA"]"#, "rooms[1]"),
            (r#"[""]"#, "rooms[0]"),
        ] {
            let json = format!(r#"{{"to":{{"all":true}},"rooms":{rooms}}}"#);
            let refused = json::parse::<MoveRequest>(json.as_bytes()).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some(field), "{rooms}");
        }
        let nowhere = refused_move(r#"{"to":{"all":true},"rooms":[]}"#);
        assert_eq!(nowhere.as_deref(), Some("rooms"));
        let nobody = refused_move(r#"{"to":{},"rooms":["a"]}"#);
        assert_eq!(nobody.as_deref(), Some("to"));
        let unknown = refused_move(r#"{"to":{"all":true},"rooms":["a"],"namespace":"/no"}"#);
        assert_eq!(unknown.as_deref(), Some("namespace"));
    }

    #[test]
    fn users_are_offline_at_once_unless_that_is_not_wanted() {
        let now = |fields: &str| {
            let json = format!(r#"{{"to":{{"all":true}}{fields}}}"#);
            let request: DismissRequest = json::parse(json.as_bytes()).unwrap();
            request.parse(&[Namespace::root()]).unwrap().is_offline_at_once
        };
        assert!(now("") && now(r#","now":null"#) && now(r#","now":true"#));
        assert!(!now(r#","now":false"#));
    }
}
