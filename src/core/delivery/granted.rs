//! What hooks say of a socket: its rooms, and its data.

use crate::types::Room;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Bytes of what a socket was granted, in a hook.
pub const GRANTED_BYTES_MAX: usize = 16_384;

/// The rooms that a socket is in, and what its credentials say besides, as members of an object: `"rooms":[…],"data":…`.
/// What is too long is left out, and `"cut":true` says so: the data first, which is `null` then, and of the rooms the last.
pub fn granted(rooms: &[Room], data: Option<&RawValue>) -> Arc<str> {
    let data = data.map_or("null", RawValue::get);
    let rooms: Vec<String> = rooms.iter().map(quoted).collect();
    let whole = render(&rooms, data, "");
    if whole.len() <= GRANTED_BYTES_MAX {
        return whole.into();
    }
    let mut left = GRANTED_BYTES_MAX - render(&[], "null", CUT).len();
    let fits = |room: &&String| {
        let fits = room.len() < left;
        left = left.saturating_sub(room.len() + 1);
        fits
    };
    let rooms: Vec<String> = rooms.iter().take_while(fits).cloned().collect();
    render(&rooms, "null", CUT).into()
}

const CUT: &str = r#","cut":true"#;

fn render(rooms: &[String], data: &str, more: &str) -> String {
    format!(r#""rooms":[{}],"data":{data}{more}"#, rooms.join(","))
}

fn quoted(room: &Room) -> String {
    serde_json::Value::from(room.as_str()).to_string()
}

#[cfg(test)]
mod tests {
    use super::{GRANTED_BYTES_MAX, granted};
    use crate::types::Room;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    fn read(rooms: &[String], data: Option<&str>) -> Value {
        let rooms: Vec<Room> = rooms.iter().map(|it| Room::parse(it).unwrap()).collect();
        let data = data.map(|it| RawValue::from_string(it.to_owned()).unwrap());
        let text = granted(&rooms, data.as_deref());
        assert!(text.len() <= GRANTED_BYTES_MAX, "{}", text.len());
        serde_json::from_str(&format!("{{{text}}}")).unwrap()
    }

    #[test]
    fn rooms_and_data_are_written_as_they_are() {
        assert_eq!(read(&[], None), json!({"rooms": [], "data": null}));
        let whole = read(&["a\"b".to_owned(), "c".to_owned()], Some("{\"n\":1.50}"));
        assert_eq!(whole, json!({"rooms": ["a\"b", "c"], "data": {"n": 1.5}}));
    }

    #[test]
    fn what_is_too_long_is_left_out_and_said_to_be() {
        let long = format!("\"{}\"", "x".repeat(GRANTED_BYTES_MAX));
        let cut = read(&["a".to_owned()], Some(&long));
        assert_eq!(cut, json!({"rooms": ["a"], "data": null, "cut": true}));

        let rooms: Vec<String> = (0..1000).map(|n| format!("{n:0100}")).collect();
        let cut = read(&rooms, None);
        let kept = cut["rooms"].as_array().unwrap();
        assert!(kept.len() < 1000 && 100 < kept.len() && cut["cut"] == true, "{}", kept.len());
        assert_eq!(kept[..], rooms.iter().map(|it| json!(it)).collect::<Vec<_>>()[..kept.len()]);
    }
}
