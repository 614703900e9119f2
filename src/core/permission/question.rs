//! What the backend is asked before a client may do something: the JSON of one call.
//!
//! What the server knows stands in `from`. What the client wants is all that it wrote: names, never what an event says.

use crate::core::delivery::hook_body::rfc3339;
use crate::core::forwarding::body::{EventSender, SenderView};
use crate::types::{EventName, Namespace, Room, UserId, WallMs};
use serde::Serialize;

/// The type of such a call, as in hooks.
pub const PERMISSION_TYPE: &str = "client.permission";

/// What a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish<'a> {
    /// To join a room by itself.
    Join(&'a Room),
    /// To send an event to all sockets of a user.
    EmitToUser(&'a EventName, &'a UserId),
    /// To send an event to a room that it is in.
    EmitToRoom(&'a EventName, &'a Room),
    /// To see which of these users are online.
    See(&'a [UserId]),
}

impl<'a> Wish<'a> {
    /// Its name in questions and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::EmitToUser(..) | Self::EmitToRoom(..) => "emit",
            Self::See(_) => "presence",
        }
    }

    /// The users of whom the answer may allow some.
    pub fn users(&self) -> Option<&'a [UserId]> {
        match self {
            Self::See(users) => Some(users),
            Self::Join(_) | Self::EmitToUser(..) | Self::EmitToRoom(..) => None,
        }
    }
}

#[derive(Serialize)]
struct QuestionBody<'a> {
    r#type: &'static str,
    timestamp: String,
    data: QuestionData<'a>,
}

#[derive(Serialize)]
struct QuestionData<'a> {
    id: &'a str,
    ask: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<&'a str>>,
    namespace: &'a str,
    from: SenderView<'a>,
}

/// The body of the question whether `from` may do what it wants, asked at `at`:
/// `{"type":"client.permission","timestamp":"…","data":{"id","ask","event"?,"room"?,"user"?,"users"?,"namespace","from":{…}}}`.
pub fn render(
    id: &str,
    wish: Wish<'_>,
    namespace: &Namespace,
    from: &EventSender<'_>,
    at: WallMs,
) -> String {
    let (event, room, user) = match wish {
        Wish::Join(room) => (None, Some(room), None),
        Wish::EmitToUser(event, user) => (Some(event), None, Some(user)),
        Wish::EmitToRoom(event, room) => (Some(event), Some(room), None),
        Wish::See(_) => (None, None, None),
    };
    let data = QuestionData {
        id,
        ask: wish.name(),
        event: event.map(EventName::as_str),
        room: room.map(Room::as_str),
        user: user.map(UserId::as_str),
        users: wish.users().map(|it| it.iter().map(UserId::as_str).collect()),
        namespace: namespace.as_str(),
        from: from.view(),
    };
    let body = QuestionBody { r#type: PERMISSION_TYPE, timestamp: rfc3339(at), data };
    // Texts, numbers and JSON that was read already: nothing that could not be written.
    serde_json::to_string(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Wish, render};
    use crate::core::forwarding::body::EventSender;
    use crate::types::{EventName, Namespace, Room, SocketId, UserId, WallMs};
    use serde_json::{Value, json};

    fn asked(wish: Wish<'_>) -> Value {
        let (user, rooms) = (UserId::parse("a\"nn").unwrap(), [Room::parse("org:7").unwrap()]);
        let socket = SocketId::from_bytes([0; SocketId::BYTES]);
        let from = EventSender { user: &user, socket, device: None, rooms: &rooms, data: None };
        let body = render("perm_1", wish, &Namespace::parse("/chat").unwrap(), &from, WallMs(0));
        let mut body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], "client.permission");
        assert_eq!(body["timestamp"], "1970-01-01T00:00:00.000Z");
        let data = body["data"].as_object_mut().unwrap();
        assert_eq!(data.remove("id"), Some(json!("perm_1")));
        assert_eq!(data.remove("namespace"), Some(json!("/chat")));
        let from = data.remove("from").unwrap();
        assert_eq!(
            from,
            json!({"user": "a\"nn", "socket": socket.to_string(), "device": null, "rooms": ["org:7"], "data": null})
        );
        body["data"].take()
    }

    #[test]
    fn a_question_says_what_is_wanted_and_apart_from_it_who_wants_it() {
        let (room, event) = (Room::parse("doc:7").unwrap(), EventName::parse("typing").unwrap());
        let users = [UserId::parse("7").unwrap(), UserId::parse("9").unwrap()];

        assert_eq!(asked(Wish::Join(&room)), json!({"ask": "join", "room": "doc:7"}));
        assert_eq!(
            asked(Wish::EmitToUser(&event, &users[0])),
            json!({"ask": "emit", "event": "typing", "user": "7"})
        );
        assert_eq!(
            asked(Wish::EmitToRoom(&event, &room)),
            json!({"ask": "emit", "event": "typing", "room": "doc:7"})
        );
        assert_eq!(asked(Wish::See(&users)), json!({"ask": "presence", "users": ["7", "9"]}));
    }
}
