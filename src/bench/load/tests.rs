//! Templates, markers, requests and the pace.

use super::marker::{self, Marker};
use super::template::{Template, TemplateValues};
use super::{Pace, PostTemplate, ServerAddress, TokenGrants, TokenSigner};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn places_are_filled_and_other_braces_stay() {
    let template =
        Template::from(r#"{"u":"{user}{token}","n":{n},"s":{seq},"d":"{payload}","x":{},"{user"}"#);
    let values = TemplateValues { n: 7, user: "ann", token: ".t", seq: 3, payload: b"xyz" };

    assert_eq!(template.text(values), r#"{"u":"ann.t","n":7,"s":3,"d":"xyz","x":{},"{user"}"#);
    assert_eq!(Template::from("").text(values), "");
}

#[test]
fn a_marker_is_found_again_wherever_it_stands() {
    let marker = Marker { stream: 41, seq: 9, at: Duration::from_micros(123_456) };
    let mut payload = Vec::new();
    marker.write(64, &mut payload);

    assert_eq!(payload.len(), 64);
    let packet = [b"42/ns,[\"bench\",\"".as_slice(), &payload, b"\",\"offset\"]"].concat();
    assert_eq!(Marker::find(&packet), Some(marker));
    for other in ["42[\"userline:session\",{}]", "42[\"ub:\"]", "42[\"ub:1:2:\"]", "ub:1::3:", ""] {
        assert_eq!(Marker::find(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn the_longest_marker_fits_its_bound() {
    let marker = Marker { stream: u32::MAX, seq: u32::MAX, at: Duration::from_micros(u64::MAX) };
    let mut payload = Vec::new();
    marker.write(0, &mut payload);

    assert_eq!(payload.len(), marker::BYTES_MAX);
}

#[test]
fn a_post_has_its_places_filled_and_its_length() {
    let url = "http://127.0.0.1:9/u/{user}?x=1".parse().unwrap();
    let endpoint = ServerAddress::resolve(&url).unwrap();
    let body = Template::from("{\"d\":\"{payload}\"}");
    let post = PostTemplate::new(&endpoint, &["x-key: 1".to_owned()], body);
    let (mut scratch, mut out) = (Vec::new(), Vec::new());

    post.render(
        TemplateValues { user: "u1", payload: b"zz", ..TemplateValues::default() },
        &mut scratch,
        &mut out,
    );

    let expected = "POST /u/u1?x=1 HTTP/1.1\r\nhost: 127.0.0.1:9\r\nx-key: 1\r\ncontent-length: 10\r\n\r\n{\"d\":\"zz\"}";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert!(ServerAddress::resolve(&"https://127.0.0.1/".parse().unwrap()).is_err());
}

#[test]
fn a_pace_makes_up_for_what_was_missed() {
    let begun = Duration::from_secs(1);
    let mut pace = Pace::new(Some(100), begun);
    let now = begun + Duration::from_millis(25);
    let mut sent = 0;
    while pace.is_due(now) {
        pace.count();
        sent += 1;
    }

    assert_eq!(sent, 3, "at 0, 10 and 20 ms");
    assert!(pace.wait(now) <= Duration::from_millis(5));
    assert!(Pace::new(None, begun).is_due(begun));
}

#[test]
fn a_token_grants_rooms_and_carries_data() {
    let claims = |rooms, data_bytes| -> Value {
        let signer = TokenSigner::new(&"s".repeat(32), TokenGrants { rooms, data_bytes });
        let token = signer.of(7, "u7");
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    };

    let full = claims(2, 10);
    assert_eq!(full["rooms"], json!(["room-7", "room-8"]));
    assert_eq!((full["sub"].as_str(), full["data"].to_string().len()), (Some("u7"), 10));
    let bare = claims(0, 0);
    assert!(bare.get("rooms").is_none() && bare.get("data").is_none(), "{bare}");
}
