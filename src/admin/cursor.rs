//! Where the next page of a list begins: the last key of this one, as text that nobody needs to understand.
//!
//! A cursor begins with the letter of its list. What is written well and was never given means some place in the list:
//! so the document can say exactly what is taken.

use crate::commands::schema::schemas;
use crate::core::delivery::decision::DeliveryId;
use crate::types::{Namespace, Room, SocketId, UserId};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use serde_json::{Value, json};
use thiserror::Error;

/// Base64 for URLs, in which every text of a possible length means something.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));
/// The same, as a regular expression.
const BASE64_TEXT: &str = "(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?";
/// Longest cursor: names have a few hundred bytes.
const BYTES_MAX: usize = 1000;
/// Stands between namespace and room: neither may contain it.
const SEPARATOR: char = '\n';

const USERS: char = 'u';
const ROOMS: char = 'r';
const SOCKETS: char = 's';
const DELIVERIES: char = 'd';
/// Digits of a delivery's number that always fit.
const DELIVERY_DIGITS: usize = 18;

schemas! {
    /// A cursor of a list of users.
    pub(super) UserCursor = "UserCursor": text(&format!("^{USERS}{BASE64_TEXT}$"));
    /// A cursor of a list of rooms.
    pub(super) RoomCursor = "RoomCursor": text(&format!("^{ROOMS}{BASE64_TEXT}$"));
    /// A cursor of a list of sockets.
    pub(super) SocketCursor = "SocketCursor":
        text(&format!("^{SOCKETS}{}[A-Za-z0-9_-]{{{}}}$", SocketId::PREFIX, SocketId::DIGITS));
    /// A cursor of a list of deliveries.
    pub(super) DeliveryCursor = "DeliveryCursor": text(&format!("^{DELIVERIES}[0-9]{{1,{DELIVERY_DIGITS}}}$"));
}

fn text(pattern: &str) -> Value {
    let description = "`next` of the page before, unchanged";
    json!({"description": description, "type": "string", "pattern": pattern, "maxLength": BYTES_MAX})
}

/// The text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a cursor; take `next` of the answer before, unchanged")]
pub(super) struct CursorError;

/// The cursor after a user.
pub(super) fn after_user(user: &UserId) -> String {
    format!("{USERS}{}", BASE64.encode(user.as_str()))
}

/// The user of a cursor.
pub(super) fn user(cursor: &str) -> Result<Option<UserId>, CursorError> {
    let key = key(cursor, USERS)?;
    Ok(UserId::parse(nearest(&key, UserId::BYTES_MAX)).ok())
}

/// The cursor after a room.
pub(super) fn after_room(namespace: &Namespace, room: &Room) -> String {
    format!("{ROOMS}{}", BASE64.encode(format!("{namespace}{SEPARATOR}{room}")))
}

/// The room of a cursor.
pub(super) fn room(cursor: &str) -> Result<Option<(Namespace, Room)>, CursorError> {
    let key = key(cursor, ROOMS)?;
    let (namespace, room) = key.split_once(SEPARATOR).unwrap_or((&key, ""));
    let namespace = Namespace::parse(namespace);
    let room = Room::parse(nearest(room, Room::BYTES_MAX));
    Ok(namespace.ok().zip(room.ok()))
}

/// The cursor after a socket.
pub(super) fn after_socket(socket: SocketId) -> String {
    format!("{SOCKETS}{socket}")
}

/// The socket of a cursor.
pub(super) fn socket(cursor: &str) -> Result<SocketId, CursorError> {
    own(cursor, SOCKETS)?.parse().map_err(|_| CursorError)
}

/// The cursor after a delivery.
pub(super) fn after_delivery(delivery: DeliveryId) -> String {
    format!("{DELIVERIES}{delivery}")
}

/// The delivery of a cursor.
pub(super) fn delivery(cursor: &str) -> Result<DeliveryId, CursorError> {
    let digits = own(cursor, DELIVERIES)?;
    let is_written_well =
        digits.len() <= DELIVERY_DIGITS && digits.bytes().all(|it| it.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_written_well);
    number.map(DeliveryId).ok_or(CursorError)
}

/// What follows the letter of the list.
fn own(cursor: &str, list: char) -> Result<&str, CursorError> {
    cursor.strip_prefix(list).filter(|_| cursor.len() <= BYTES_MAX).ok_or(CursorError)
}

fn key(cursor: &str, list: char) -> Result<String, CursorError> {
    let key = BASE64.decode(own(cursor, list)?).map_err(|_| CursorError)?;
    Ok(String::from_utf8_lossy(&key).into_owned())
}

/// What of a text may be a name: up to the first character that no name has, and no longer than names are.
fn nearest(text: &str, bytes_max: usize) -> &str {
    let text = text.split(char::is_control).next().unwrap_or_default();
    let end = text.floor_char_boundary(bytes_max);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{DeliveryCursor, RoomCursor, SocketCursor, UserCursor};
    use super::{after_delivery, after_room, after_socket, after_user};
    use super::{delivery, room, socket, user};
    use crate::core::delivery::decision::DeliveryId;
    use crate::types::{Namespace, Room, SocketId, UserId};
    use proptest::prelude::*;
    use proptest::string::string_regex;
    use utoipa::PartialSchema;

    fn texts<T: PartialSchema>() -> BoxedStrategy<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        string_regex(schema["pattern"].as_str().unwrap().trim_matches(['^', '$'])).unwrap().boxed()
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_by_its_own_list_only() {
        let ann = UserId::parse("änn@example.com").unwrap();
        let place = (Namespace::parse("/chat").unwrap(), Room::parse("org:7\u{1f600}").unwrap());
        let (id, number) = (SocketId::from_bytes([255; 15]), DeliveryId(1042));
        let cursors = [
            after_user(&ann),
            after_room(&place.0, &place.1),
            after_socket(id),
            after_delivery(number),
        ];

        assert_eq!(user(&cursors[0]), Ok(Some(ann)));
        assert_eq!(room(&cursors[1]), Ok(Some(place)));
        assert_eq!((socket(&cursors[2]), delivery(&cursors[3])), (Ok(id), Ok(number)));
        for (index, cursor) in cursors.iter().enumerate() {
            let taken = [
                user(cursor).is_ok(),
                room(cursor).is_ok(),
                socket(cursor).is_ok(),
                delivery(cursor).is_ok(),
            ];
            assert_eq!(taken.iter().position(|it| *it), Some(index), "{cursor}");
            assert_eq!(taken.iter().filter(|it| **it).count(), 1, "{cursor}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_fits_the_pattern_is_some_place_in_the_list(
            users in texts::<UserCursor>(),
            rooms in texts::<RoomCursor>(),
            sockets in texts::<SocketCursor>(),
            deliveries in texts::<DeliveryCursor>(),
        ) {
            prop_assert!(user(&users).is_ok(), "{users}");
            prop_assert!(room(&rooms).is_ok(), "{rooms}");
            prop_assert!(socket(&sockets).is_ok(), "{sockets}");
            prop_assert!(delivery(&deliveries).is_ok(), "{deliveries}");
        }
    }
}
