//! What those see who are cut off.

use super::bystander::Pings;
use super::{Crowd, StormFindings};
use crate::bench::fleet::FleetObserver as _;
use std::time::Duration;

#[test]
fn who_was_offline_has_another_session_afterwards() {
    let mut crowd = Crowd::new(3);
    let mut tell = |socket, packet: &str| crowd.packet(socket, packet.as_bytes(), Duration::ZERO);
    tell(0, r#"42["userline:session",{"expires_at":null,"session":5,"user":"a"},"7"]"#);
    tell(1, r#"42["userline:session",{"session":6}]"#);
    tell(0, r#"42["userline:session",{"session":5}]"#);
    tell(1, r#"42["userline:session",{"session":9}]"#);
    tell(2, r#"42["chat","["userline:session",{"session":1}]"]"#);
    tell(2, r#"42/chat,["userline:session",{"session":1}]"#);
    tell(2, r#"42/chat,["userline:session",{"session":2}]"#);

    let expected = StormFindings { longest_stall_us: None, bystander_us: None, new_sessions: 2 };
    assert_eq!(crowd.end(None), expected);
}

#[test]
fn a_stall_counts_for_each_ping_that_met_it() {
    let ms = Duration::from_millis;
    let mut pings = Pings::try_new(2, "/chat,", "ping").unwrap();
    for at in [0, 5, 10, 15] {
        assert!(!pings.next(ms(at)).is_empty());
    }
    pings.packet(2, b"43/chat,1[]", ms(1));
    pings.packet(2, b"43/chat,1[]", ms(2));
    pings.packet(2, b"43/chat,2[]", ms(105));
    pings.packet(2, b"43/chat,3[]", ms(106));
    pings.packet(1, b"43/chat,4[]", ms(107));
    pings.packet(2, b"43/other,4[]", ms(107));

    // 1, 100, 96 ms; and 85 at least, which is not acked.
    let found = pings.quantiles(ms(100)).unwrap();

    assert_eq!((found.p50 / 1000, found.max / 1000), (85, 100));
    let unheard = Pings::try_new(2, "", "ping").unwrap();
    assert_eq!(unheard.quantiles(ms(100)), None, "a server that acks none");
}
